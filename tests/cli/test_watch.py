"""`status --watch`: what fits a terminal, what is printed without one, and that daemons may come and go."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from rich.console import Console
from tests.daemon.life import PATIENCE_S, wait_until
from tests.page.snapshots import FOREIGN, HOSTILE, failing, snapshot, table
from tests.workbench import start_command

from bqsync.cli.watch_view import lines, view
from bqsync.engine.glance import Glance
from bqsync.observe.control import ControlSocket, control_socket
from bqsync.observe.snapshot import encode
from bqsync.state.store import Store
from bqsync.state.tables import TableState

SHOWN = snapshot(table("orders", quarantined=2), failing("bills"), *(table(f"table_{number}") for number in range(30)))


def drawn(glance: Glance, *, width: int, height: int = 60) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, color_system=None)
    console.print(view(glance, width=width, height=height))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [30, 40, 60, 80, 100, 140, 200])
def test_no_line_is_longer_than_the_terminal_and_each_table_has_one(width: int) -> None:
    shown = drawn(Glance(SHOWN, is_told=True), width=width)
    assert max(map(len, shown)) <= width
    assert sum("table_" in line for line in shown) == 30
    (bills,) = [line for line in shown if line.startswith("bills")]
    assert "✕ failed" in bills
    headings = next(line for line in shown if line.startswith("table ")).split()
    assert ("▇" in bills or "█" in bills) == (width >= 60)
    assert ("quarantine" in headings) == (width >= 80)


def test_the_worst_comes_first_with_its_fix_and_the_rest_is_counted() -> None:
    shown = drawn(Glance(SHOWN, is_told=True), width=120, height=20)
    names = [line.split()[0] for line in shown[3:6]]
    assert names == ["bills", "orders", "table_0"]
    assert any("more, no worse" in line for line in shown)
    assert FOREIGN["fix"] in "\n".join(shown)
    assert len(shown) <= 20


def test_names_of_others_stay_in_their_line_and_do_not_steer_the_terminal() -> None:
    glance = Glance(snapshot(failing(HOSTILE), table(f"{HOSTILE}2")), is_told=True)
    text = "".join(drawn(glance, width=100)) + "".join(lines(glance))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert sum("failed: E315" in line for line in drawn(glance, width=100)) == 1
    assert len(list(lines(glance))) == 4


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A configuration, and the state of a daemon that does not run."""
    (tmp_path / "config.toml").write_text(
        '[source]\ndb = "app.db"\n[bigquery]\nproject = "p"\ndataset = "d"\n[state]\nfile = "state.db"\n'
        '[[tables]]\nname = "orders"\n', encoding="utf-8")
    with closing(Store(tmp_path / "state.db")) as store:
        TableState(store, store.source_id("app"), "orders").record_attempt(None, 10)
    return tmp_path


@pytest.fixture
def daemon(home: Path) -> Iterator[ControlSocket]:
    """Something that answers as a daemon would."""
    control = ControlSocket(control_socket(home / "state.db"), lambda: encode(SHOWN))
    yield control
    control.close()


def test_lines_follow_a_daemon_that_ends_and_begins_again(home: Path, daemon: ControlSocket) -> None:
    with start_command("status", "--watch", "--json", "--interval", "0.2", folder=home) as process:
        assert process.stdout is not None
        told = (json.loads(line) for line in process.stdout)
        assert next(told)["report"]["source"] == "shop"
        daemon.close()
        later = next(one for one in told if one["report"]["source"] != "shop")
        assert (later["report"]["daemon"], later["report"]["tables"][0]["name"]) == (None, "orders")
        again = ControlSocket(control_socket(home / "state.db"), lambda: encode(SHOWN))
        try:
            assert next(one for one in told if one["report"]["source"] == "shop")["history"]["failures"]
        finally:
            again.close()
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_a_reader_of_lines_that_has_seen_enough_is_an_end(home: Path) -> None:
    with start_command("status", "--watch", "--interval", "0.2", folder=home) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(PATIENCE_S) == 0
        assert process.stderr.read() == ""


def test_a_terminal_is_redrawn_in_its_size_and_left_as_it_was(home: Path) -> None:
    ours, its = pty.openpty()
    _resize(ours, 100)
    command = [sys.executable, "-P", "-m", "bqsync", "status", "--watch", "--interval", "0.2"]
    # Several processes of tests are told how wide their own lines are to be.
    environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    environment |= {"TERM": "xterm", "NO_COLOR": "1"}
    process = subprocess.Popen(command, cwd=home, stdin=its, stdout=its, stderr=its, env=environment)
    os.close(its)
    os.set_blocking(ours, False)
    shown = bytearray()

    def has_shown(text: str) -> bool:
        with suppress(OSError):  # nothing to read, or nobody there any more
            shown.extend(os.read(ours, 65_536))
        return text.encode() in shown

    try:
        wait_until(lambda: has_shown("daemon does not run; what the state file says:"), "a table")
        wait_until(lambda: has_shown("last success"), "its columns")
        _resize(ours, 30)
        shown.clear()
        wait_until(lambda: has_shown("daemon does not run; what the…"), "a table for a narrow terminal")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
        wait_until(lambda: has_shown("\x1b[?25h"), "the cursor")
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _resize(terminal: int, columns: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))

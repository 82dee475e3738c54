"""The control socket: who asks gets an answer, and who misbehaves gets none and holds up nobody."""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from itertools import chain, repeat
from pathlib import Path

import pytest
from tests.daemon.life import PATIENCE_S, wait_until

from bqsync.observe.control import ControlSocket, ask, control_socket
from bqsync.observe.report import StatusReport
from bqsync.observe.snapshot import MAX_BYTES, VERSION, History, Snapshot, encode

REPORT = StatusReport(source="app", db="/a.db", state_file="/s.db", has_state=True, pid=1, daemon=None,
                      daily_bytes_billed_limit=None, tables=())
SNAPSHOT = Snapshot(version=VERSION, taken_us=7, report=REPORT,
                    history=History(step_s=15.0, tables={}, failures=()))
DOCUMENT = encode(SNAPSHOT)
SHORT_S = 0.5
"""For tests in which a client is dropped."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A path that is longer than an address may be."""
    folder = tmp_path / ("deep" * 40)
    folder.mkdir()
    return control_socket(folder / "state.db")


@pytest.fixture
def open_socket(file: Path) -> Iterator[ControlSocket]:
    control = ControlSocket(file, lambda: DOCUMENT)
    yield control
    control.close()


def connect(file: Path) -> socket.socket:
    """A client by itself, which knows of no project code."""
    folder = os.open(file.parent, os.O_PATH)
    client = socket.socket(socket.AF_UNIX)
    try:
        client.connect(f"/proc/self/fd/{folder}/{file.name}")  # waits for its turn, having no time-out yet
    finally:
        os.close(folder)
    client.settimeout(PATIENCE_S)
    return client


def received(client: socket.socket) -> bytes:
    """All until the end of the connection, however that comes."""
    whole = b""
    try:
        while piece := client.recv(65_536):
            whole += piece
    except ConnectionResetError:
        pass
    return whole


def wait_for_answers() -> None:
    """Until nobody is being answered any more."""
    wait_until(lambda: all(thread.name != "control answer" for thread in threading.enumerate()), "no answer")


@pytest.mark.usefixtures("open_socket")
def test_it_answers_under_a_long_path_and_nobody_else_may_ask(file: Path) -> None:
    assert ask(file) == SNAPSHOT
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with connect(file) as client:
        client.sendall(b"snap")
        client.sendall(b"shot\n")
        assert received(client) == DOCUMENT


def test_one_that_a_dead_daemon_left_is_replaced_and_none_is_left_at_the_end(file: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        folder = os.open(file.parent, os.O_PATH)
        dead.bind(f"/proc/self/fd/{folder}/{file.name}")
        os.close(folder)
    assert ask(file) is None
    control = ControlSocket(file, lambda: DOCUMENT)
    assert ask(file) == SNAPSHOT
    control.close()
    assert not file.exists()
    assert ask(file) is None


def test_a_file_that_is_no_socket_is_left_alone(file: Path) -> None:
    file.write_text("somebody's", encoding="utf-8")
    with pytest.raises(OSError, match="in use"):
        ControlSocket(file, lambda: DOCUMENT)
    assert file.read_text(encoding="utf-8") == "somebody's"
    assert ask(file) is None


@pytest.mark.parametrize("sent", [b"", b"\n", b"snapshots\n", b"snapshot\nsnapshot\n", b"x" * 100_000, b"\0" * 63])
@pytest.mark.usefixtures("open_socket")
def test_another_request_gets_no_snapshot(file: Path, sent: bytes) -> None:
    with connect(file) as client:
        try:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            return
        assert b"taken_us" not in received(client)


def test_clients_that_hang_are_dropped_and_then_others_are_answered(file: Path) -> None:
    control = ControlSocket(file, lambda: DOCUMENT, patience_s=SHORT_S)
    with ExitStack() as stack:
        stack.callback(control.close)
        hanging = [stack.enter_context(connect(file)) for _ in range(40)]
        # Each comes to its end by itself: turned away at once, or dropped when its time is over.
        for client in hanging:
            assert received(client) == b""
        wait_until(lambda: ask(file) == SNAPSHOT, "an answer")


def test_an_answer_that_nobody_takes_ends_with_its_time_and_the_socket_goes_on(file: Path) -> None:
    large, has_begun = b"x" * (8 << 20), threading.Event()
    answers = chain([large], repeat(DOCUMENT))

    def take() -> bytes:
        has_begun.set()
        return next(answers)

    control = ControlSocket(file, take, patience_s=SHORT_S)
    try:
        with connect(file) as client:
            client.sendall(b"snapshot\n")
            assert has_begun.wait(PATIENCE_S)
            wait_for_answers()
            assert len(received(client)) < len(large)
        wait_until(lambda: ask(file) == SNAPSHOT, "an answer")
    finally:
        control.close()


def test_what_is_no_snapshot_is_not_taken_for_one(file: Path) -> None:
    later = DOCUMENT.replace(f'"version":{VERSION}'.encode(), f'"version":{VERSION + 1}'.encode())
    assert later != DOCUMENT
    for answer in (b"", b"{}", later, b'{"a": "\xff"}', b" " * (MAX_BYTES + 1)):
        control = ControlSocket(file, partial(bytes, answer))
        try:
            assert ask(file) is None
        finally:
            control.close()


@pytest.mark.parametrize("fault", [KeyError(), OSError("of ours, too")])
def test_a_fault_of_ours_is_told_in_the_log_and_the_socket_goes_on(
    file: Path, capsys: pytest.CaptureFixture[str], fault: Exception,
) -> None:
    def take() -> bytes:
        raise fault

    control = ControlSocket(file, take)
    try:
        assert ask(file) is None
        assert ask(file) is None
        wait_for_answers()
    finally:
        control.close()
    told = capsys.readouterr()
    assert told.out.count("answer.failed") == 1
    assert told.err == ""

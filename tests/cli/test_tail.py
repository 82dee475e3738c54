"""`bqsync tail`: files that grow and rotate, pipes, terminals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from tests.workbench import PATIENCE_S

from bqsync.cli import commands
from bqsync.cli.following import follow_file
from bqsync.errors import BqsyncError, ErrorKind

PATIENCE_LOOKS = 300
"""Of a follower: a minute, since it looks five times a second."""


def event(number: int, name: str = "sync.completed", table: str = "orders", level: str = "info") -> str:
    return json.dumps({"timestamp": f"2026-03-01T09:30:{number:02}.000000Z", "level": level, "event": name,
                       "table": table, "rows_upserted": number}) + "\n"


def shown(*arguments: object, code: int = 0) -> list[str]:
    """What the command prints; standard input is a terminal's or nobody's."""
    result = CliRunner().invoke(commands, ["tail", *map(str, arguments)], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    assert (result.return_value or 0) == code
    return result.stdout.splitlines()


@contextmanager
def followed(path: Path, last: int | None = None) -> Iterator[Callable[[int], list[str]]]:
    """A file that is followed; the function waits for so many more lines."""
    source = follow_file(path, last=last, follow=True)

    def wait_for(number: int) -> list[str]:
        found: list[str] = []
        for _ in range(PATIENCE_LOOKS):
            found += [line.decode() for line in next(source)]
            if len(found) >= number:
                return found
        raise AssertionError(found)

    with closing(source):
        yield wait_for


def test_a_file_is_followed_line_by_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("one\ntwo\nthree\n")
    with followed(log, last=2) as wait_for, log.open("a") as out:
        assert wait_for(2) == ["two", "three"]
        out.write("four\nfi")
        out.flush()
        assert wait_for(1) == ["four"]
        out.write("ve\n")
        out.flush()
        assert wait_for(1) == ["five"]


def test_a_file_that_is_renamed_is_read_to_its_end_and_then_its_successor(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("one\n")
    with followed(log) as wait_for, log.open("a") as old:
        assert wait_for(1) == ["one"]
        log.rename(tmp_path / "log.1")
        old.write("late\ncut")
        old.flush()
        assert wait_for(1) == ["late"]  # though there is no file of that name
        log.write_text("new\n")
        assert wait_for(2) == ["cut", "new"]
        log.unlink()
        log.write_text("newer\n")
        assert wait_for(1) == ["newer"]


def test_a_successor_that_can_not_be_read_yet_is_waited_for(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("one\n")
    with followed(log) as wait_for, log.open("a") as old:
        assert wait_for(1) == ["one"]
        log.rename(tmp_path / "log.1")
        log.mkdir()  # nobody can read that, root included
        old.write("late\n")
        old.flush()
        assert wait_for(1) == ["late"]
        log.rmdir()
        log.write_text("new\n")
        assert wait_for(1) == ["new"]


def test_a_file_that_is_truncated_is_read_from_its_start(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("one\ntwo and a part")
    with followed(log) as wait_for:
        assert wait_for(1) == ["one"]
        log.write_text("")
        assert wait_for(1) == ["two and a part"]
        log.write_text("three\n")
        assert wait_for(1) == ["three"]


def test_a_file_is_waited_for_and_then_read_whole(tmp_path: Path) -> None:
    log = tmp_path / "log"
    source = follow_file(log, last=1, follow=True)
    with closing(source):
        assert next(source) == []
        log.write_text("one\ntwo\n")
        assert next(lines for lines in source if lines) == [b"one", b"two"]


@pytest.mark.parametrize("text", ["", "one", "one\n", "a\nb", "a\nb\n", "\n\n\n", "x" * 300_000 + "\nb\n",
                                  "\n".join(str(number) for number in range(90_000))])
def test_the_last_lines_are_those_of_the_whole_file(tmp_path: Path, text: str) -> None:
    log = tmp_path / "log"
    log.write_text(text)
    everything = text.encode().split(b"\n")
    everything = everything[:-1] if everything[-1] == b"" else everything
    for last in (0, 1, 2, 3, 70_000):
        found = [line for batch in follow_file(log, last=last, follow=False) for line in batch]
        assert found == (everything[-last:] if last else []), last


def test_the_end_of_a_huge_file_is_found_without_reading_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as out:
        out.truncate(1 << 40)
        out.seek(0, os.SEEK_END)
        out.write(b"\none\ntwo\n")
    assert [line for batch in follow_file(log, last=2, follow=False) for line in batch] == [b"one", b"two"]


def test_a_log_is_shown_chosen_and_passed_on(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(event(1) + "Traceback (most recent call last):\n" + event(2, "sync.failed", "shop", "error"))
    assert [line[14:] for line in shown(log, "--no-follow")[1:]] == [
        "info     orders            sync.completed        1 upserted", "t recent call last):",
        "error    shop              sync.failed           2 upserted"]
    assert shown(log, "--no-follow", "--json", "--event", "sync.f*") == [event(2, "sync.failed", "shop", "error")[:-1]]
    assert shown(log, "--no-follow", "-n", "1", "--json") == [event(2, "sync.failed", "shop", "error")[:-1]]
    assert "\x1b[31merror" in shown(log, "--no-follow", "--color", "always")[-1]
    assert "\x1b" not in "".join(shown(log, "--no-follow"))


def test_a_summary_of_yesterday_goes_by_its_own_clock(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(event(1) + event(41) + event(43, "sync.failed", "shop", "error"))
    lines = [line.split() for line in shown(log, "--summary")]
    assert ["orders", "2", "s", "ago", "42", "0", "0", "ok"] in lines
    assert ["shop", "0", "0", "1", "failed"] in lines


def test_what_can_not_be_read_is_an_error_with_a_fix(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(BqsyncError) as caught:
            shown(path, "--no-follow")
        assert (caught.value.kind, str(path) in caught.value.what) == (ErrorKind.LOG_UNREADABLE, True)
    with pytest.raises(click.UsageError):
        shown(tmp_path / "log", "--unit", "bqsync")
    for nonsense in (("--json", "--summary"), ("-", "-n", "5")):
        with pytest.raises(click.UsageError):
            shown(*nonsense)


def test_a_journal_that_is_not_there_is_an_error_with_a_fix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(BqsyncError) as caught:
        shown("--unit", "bqsync-of-nobody")
    assert caught.value.kind is ErrorKind.LOG_UNREADABLE
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BqsyncError, match="no journal") as caught:
        shown("--unit", "bqsync")
    assert "bqsync tail FILE" in caught.value.fix


def start(*arguments: object, stdin: int, stdout: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "bqsync", "tail", *map(str, arguments)], stdin=stdin, stdout=stdout,
                            stderr=subprocess.PIPE)


def ended(process: subprocess.Popen[bytes]) -> tuple[int, bytes]:
    """Its exit code, and what it said on standard error."""
    assert process.stderr is not None
    said = process.stderr.read()
    return process.wait(PATIENCE_S), said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_pipe_is_read_as_it_comes_and_a_signal_is_an_end(number: signal.Signals) -> None:
    with start(stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(event(1).encode())
        process.stdin.flush()
        # It arrives while the pipe is still open: nothing is held back.
        assert process.stdout.readline().startswith(b"-- 2026-03-01")
        assert b"1 upserted" in process.stdout.readline()
        process.send_signal(number)
        assert ended(process) == (0, b"")


def test_a_reader_that_has_seen_enough_is_an_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(event(1) * 20_000)
    with start(log, "-n", "20000", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert ended(process) == (0, b"")


@pytest.mark.parametrize(("variables", "colored"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_a_terminal_gets_colors_unless_somebody_objects(
    tmp_path: Path, variables: dict[str, str], colored: bool
) -> None:
    log = tmp_path / "log"
    log.write_text(event(1))
    ours, theirs = os.openpty()
    environment = {**{key: value for key, value in os.environ.items() if key != "NO_COLOR"}, "TERM": "xterm"}
    done = subprocess.run([sys.executable, "-m", "bqsync", "tail", "--no-follow", str(log)], stdin=theirs,
                          stdout=theirs, env=environment | variables, check=True, timeout=PATIENCE_S)
    os.close(theirs)
    seen = os.read(ours, 65_536)
    os.close(ours)
    assert done.returncode == 0
    assert b"1 upserted" in seen
    assert (b"\x1b[" in seen) == colored


def test_a_summary_lives_on_a_terminal(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(event(1))
    ours, theirs = os.openpty()
    with start(log, "--summary", stdin=theirs, stdout=theirs) as process:
        os.close(theirs)
        # A minute and no more, whatever it shows.
        guard = threading.Timer(PATIENCE_S, process.kill)
        guard.start()
        seen = b""
        while b"orders" not in seen:
            seen += os.read(ours, 65_536)
        with log.open("a") as out:
            out.write(event(2, "sync.failed", "shop", "error"))
        while b"failed" not in seen:
            seen += os.read(ours, 65_536)
        process.send_signal(signal.SIGINT)
        assert ended(process) == (0, b"")
        guard.cancel()
    os.close(ours)

"""One process at a time, and the lock of a dead one is free."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from bqsync.errors import BqsyncError, ErrorKind, ExitCode
from bqsync.state.lock import StateLock, lock_holder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOLD = """
import sys, time
from pathlib import Path
from bqsync.state.lock import StateLock
lock = StateLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
time.sleep(600)
"""


@contextmanager
def holder(state_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the lock, and that is killed at the end."""
    with subprocess.Popen([sys.executable, "-c", HOLD, str(state_path)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def refusal(lock: StateLock) -> BqsyncError:
    with pytest.raises(BqsyncError) as caught:
        lock.acquire()
    return caught.value


def test_a_second_process_is_told_who_holds_the_lock(state_path: Path) -> None:
    with holder(state_path) as process:
        error = refusal(StateLock(state_path))
        assert (error.kind, error.rule.exit_code) == (ErrorKind.STATE_LOCKED, ExitCode.LOCKED)
        assert str(state_path) in error.what
        assert f"process {process.pid} " in error.why


def test_the_lock_of_a_killed_process_is_free(state_path: Path) -> None:
    with holder(state_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        lock = StateLock(state_path)
        lock.acquire()
        lock.release()


def test_a_released_lock_can_be_taken_again(state_path: Path) -> None:
    first, second = StateLock(state_path), StateLock(state_path)
    first.acquire()
    assert refusal(second).kind is ErrorKind.STATE_LOCKED
    first.release()
    first.release()
    second.acquire()
    assert refusal(first).kind is ErrorKind.STATE_LOCKED
    second.release()


def test_the_lock_holds_while_the_state_file_is_replaced(state_path: Path) -> None:
    lock = StateLock(state_path)
    lock.acquire()
    state_path.write_text("old")
    state_path.rename(state_path.with_suffix(".damaged"))
    state_path.write_text("new")
    assert refusal(StateLock(state_path)).kind is ErrorKind.STATE_LOCKED
    lock.release()


def test_the_lock_file_is_private_and_names_its_holder(state_path: Path) -> None:
    lock = StateLock(state_path)
    lock.acquire()
    file = state_path.with_name("state.db.lock")
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text() == f"{os.getpid()}\n"
    lock.release()


def test_a_lock_that_can_not_be_made_is_told(state_path: Path) -> None:
    (state_path.parent / "nowhere").write_text("a file where the folder should be")
    error = refusal(StateLock(state_path.parent / "nowhere" / "state.db"))
    assert error.kind is ErrorKind.STATE_UNWRITABLE
    assert error.why in ("Not a directory", "File exists")


def test_who_holds_the_lock_can_be_seen_without_taking_it(state_path: Path) -> None:
    assert lock_holder(state_path) is None
    assert list(state_path.parent.iterdir()) == [], "nothing is made"
    with holder(state_path) as process:
        assert lock_holder(state_path) == process.pid
        assert lock_holder(state_path) == process.pid
        state_path.with_name("state.db.lock").write_text("not a number", encoding="utf-8")
        assert lock_holder(state_path) == 0
    assert lock_holder(state_path) is None


def test_whoever_only_looks_turns_nobody_away(state_path: Path) -> None:
    lock = StateLock(state_path)
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            lock_holder(state_path)

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for looker in lookers:
        looker.start()
    try:
        for _ in range(40):
            lock.acquire()
            lock.release()
    finally:
        done.set()
        for looker in lookers:
            looker.join()

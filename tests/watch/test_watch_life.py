"""The thread of a watch: what it costs, what it survives, and that nothing of it is left."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from tests.watch.witness import PATIENCE_S, Witness, open_files, watching

from bqsync.watch import DatabaseWatch, Signal

QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")


def flood(folder: Path, *names: str, rounds: int) -> None:
    """Writes of one byte to those files in turn: the kernel merges only equal events that follow each other."""
    opened = [os.open(folder / name, os.O_WRONLY | os.O_CREAT) for name in names]
    for _ in range(rounds):
        for descriptor in opened:
            os.pwrite(descriptor, b"x", 0)
    for descriptor in opened:
        os.close(descriptor)


def test_nothing_is_left_of_a_closed_watch(tmp_path: Path) -> None:
    threads, before = set(threading.enumerate()), open_files()
    with watching(tmp_path / "app.db"):
        assert len(set(threading.enumerate()) - threads) == 1
    assert set(threading.enumerate()) <= threads
    assert open_files() <= before


def test_a_watch_closed_at_once_leaves_nothing(tmp_path: Path) -> None:
    """However far its thread has come by then."""
    threads, before = set(threading.enumerate()), open_files()
    for _ in range(200):
        watch = DatabaseWatch(tmp_path / "app.db", Witness())
        assert watch.check() is None
        watch.close()
    assert set(threading.enumerate()) <= threads
    assert open_files() <= before


def test_checks_that_fail_leave_nothing(tmp_path: Path) -> None:
    threads, before = set(threading.enumerate()), open_files()
    (tmp_path / "file").touch()
    for path in (tmp_path / "missing" / "app.db", tmp_path / "file" / "app.db"):
        watch = DatabaseWatch(path, Witness())
        for _ in range(5):
            assert watch.check() is not None
    assert set(threading.enumerate()) <= threads
    assert open_files() <= before


def test_a_watch_that_was_never_checked_is_closed_like_any_other(tmp_path: Path) -> None:
    watch = DatabaseWatch(tmp_path / "app.db", Witness())
    watch.close()
    watch.close()
    assert watch.check() is None


def test_no_call_comes_after_the_close(tmp_path: Path) -> None:
    """The watch is closed in the midst of a flood; a thousand events are still on their way."""
    for _ in range(10):
        is_closed = threading.Event()
        late: list[Signal] = []

        def on_event(signal: Signal, is_closed: threading.Event = is_closed, late: list[Signal] = late) -> None:
            time.sleep(0.0005)
            if is_closed.is_set():
                late.append(signal)

        watch = DatabaseWatch(tmp_path / "app.db", on_event)
        assert watch.check() is None
        flood(tmp_path, "app.db", "app.db-wal", rounds=500)
        watch.close()
        is_closed.set()
        flood(tmp_path, "app.db", rounds=1)
        time.sleep(0.01)
        assert late == []


def test_a_failing_callback_does_not_end_the_watch(tmp_path: Path) -> None:
    """It is told once, by the next check."""
    calls = threading.Semaphore(0)

    def on_event(signal: Signal) -> None:
        calls.release()
        raise ValueError(signal)

    watch = DatabaseWatch(tmp_path / "app.db", on_event)
    try:
        assert watch.check() is None
        for _ in range(3):
            (tmp_path / "app.db").write_bytes(b"x")
            assert calls.acquire(timeout=PATIENCE_S)
            while calls.acquire(blocking=False):
                pass
        degraded = watch.check()
        assert degraded is not None
        assert "ValueError" in degraded.what
        assert watch.check() is None
        (tmp_path / "app.db").unlink()
        assert calls.acquire(timeout=PATIENCE_S)
    finally:
        watch.close()


def test_a_dead_thread_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a fault of watchdog's would leave it: nothing has told that the watch is over."""
    monkeypatch.setattr(threading, "excepthook", lambda _: None)

    def fail(event: object) -> None:
        raise ValueError(event)

    with watching(tmp_path / "app.db") as (watch, witness):
        [thread] = [thread for thread in threading.enumerate() if thread.name == "bqsync-watch"]
        thread.handle_event = fail  # type: ignore[attr-defined] # watchdog's own name
        (tmp_path / "app.db").touch()
        thread.join()
        witness.forget()
        assert watch.check() is None
        assert witness.signals == [Signal.CHANGED]
        (tmp_path / "app.db").unlink()
        witness.wait_for(count=2)


def test_a_burst_of_thousands_is_taken_in(tmp_path: Path) -> None:
    with watching(tmp_path / "app.db") as (watch, witness):
        flood(tmp_path, "app.db", "app.db-wal", rounds=3000)
        (tmp_path / "app.db").unlink()
        witness.wait_for(count=100)
        assert watch.check() is None


def test_a_full_queue_is_told_and_the_folder_watched_anew(tmp_path: Path) -> None:
    """The daemon is stuck in its callback while more happens than the kernel keeps."""
    witness, stuck = Witness(), threading.Event()

    def on_event(signal: Signal) -> None:
        stuck.wait(PATIENCE_S)
        witness(signal)

    watch = DatabaseWatch(tmp_path / "app.db", on_event)
    try:
        assert watch.check() is None
        # Files that don't concern the database fill the queue as well.
        flood(tmp_path, "app.db", "noise", "other-noise", rounds=int(QUEUE.read_text("ascii")))
        stuck.set()
        witness.wait_for(Signal.OVERFLOW)
        witness.forget()
        assert watch.check() is None
        assert Signal.CHANGED in witness.signals
        witness.forget()
        flood(tmp_path, "app.db", rounds=1)
        witness.wait_for()
    finally:
        stuck.set()
        watch.close()


def test_an_idle_watch_never_wakes_up(tmp_path: Path) -> None:
    """One quiet spell of five counts: in the first its poll() may begin, and whoever stops a process wakes it."""
    with watching(tmp_path / "app.db"):
        [thread] = [thread for thread in threading.enumerate() if thread.name == "bqsync-watch"]
        status = Path(f"/proc/self/task/{thread.native_id}/status")
        times: list[int] = []
        while len(times) < 5 and 0 not in times:
            before = wake_ups(status)
            time.sleep(2.0)
            times.append(wake_ups(status) - before)
        assert 0 in times


def wake_ups(status: Path) -> int:
    lines = status.read_text("ascii").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("voluntary_ctxt_switches")))


@pytest.mark.parametrize("noise", ["log.txt", "app.db-shm"])
def test_busy_neighbours_give_no_signal(tmp_path: Path, noise: str) -> None:
    with watching(tmp_path / "app.db") as (_, witness):
        flood(tmp_path, noise, rounds=1000)
        (tmp_path / "app.db").touch()
        witness.wait_for()
    assert witness.signals == [Signal.CHANGED]

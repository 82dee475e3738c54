"""What the tests of the watch see: the signals of a `DatabaseWatch`, in the order in which they came."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bqsync.watch import DatabaseWatch, Signal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_S = 30.0
"""How long a busy machine may take for what is expected; nothing waits for it where all is well."""


def open_files() -> int:
    """How many this process has open. What earlier tests have left may be closed at any moment."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


class Witness:
    """The callback of a watch."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._signals: list[Signal] = []

    def __call__(self, signal: Signal) -> None:
        with self._news:
            self._signals.append(signal)
            self._news.notify_all()

    @property
    def signals(self) -> list[Signal]:
        with self._news:
            return list(self._signals)

    def forget(self) -> None:
        with self._news:
            self._signals.clear()

    def wait_for(self, signal: Signal = Signal.CHANGED, count: int = 1) -> None:
        """Until so many of those have come since the start, or since `forget`."""
        with self._news:
            came = self._news.wait_for(lambda: self._signals.count(signal) >= count, PATIENCE_S)
            assert came, f"{count} x {signal} expected, came: {self._signals[:20]}"


@contextmanager
def watching(
    database: Path, *, clock_s: Callable[[], float] | None = None,
) -> Iterator[tuple[DatabaseWatch, Witness]]:
    """A watch that stands, and what it tells."""
    witness = Witness()
    watch = DatabaseWatch(database, witness) if clock_s is None else DatabaseWatch(database, witness, clock_s=clock_s)
    try:
        assert watch.check() is None
        assert witness.signals == []
        yield watch, witness
    finally:
        watch.close()

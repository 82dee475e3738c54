"""The looks at the database file: when events, or the time since the last one, ask for them; and what they find."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from bqsync.capture.source import FileState, Source
from bqsync.config import WatchSection
from bqsync.engine.counting import count_failure
from bqsync.errors import BqsyncError
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger
from bqsync.observe.metrics import Metric
from bqsync.observe.tally import Tally
from bqsync.watch.debounce import Debounce
from bqsync.watch.signals import Degraded, Signal
from bqsync.watch.watch import DatabaseWatch

_log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look has found."""

    state: FileState
    changed_us: int | None
    """When the first change since the last look was written, in Unix microseconds; None: not known."""


class Lookout:
    """
    Watches one database.

    Args:
        source: the file.
        settings: `[watch]`.
        wake: called, from another thread, when a look has come to be due sooner than it was.
        now_us: the wall clock, in Unix microseconds.
        tally: counts file events, and sources that were lost.
    """

    def __init__(
        self, source: Source, settings: WatchSection, wake: Callable[[], None], now_us: Callable[[], int], tally: Tally
    ) -> None:
        self._source = source
        self._tally = tally
        self._poll_interval_s = settings.poll_interval_s
        self._wake = wake
        self._now_us = now_us
        self._lock = threading.Lock()
        self._debounce = Debounce(debounce_s=settings.debounce_s, max_delay_s=settings.max_delay_s)
        self._overflows = 0
        self._poll_s = 0.0
        self._last: FileState | None = None
        self._degraded: Degraded | None = None
        self._lost: tuple[BqsyncError, float] | None = None
        self._watch = DatabaseWatch(source.path, self._on_event)
        self.events = 0
        """File events so far."""

    @property
    def lost(self) -> BqsyncError | None:
        """Why there is no file to look at; None where there is one."""
        return None if self._lost is None else self._lost[0]

    @property
    def is_quiet(self) -> bool:
        """No event waits for its look."""
        with self._lock:
            return self._debounce.first_s is None

    def waiting_us(self) -> int | None:
        """When the first change was written that no look has followed yet, in Unix microseconds; None without one."""
        with self._lock:
            first_s = self._debounce.first_s
        try:
            return self._changed_us(self._source.file_state(), first_s, time.monotonic())
        except BqsyncError:
            return None

    def next_s(self) -> float:
        """The monotonic instant of the next look, if nothing more happens."""
        with self._lock:
            due_s = self._debounce.due_s()
        return self._poll_s if due_s is None else min(due_s, self._poll_s)

    def look(self, now_s: float) -> Look | None:
        """Look at the file, if it is time to; None if it is not, or if there is none."""
        is_polled = now_s >= self._poll_s
        if is_polled:
            self._poll_s = now_s + self._poll_interval_s
            self._check_watch()
        with self._lock:
            due_s = self._debounce.due_s()
            if not is_polled if due_s is None else now_s < due_s:
                return None
            first_s = self._debounce.take()
        try:
            state = self._source.file_state()
        except BqsyncError as failure:
            self._lose(failure, now_s)
            return None
        self._find(now_s)
        look = Look(state=state, changed_us=self._changed_us(state, first_s, now_s))
        self._last = state
        return look

    def has_lost(self, now_s: float) -> bool:
        """Somebody could not read the file: whether there is none to look at either. It is told here then, once."""
        if self._lost is None:
            try:
                self._source.file_state()
            except BqsyncError as failure:
                self._lose(failure, now_s)
        return self._lost is not None

    def close(self) -> None:
        """Watch no longer."""
        self._watch.close()

    def _on_event(self, signal: Signal) -> None:
        self._tally.add(Metric.FS_EVENTS, kind=signal.value)
        with self._lock:
            self.events += 1
            self._overflows += signal is Signal.OVERFLOW
            is_first = self._debounce.first_s is None
            self._debounce.note(time.monotonic())
        if is_first:
            self._wake()

    def _changed_us(self, state: FileState, first_s: float | None, now_s: float) -> int | None:
        if first_s is not None:
            return self._ago_us(now_s - first_s)
        if self._last is None or state == self._last:
            return None
        # No event has told of it: the file does.
        modified_ns = max(state.modified_ns, state.wal[2] if state.wal is not None else 0)
        return min(modified_ns // 1_000, self._now_us())

    def _ago_us(self, seconds: float) -> int:
        return self._now_us() - int(seconds * 1_000_000)

    def _check_watch(self) -> None:
        degraded = self._watch.check()
        if degraded is not None and degraded != self._degraded:
            _log.warning(Event.WATCH_DEGRADED, what=degraded.what, why=degraded.why, fix=degraded.fix,
                         poll_interval_s=self._poll_interval_s)
        elif degraded is None and self._degraded is not None:
            _log.info(Event.WATCH_RECOVERED, file=str(self._source.path))
        self._degraded = degraded
        with self._lock:
            overflows, self._overflows = self._overflows, 0
        if overflows:
            _log.warning(Event.WATCH_OVERFLOW, overflows=overflows)

    def _lose(self, failure: BqsyncError, now_s: float) -> None:
        known = self.lost
        if known is None or known.kind is not failure.kind:
            count_failure(self._tally, failure)
            _log.error(Event.SOURCE_UNAVAILABLE, file=str(self._source.path), **failure.as_dict())
        self._lost = (failure, now_s if self._lost is None else self._lost[1])

    def _find(self, now_s: float) -> None:
        if self._lost is not None:
            _log.info(Event.SOURCE_RECOVERED, file=str(self._source.path), duration_s=round(now_s - self._lost[1], 1))
            self._lost = None

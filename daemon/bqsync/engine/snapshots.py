"""What the running daemon shows of itself, made when somebody asks, and seldom enough that it costs next to nothing."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress

import msgspec

from bqsync.config import Config
from bqsync.engine.status import health_of, report
from bqsync.errors import BqsyncError
from bqsync.observe.last_hour import LastHour
from bqsync.observe.live import LiveStatus
from bqsync.observe.snapshot import VERSION, Snapshot
from bqsync.state.health import TableHealth
from bqsync.state.store import Store

_APART_S = 1.0
"""Whoever asks sooner gets the same again."""
_DUTY = 0.05
"""The fraction of the time that may go into reading the state, which counts a ledger, and into the rest, each."""


class Snapshots:
    """
    Makes them. Thread-safe.

    Args:
        config: whose tables are told of.
        live: what only the daemon knows, as it is now.
        last_hour: what it remembers.
        now_us: the wall clock, in Unix microseconds.
    """

    def __init__(
        self, config: Config, live: Callable[[], LiveStatus], last_hour: LastHour, now_us: Callable[[], int]
    ) -> None:
        self._config = config
        self._live = live
        self._last_hour = last_hour
        self._now_us = now_us
        self._lock = threading.Lock()
        self._last: Snapshot | None = None
        self._make_again_s = 0.0
        self._known: Mapping[str, TableHealth] | None = None
        self._read_again_s = 0.0

    def take(self) -> Snapshot:
        """The newest one. A state that can't be read at the moment is told as it was last read."""
        with self._lock:
            now_s = time.monotonic()
            if self._last is None or now_s >= self._make_again_s:
                self._look_at_state(now_s)
                begun_s = time.monotonic()
                self._last = self._made(begun_s)
                self._make_again_s = begun_s + max(_APART_S, (time.monotonic() - begun_s) / _DUTY)
            return self._last

    def _look_at_state(self, now_s: float) -> None:
        if now_s >= self._read_again_s:
            with suppress(BqsyncError), closing(Store(self._config.state.file, read_only=True)) as store:
                self._known = health_of(self._config, store)
            self._read_again_s = now_s + (time.monotonic() - now_s) / _DUTY

    def _made(self, now_s: float) -> Snapshot:
        now_us = self._now_us()
        live = msgspec.structs.replace(self._live(), written_us=now_us)
        waiting_s = {name: max(0, now_us - table.pending_since_us) / 1_000_000 for name, table in live.tables.items()
                     if table.pending_since_us is not None}
        return Snapshot(
            version=VERSION, taken_us=now_us, report=report(self._config, self._known, os.getpid(), live, now_us),
            history=self._last_hour.history(waiting_s, now_s, now_us))

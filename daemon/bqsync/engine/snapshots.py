"""What the running daemon shows of itself, made when somebody asks, and seldom enough that it costs next to nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress

import msgspec

from bqsync.config import Config
from bqsync.engine.paced import Paced
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
"""The fraction of the time that may go into reading the state, which counts a ledger."""


class Snapshots:
    """
    Makes them. Thread-safe: one thread at a time does, and the others wait for none.

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
        self._paced = Paced(self._made, _APART_S)
        self._known: Mapping[str, TableHealth] | None = None
        self._read_again_s = 0.0

    def take(self) -> Snapshot | None:
        """
        The newest one; None while another thread makes the first one.

        A state that can't be read at the moment is told as it was last read.
        """
        return self._paced.take()

    def _look_at_state(self, now_s: float) -> None:
        if now_s >= self._read_again_s:
            with suppress(BqsyncError), closing(Store(self._config.state.file, read_only=True)) as store:
                self._known = health_of(self._config, store)
            self._read_again_s = now_s + (time.monotonic() - now_s) / _DUTY

    def _made(self) -> Snapshot:
        self._look_at_state(time.monotonic())
        now_s = time.monotonic()
        now_us = self._now_us()
        live = msgspec.structs.replace(self._live(), written_us=now_us)
        waiting_s = {name: max(0, now_us - table.pending_since_us) / 1_000_000 for name, table in live.tables.items()
                     if table.pending_since_us is not None}
        return Snapshot(
            version=VERSION, taken_us=now_us, report=report(self._config, self._known, os.getpid(), live, now_us),
            history=self._last_hour.history(waiting_s, now_s, now_us))

"""What the running daemon shows of itself, made when somebody asks, and seldom enough that it costs next to nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import msgspec

from bqsync.config import Config
from bqsync.engine.paced import APART_S, Paced
from bqsync.engine.state_view import StateView
from bqsync.engine.status import report
from bqsync.observe.lag_trace import STEP_S
from bqsync.observe.last_hour import LastHour
from bqsync.observe.live import LiveStatus
from bqsync.observe.snapshot import VERSION, History, Snapshot


class Snapshots:
    """
    Makes them. Thread-safe: one thread at a time does, and the others wait for none.

    Args:
        config: whose tables are told of.
        live: what only the daemon knows, as it is now.
        last_hour: what it remembers.
        now_us: the wall clock, in Unix microseconds.
        before: those of the configuration that was in force until now.

    Attributes:
        counting: what is told of the state to who looks on.
        reading: what is told of it to a probe.
    """

    def __init__(
        self, config: Config, live: Callable[[], LiveStatus], last_hour: LastHour, now_us: Callable[[], int],
        before: Snapshots | None = None,
    ) -> None:
        self._config = config
        self._live = live
        self._last_hour = last_hour
        self._now_us = now_us
        self.counting: StateView = StateView(config, counts=True, before=None if before is None else before.counting)
        self.reading: StateView = StateView(config, counts=False, before=None if before is None else before.reading)
        self._whole = Paced(self._make_whole, APART_S)
        self._standing = Paced(self._make_standing, APART_S)

    def take(self) -> Snapshot | None:
        """
        The newest one; None while another thread makes the first one.

        A state that can't be read at the moment is told as it was last read.
        """
        return self._whole.take()

    def take_standing(self) -> Snapshot | None:
        """The same for a probe: no rows are counted, and nothing is told of the last hour."""
        return self._standing.take()

    def _make_whole(self) -> Snapshot:
        return self._made(self.counting, self._history)

    def _make_standing(self) -> Snapshot:
        return self._made(self.reading, _no_history)

    def _made(self, state: StateView, history: Callable[[LiveStatus, int], History]) -> Snapshot:
        state.look(self._now_us())
        now_us = self._now_us()
        live = msgspec.structs.replace(self._live(), written_us=now_us)
        return Snapshot(
            version=VERSION, taken_us=now_us, read_us=state.read_us,
            report=report(self._config, state.known, os.getpid(), live, now_us), history=history(live, now_us))

    def _history(self, live: LiveStatus, now_us: int) -> History:
        waiting_s = {name: max(0, now_us - table.pending_since_us) / 1_000_000 for name, table in live.tables.items()
                     if table.pending_since_us is not None}
        return self._last_hour.history(waiting_s, time.monotonic(), now_us)


def _no_history(_live: LiveStatus, _now_us: int) -> History:
    return History(step_s=STEP_S, tables={}, failures=())

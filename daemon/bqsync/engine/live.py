"""What the running daemon tells of itself in the live file, whenever it is another than before."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from bqsync.engine.agenda import Standing
from bqsync.engine.loop import Loop
from bqsync.errors import BqsyncError
from bqsync.observe.live import LiveStatus, LiveTable, live_file, remove_live, write_live

_APART_S = 1.0
"""At least between two writings: while the application writes, each cycle changes it."""
_CLOCK_STEP_US = 1_000_000


class LiveView:
    """
    Keeps the live file.

    Args:
        state_file: beside which it stands.
        now_us: the wall clock, in Unix microseconds.
    """

    def __init__(self, state_file: Path, now_us: Callable[[], int]) -> None:
        self._file = live_file(state_file)
        self._now_us = now_us
        self._started_us = now_us()
        self._offset_us = self._measured_offset_us()
        self._known: LiveStatus | None = None
        self._next_s = 0.0

    def tell(self, loop: Loop) -> float:
        """Write what is new; returns for how many seconds there is nothing to write."""
        status = self.status(loop)
        if status == self._known:
            return math.inf
        now_s = time.monotonic()
        if now_s < self._next_s:
            return self._next_s - now_s
        self._known, self._next_s = status, now_s + _APART_S
        write_live(self._file, msgspec.structs.replace(status, written_us=self._now_us()))
        return math.inf

    def close(self) -> None:
        """The daemon ends."""
        remove_live(self._file)

    def status(self, loop: Loop) -> LiveStatus:
        """What there is to tell; `written_us` is left open. From any thread."""
        offset_us = self._measured_offset_us()
        # Two clocks read one after the other differ by a little each time: that is no news.
        if abs(offset_us - self._offset_us) > _CLOCK_STEP_US:
            self._offset_us = offset_us
        outage = loop.setbacks.outage
        return LiveStatus(
            pid=os.getpid(), started_us=self._started_us, written_us=0,
            source_failure=_failure(loop.lookout.lost), outage=_failure(outage),
            outage_until_us=None if outage is None else self._wall_us(loop.setbacks.until_s),
            tables={name: self._table(one, loop.setbacks.failing_since_s(name) if one.has_ended else loop.begun_s)
                    for (_, name), one in loop.agenda.standings().items()},
        )

    def _table(self, one: Standing, doubtful_s: float | None) -> LiveTable:
        return LiveTable(
            is_running=one.is_running, pending_since_us=one.changed_us, failures=one.failures,
            paused_until_us=self._wall_us(one.earliest_s) if one.failures and not one.is_running else None,
            merge_interval_s=one.interval_s,
            doubtful_since_us=None if doubtful_s is None else self._wall_us(doubtful_s),
        )

    def _wall_us(self, monotonic_s: float) -> int:
        return self._offset_us + int(monotonic_s * 1_000_000)

    def _measured_offset_us(self) -> int:
        return self._now_us() - int(time.monotonic() * 1_000_000)


def _failure(failure: BqsyncError | None) -> dict[str, str] | None:
    return None if failure is None else failure.as_dict()

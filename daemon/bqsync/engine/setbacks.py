"""
What the daemon makes of failures: how long it waits before it tries again, and how often it says so.

It is a circuit breaker, for each table by itself and one for all. A failure opens it: nothing is called for a pause,
which doubles with each further one. Then one cycle is let through; if it succeeds, all is as before.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Hashable, Mapping
from types import MappingProxyType

from bqsync.deliver.retry import Waits
from bqsync.engine.run import TableRun, report_failure
from bqsync.errors import BqsyncError, Pause
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger
from bqsync.observe.repeats import Repeats

_log = get_logger()

PAUSES: Mapping[Pause, Waits] = MappingProxyType({
    Pause.SHORT: Waits(first=1.0, longest=5.0, total=math.inf),
    Pause.HELD: Waits(first=1.0, longest=10.0, total=math.inf),
    Pause.OUTAGE: Waits(first=1.0, longest=60.0, total=math.inf),
    Pause.TABLE: Waits(first=1.0, longest=300.0, total=math.inf),
    Pause.QUOTA: Waits(first=10.0, longest=900.0, total=math.inf),
})
"""Of half the bound to the whole of it; longer where BigQuery asks for that, but for no more than an hour."""
_LONGEST_ASKED_S = 3_600.0
TRY_OUT_S = 10.0
"""In an outage one table at a time finds out whether it is over; if it says nothing for so long, the next one does."""


class Setbacks:
    """
    Failures in a row, of each table and of all together.

    Args:
        clock: monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lines = Repeats(clock=clock)
        self._since_s: dict[str, float] = {}
        self._outage: BqsyncError | None = None
        self._outages = 0
        self._outage_since_s = 0.0
        self._met_outage: set[str] = set()
        """Tables that have failed by it."""
        self._is_trying = False
        """A cycle that began after the last failure tells whether the outage is over."""
        self.until_s = 0.0
        """While all wait: the monotonic instant of the next attempt."""

    @property
    def outage(self) -> BqsyncError | None:
        """Why nothing works; None while something does."""
        return self._outage

    def failing_since_s(self, table: str) -> float | None:
        """The monotonic instant of the first of a table's failures in a row; None where it has none."""
        return self._since_s.get(table)

    def table_failed(self, run: TableRun, failures: int) -> float:
        """
        A table has failed by itself, that often in a row.

        Returns:
            The monotonic instant of its next attempt.
        """
        now_s, table = self._clock(), run.outcome.table
        if run.failure is None:
            raise AssertionError(run)
        wait_s = _wait_s(run.failure, failures)
        self._since_s.setdefault(table, now_s)
        self._tell(run, (table, run.failure.rule.code), failures, wait_s)
        return now_s + wait_s

    def all_failed(self, failure: BqsyncError, run: TableRun | None = None) -> None:
        """Something that every table needs has failed: all wait."""
        now_s = self._clock()
        if self._outage is None or self._is_trying:
            # Tables that ran side by side meet the same failure: that is one.
            self._outages += 1
            self.until_s = now_s + _wait_s(failure, self._outages)
            self._is_trying = False
        if self._outage is None:
            self._outage_since_s = now_s
        self._outage = failure
        wait_s = max(0.0, self.until_s - now_s)
        if run is not None:
            self._met_outage.add(run.outcome.table)
            self._tell(run, failure.rule.code, self._outages, wait_s)
        elif self._lines.admit(failure.rule.code) is not None:
            _log.error(Event.BIGQUERY_UNAVAILABLE, **failure.as_dict(), failures=self._outages,
                       retry_in_s=round(wait_s, 1))

    def try_out(self, now_s: float) -> bool:
        """
        A cycle, or the first call, begins. In an outage the others wait for what becomes of it.

        Returns:
            Whether they do.
        """
        if self._outage is None:
            return False
        self._is_trying, self.until_s = True, now_s + TRY_OUT_S
        return True

    def succeeded(self, table: str | None, failures: int, *, has_sent: bool) -> None:
        """
        Something has worked. A cycle that found nothing to send tells nothing of an outage, unless it was met by it.

        Args:
            table: whose cycle it was; None for the first call to BigQuery, and for a cycle in which what the table
                has failed by was not tried again.
            failures: how many of its cycles had failed in a row before.
            has_sent: BigQuery has taken something.
        """
        now_s = self._clock()
        if self._outage is not None and (has_sent or table in self._met_outage):
            code = self._outage.rule.code
            self._lines.forget(lambda key: key == code)
            _log.info(Event.SYNC_RECOVERED, code=code, failures=self._outages,
                      duration_s=round(now_s - self._outage_since_s, 1))
            self._outage, self._outages, self.until_s, self._is_trying = None, 0, 0.0, False
            self._met_outage.clear()
        else:
            self.found_nothing()
        since_s = self._since_s.pop(table, None) if table is not None else None
        if table is not None and since_s is not None:
            self._lines.forget(lambda key: isinstance(key, tuple) and key[0] == table)
            _log.info(Event.SYNC_RECOVERED, table=table, failures=failures, duration_s=round(now_s - since_s, 1))

    def found_nothing(self) -> None:
        """The cycle that was to try whether an outage is over has found out nothing: the next one may."""
        if self._is_trying:
            self.until_s = self._clock()

    def _tell(self, run: TableRun, key: Hashable, failures: int, wait_s: float) -> None:
        if self._lines.admit(key) is not None:
            report_failure(run, failures=failures, retry_in_s=round(wait_s, 1))


def _wait_s(failure: BqsyncError, failures: int) -> float:
    """Half of the bound is certain, so that nothing spins; those that failed together do not meet again."""
    wait_s = PAUSES[failure.rule.pause].bound(failures) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret hangs on it
    return max(wait_s, min(failure.retry_after_s or 0.0, _LONGEST_ASKED_S))

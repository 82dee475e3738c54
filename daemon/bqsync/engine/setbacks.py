"""What the daemon makes of failures: how long it waits before it tries again, and how often it says so."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Hashable

from bqsync.deliver.retry import Waits
from bqsync.engine.run import TableRun, report_failure
from bqsync.errors import BqsyncError, ErrorKind, Scope
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger
from bqsync.observe.repeats import Repeats

_log = get_logger()

_OUTAGE = Waits(first=1.0, longest=60.0, total=math.inf)
_SOURCE = Waits(first=1.0, longest=5.0, total=math.inf)
"""While BigQuery does not work; and while the database can't be read, which is quickly tried and ends at any moment."""
_TABLE = Waits(first=1.0, longest=300.0, total=math.inf)
_HELD = Waits(first=1.0, longest=10.0, total=math.inf)
"""Of one table; and of one whose deletes are held back: what is new in it goes on being delivered."""
_LINES_S = 600.0
"""A failure that stays the same is told once in so long."""


class Setbacks:
    """
    Failures in a row, of each table and of all together.

    Args:
        clock: monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lines = Repeats(_LINES_S, clock)
        self._since_s: dict[str, float] = {}
        self._outage: BqsyncError | None = None
        self._outages = 0
        self._outage_since_s = 0.0
        self._met_outage: set[str] = set()
        """Tables that have failed by it."""
        self.until_s = 0.0
        """While all wait: the monotonic instant of the next attempt."""

    @property
    def outage(self) -> BqsyncError | None:
        """Why nothing works; None while something does."""
        return self._outage

    def table_failed(self, run: TableRun, failures: int) -> float:
        """
        A table has failed by itself, that often in a row.

        Returns:
            The monotonic instant of its next attempt.
        """
        now_s, table = self._clock(), run.outcome.table
        is_held = run.failure is not None and run.failure.kind is ErrorKind.DELETES_HELD_BACK
        wait_s = _wait_s(_HELD if is_held else _TABLE, failures)
        self._since_s.setdefault(table, now_s)
        self._tell(run, (table, run.failure.rule.code if run.failure else ""), failures, wait_s)
        return now_s + wait_s

    def all_failed(self, failure: BqsyncError, run: TableRun | None = None) -> None:
        """Something that every table needs has failed: all wait."""
        now_s = self._clock()
        if now_s >= self.until_s:
            # Tables that ran side by side meet the same failure: that is one.
            self._outages += 1
            waits = _SOURCE if failure.rule.scope is Scope.SOURCE else _OUTAGE
            self.until_s = now_s + _wait_s(waits, self._outages)
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
            self._outage, self._outages, self.until_s = None, 0, 0.0
            self._met_outage.clear()
        since_s = self._since_s.pop(table, None) if table is not None else None
        if table is not None and since_s is not None:
            self._lines.forget(lambda key: isinstance(key, tuple) and key[0] == table)
            _log.info(Event.SYNC_RECOVERED, table=table, failures=failures, duration_s=round(now_s - since_s, 1))

    def _tell(self, run: TableRun, key: Hashable, failures: int, wait_s: float) -> None:
        if self._lines.admit(key) is not None:
            report_failure(run, failures=failures, retry_in_s=round(wait_s, 1))


def _wait_s(waits: Waits, failures: int) -> float:
    """Half of the bound is certain, so that nothing spins; those that failed together do not meet again."""
    return waits.bound(failures) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret hangs on it

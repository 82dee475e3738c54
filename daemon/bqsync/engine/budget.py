"""
What a table's statements may cost in a day: they are slowed down before the limit, and wait for the next day at it.

The day is that of UTC, by the session's clock. A limit stops what has not begun: the statement that passes it is
finished, and so are those of other tables that run beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bqsync.config import TableSection
from bqsync.config.quantities import format_size
from bqsync.engine.bills import report_delay, settle_bills
from bqsync.engine.counting import count_bill
from bqsync.engine.session import Session
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import CycleOutcome, MergeResult
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger
from bqsync.state.billing import Bill, DaysBill, days_bill, next_day_us, note_bill, owed_bills

_log = get_logger()

SLOWED_FROM = 0.8
"""From this fraction of a limit on, what is left of it is spread over what is left of the day."""
_OWED_AT_MOST = 1
"""So many bills of a table may be owed when its next statement begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A limit, and the day's bill that counts against it."""

    setting: str
    limit_bytes: int
    bill: DaysBill

    @property
    def is_reached(self) -> bool:
        """Nothing more may be billed today."""
        return self.bill.size_bytes >= self.limit_bytes

    def spaced_s(self, left_s: float) -> float:
        """
        How far apart the cycles of each table have to begin so that the rest of the limit lasts. Pure.

        A power of two, so that it changes seldom, or half of what is left of the day. 0 below `SLOWED_FROM`, and at the
        limit: there the next cycle that has something to send tells that it waits.

        Args:
            left_s: seconds until the day ends.
        """
        if not self.bill.merges or self.bill.size_bytes < SLOWED_FROM * self.limit_bytes:
            return 0.0
        left_bytes = self.limit_bytes - self.bill.size_bytes
        if left_bytes <= 0:
            return 0.0
        merge_bytes = self.bill.size_bytes / self.bill.merges
        wanted_s = left_s * self.bill.tables * merge_bytes / left_bytes
        return float(min(left_s / 2, 2.0 ** math.ceil(math.log2(wanted_s)))) if wanted_s > 1 else 0.0


class LimitReachedError(BqsyncError):
    """
    A table waits for the next day.

    Attributes:
        until_us: when that begins, in Unix microseconds.
        reached: the limit.
    """

    def __init__(self, table: str, reached: Limit, until_us: int) -> None:
        self.table = table
        self.until_us = until_us
        self.reached = reached
        super().__init__(
            ErrorKind.DAILY_LIMIT_REACHED, what=f"table {table} waits: its statements have cost as much as a day may",
            why=f"BigQuery has billed {_about(reached.bill.size_bytes)} since midnight UTC, and {reached.setting} "
            f"is {format_size(reached.limit_bytes)}",
            fix="nothing is lost, and a daemon goes on by itself at midnight UTC; to go on now, raise the limit (and "
            "have a daemon reload)",
        )


    def report(self) -> None:
        """Log it, as an event of its own: the table has not failed."""
        until = datetime.fromtimestamp(self.until_us / 1_000_000, UTC).isoformat(timespec="seconds")
        _log.warning(Event.DAILY_LIMIT_REACHED, table=self.table, **self.as_dict(), until=until,
                     bytes_billed=self.reached.bill.size_bytes, limit_bytes=self.reached.limit_bytes)


class TableBudget:
    """
    The limits of one table: the meter of its statements.

    Args:
        session: whose configuration, state and clock count.
        section: the table's configuration.
        table_id: of the table in the state.
        outcome: of a cycle; what is billed is added to it.
        is_bounded: a limit stops the statements; else they are only counted.
    """

    def __init__(
        self, session: Session, section: TableSection, table_id: int, outcome: CycleOutcome | None = None, *,
        is_bounded: bool = True,
    ) -> None:
        self._session = session
        self._section = section
        self._table_id = table_id
        self._outcome = outcome
        self._is_bounded = is_bounded
        self.unbilled: set[str] = set()
        """Jobs of this cycle of which it is not known yet what they have cost."""

    def metered(self) -> Session:
        """The session, with the statements of this table counted, and stopped at its limits."""
        destination = replace(self._session.destination, meter=self)
        return replace(self._session, destination=destination, effects=self._session.effects.through(destination))

    def require(self) -> None:
        """
        Return if another statement may be billed today.

        Raises:
            LimitReachedError: DAILY_LIMIT_REACHED.
            BqsyncError: there is a limit, and BigQuery does not tell what earlier MERGEs have cost.
        """
        self._settle_earlier()
        now_us = self._session.now_us()
        for limit in self._limits(now_us):
            if limit.is_reached:
                raise LimitReachedError(self._section.name, limit, next_day_us(now_us))

    def note(self, size_bytes: int) -> None:
        """A statement that is no MERGE has cost so much."""
        if not size_bytes:
            return
        if self._outcome is not None:
            self._outcome.bytes_billed += size_bytes
        with self._session.store.transaction() as connection:
            note_bill(connection, self._table_id, Bill(at_us=self._session.now_us(), size_bytes=size_bytes))
        count_bill(self._session.tally, self._section.name, size_bytes)

    def merge_bill(self, result: MergeResult) -> Bill:
        """What a MERGE has cost that has just ended; or that this is owed."""
        if result.bytes_billed is None:
            self.unbilled.add(result.job_id)
        return Bill.of_job(result.job_id, result.bytes_billed, at_us=self._session.now_us(), merges=1)

    def settle(self, session: Session | None = None) -> bool:
        """
        Ask for the bills of the table that are owed.

        Args:
            session: by whose calls; None for those of the cycle.

        Returns:
            Whether the outcome of this cycle has become another.

        Raises:
            BqsyncError: BigQuery does not say; what is left stays owed.
        """
        has_changed = False
        for job_id, size_bytes in settle_bills(session or self._session, self._section.name, self._table_id):
            if self._outcome is not None and job_id in self.unbilled:
                self._outcome.bytes_billed += size_bytes
                self.unbilled.discard(job_id)
                has_changed = True
        return has_changed

    def _settle_earlier(self) -> None:
        """The newest bill may be under way, and is not waited for: a limit stops one MERGE later then."""
        if len(owed_bills(self._session.store, self._table_id)) <= _OWED_AT_MOST:
            return
        try:
            self.settle()
        except BqsyncError as failure:
            if any(self._limits(self._session.now_us())):
                raise
            report_delay(self._session, self._section.name, failure)

    def spaced_s(self) -> float:
        """How far apart the cycles of the table have to begin so that no limit is reached before its day ends."""
        now_us = self._session.now_us()
        left_s = (next_day_us(now_us) - now_us) / 1_000_000
        return max((limit.spaced_s(left_s) for limit in self._limits(now_us)), default=0.0)

    def _limits(self, now_us: int) -> Iterator[Limit]:
        session = self._session
        if not self._is_bounded:
            return
        if (limit_bytes := session.config.sync.daily_bytes_billed_limit) is not None:
            yield Limit(setting="sync.daily_bytes_billed_limit", limit_bytes=limit_bytes,
                        bill=days_bill(session.store, session.source_id, now_us))
        if (limit_bytes := self._section.daily_bytes_billed_limit) is not None:
            yield Limit(setting=f"daily_bytes_billed_limit of table {self._section.name}", limit_bytes=limit_bytes,
                        bill=days_bill(session.store, session.source_id, now_us, self._table_id))


def _about(size_bytes: int) -> str:
    """A number of bytes in words, to a tenth."""
    for unit, size in (("TiB", 2**40), ("GiB", 2**30)):
        if size_bytes >= size:
            return f"{size_bytes / size:.1f} {unit}"
    return f"{size_bytes / 2**20:.1f} MiB"

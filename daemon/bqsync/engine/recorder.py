"""What of the daemon's work is worth remembering for an hour."""

from __future__ import annotations

import time
from collections.abc import Callable
from weakref import WeakKeyDictionary

import msgspec

from bqsync.engine.budget import TableBudget
from bqsync.engine.run import TableRun
from bqsync.engine.workers import Arrived, Billed, Ended
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import CycleOutcome
from bqsync.observe.last_hour import LastHour
from bqsync.observe.snapshot import PastCycle


class Recorder:
    """
    Notes the ends of cycles.

    Args:
        last_hour: where.
        now_us: the wall clock, in Unix microseconds.
    """

    def __init__(self, last_hour: LastHour, now_us: Callable[[], int]) -> None:
        self._last_hour = last_hour
        self._now_us = now_us
        self._lost: ErrorKind | None = None
        self._unbilled: WeakKeyDictionary[TableBudget, PastCycle] = WeakKeyDictionary()
        """Cycles of which it is not known yet what they have cost, while somebody asks for it."""

    def take(self, message: object) -> None:
        """Something has arrived in the loop's inbox; most of it is nothing to remember."""
        if isinstance(message, Ended):
            self._note_end(message)
        elif isinstance(message, Billed):
            self._note_bill(message.run)
        elif isinstance(message, Arrived) and message.failure is not None:
            self._note_failure(None, message.failure)

    def look(self, lost: BqsyncError | None) -> None:
        """Why there is no database to look at, if there is none: its beginning is remembered."""
        kind = None if lost is None else lost.kind
        if lost is not None and kind is not self._lost:
            self._note_failure(None, lost)
        self._lost = kind

    def _note_end(self, ended: Ended) -> None:
        (_, table), run = ended.key, ended.run
        if run.failure is not None:
            self._note_failure(None if run.failure.rule.concerns_all else table, run.failure)
        elif run.outcome.lag_s is not None:
            self._last_hour.note_lag(table, time.monotonic(), run.outcome.lag_s)
        if run.failure is not None or run.has_moved:
            past = self._past(run.outcome, run.failure)
            self._last_hour.note_cycle(table, past)
            if run.budget is not None and run.budget.unbilled:
                self._unbilled[run.budget] = past

    def _note_bill(self, run: TableRun) -> None:
        past = None if run.budget is None else self._unbilled.pop(run.budget, None)
        if past is not None:
            billed = msgspec.structs.replace(past, bytes_billed=run.outcome.bytes_billed)
            self._last_hour.amend_cycle(run.outcome.table, past, billed)

    def _note_failure(self, table: str | None, failure: BqsyncError) -> None:
        self._last_hour.note_failure(table, failure.as_dict(), self._now_us())

    def _past(self, outcome: CycleOutcome, failure: BqsyncError | None) -> PastCycle:
        return PastCycle(
            ended_us=self._now_us(), duration_s=round(outcome.duration_s, 3), swept=outcome.swept,
            rows_upserted=outcome.rows_upserted, rows_deleted=outcome.rows_deleted,
            rows_quarantined=outcome.rows_quarantined, bytes_billed=outcome.bytes_billed,
            lag_s=None if outcome.lag_s is None else round(outcome.lag_s, 3),
            code=None if failure is None else failure.rule.code, times=1)

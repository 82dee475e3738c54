"""What the daemon remembers of the last hour. Thread-safe, and bounded however many tables there are."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Collection, Mapping

import msgspec

from bqsync.observe.lag_trace import STEP_S, LagTrace
from bqsync.observe.snapshot import History, PastCycle, PastFailure, TableHistory

_CYCLES = 20
_CYCLES_IN_ALL = 10_000
_LEAST_CYCLES = 3
_FAILURES = 50
_HOUR_US = 3_600_000_000

_Failed = tuple[str | None, str]
"""A table, or None for all, and a code."""


class LastHour:
    """Lags and cycles of each table, and what has failed. A table has 20 cycles; of thousands, each has three."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lags: dict[str, LagTrace] = {}
        self._cycles: dict[str, deque[PastCycle]] = {}
        self._failures: OrderedDict[_Failed, PastFailure] = OrderedDict()

    def keep(self, tables: Collection[str]) -> None:
        """From now on it is about these tables; what is remembered of others is forgotten."""
        most = max(_LEAST_CYCLES, min(_CYCLES, _CYCLES_IN_ALL // max(1, len(tables))))
        with self._lock:
            self._lags = {name: self._lags.get(name) or LagTrace() for name in tables}
            self._cycles = {name: deque(self._cycles.get(name, ()), maxlen=most) for name in tables}
            for key in [key for key in self._failures if key[0] is not None and key[0] not in self._lags]:
                del self._failures[key]

    def note_lag(self, table: str, until_s: float, lag_s: float) -> None:
        """A change of a table has been delivered, at that instant of the monotonic clock."""
        with self._lock:
            if table in self._lags:
                self._lags[table].note(until_s, lag_s)

    def note_cycle(self, table: str, cycle: PastCycle) -> None:
        """A cycle has ended that sent something or failed. Failures in a row that are alike are one entry."""
        with self._lock:
            cycles = self._cycles.get(table)
            if cycles is None:
                return
            if cycle.code is not None and cycles and cycles[-1].code == cycle.code:
                cycle = msgspec.structs.replace(cycle, times=cycles.pop().times + cycle.times)
            cycles.append(cycle)

    def amend_cycle(self, table: str, noted: PastCycle, amended: PastCycle) -> None:
        """More has become known of a cycle that was noted, if it is remembered still."""
        with self._lock:
            cycles = self._cycles.get(table, deque())
            for place, cycle in enumerate(cycles):
                if cycle is noted:
                    cycles[place] = amended

    def note_failure(self, table: str | None, error: Mapping[str, str], now_us: int) -> None:
        """
        Something has failed.

        Args:
            table: what alone it concerns; None for all.
            error: as in every `--json`.
            now_us: the wall clock.
        """
        key = (table, error["code"])
        with self._lock:
            before = self._failures.pop(key, None)
            is_new = before is None or before.last_us < now_us - _HOUR_US
            self._failures[key] = PastFailure(
                table=table, first_us=now_us if before is None or is_new else before.first_us, last_us=now_us,
                times=1 if before is None or is_new else before.times + 1, code=error["code"], kind=error["kind"],
                what=error["what"], why=error["why"], fix=error["fix"])
            while len(self._failures) > _FAILURES:
                self._failures.popitem(last=False)

    def history(self, waiting_s: Mapping[str, float], now_s: float, now_us: int) -> History:
        """
        All of it.

        Args:
            waiting_s: of tables that are behind, how long their oldest change has waited.
            now_s: the monotonic clock.
            now_us: the wall clock.
        """
        tables: dict[str, TableHistory] = {}
        for name in tuple(self._lags):
            # For one table at a time: the loop of the daemon does not wait while thousands are told of.
            with self._lock:
                if name in self._lags:
                    tables[name] = TableHistory(lag_s=self._lags[name].points(now_s, waiting_s.get(name)),
                                                cycles=tuple(reversed(self._cycles[name])))
        with self._lock:
            failures = tuple(failure for failure in reversed(self._failures.values())
                             if failure.last_us >= now_us - _HOUR_US)
        told = {name: table for name, table in tables.items() if table.lag_s or table.cycles}
        return History(step_s=STEP_S, tables=told, failures=failures)

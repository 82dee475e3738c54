"""Deletes that wait for what other tables have lost: many at once in one table are likely, in several suspicious."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from bqsync.engine.agenda import TableKey
from bqsync.model import CycleOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of the deletes that waited."""

    alone: TableKey | None = None
    """The one table that has lost so much: its deletes pass."""
    held: tuple[CycleOutcome, ...] = ()
    """Of tables that have lost as much together: an operator is asked."""
    losing: tuple[str, ...] = ()
    """The names of all that have lost as much."""


class DeferredDeletes:
    """Gathers them until every cycle has ended that was under way or due when the first was found."""

    def __init__(self) -> None:
        self._waiting: dict[TableKey, CycleOutcome] = {}
        self._losing: set[TableKey] = set()
        self._awaited: set[TableKey] = set()

    def note(self, key: TableKey, outcome: CycleOutcome, others: Collection[TableKey]) -> None:
        """
        A cycle has found more deletes than pass unasked.

        Args:
            key: of its table.
            outcome: of the cycle; with an error, the guard has held them back already.
            others: tables that are running or due now: they may be losing, too.
        """
        self._losing.add(key)
        if outcome.error is None:
            self._waiting[key] = outcome
            self._awaited |= set(others) - {key}

    def ended(self, key: TableKey) -> None:
        """A cycle of that table has ended, or was not worth beginning."""
        self._awaited.discard(key)

    def decide(self) -> Decision | None:
        """What becomes of what waits; None while that is not known, or nothing waits."""
        if not self._waiting:
            self._losing.clear()
            return None
        if self._awaited:
            return None
        waiting, losing = self._waiting, tuple(sorted(table for _, table in self._losing))
        self._waiting, self._losing = {}, set()
        if len(losing) == 1:
            return Decision(alone=next(iter(waiting)), losing=losing)
        return Decision(held=tuple(waiting.values()), losing=losing)

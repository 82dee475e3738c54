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
        self._held: set[TableKey] = set()
        """Tables whose deletes an operator is asked about: they have lost as much, and count in every judgement."""
        self._awaited: set[TableKey] = set()

    def note(self, key: TableKey, outcome: CycleOutcome, others: Collection[TableKey]) -> None:
        """
        A cycle has found more deletes than pass unasked.

        Args:
            key: of its table.
            outcome: of the cycle; with an error, the guard has held them back already.
            others: tables that are running or due now: they may be losing, too.
        """
        if outcome.error is not None:
            self._waiting.pop(key, None)
            self._held.add(key)
            return
        self._held.discard(key)
        if key not in self._waiting:
            # Those that wait have told what they have lost. And one that is found again waits for nobody else.
            self._awaited |= set(others) - {key} - set(self._waiting)
        self._waiting[key] = outcome

    def settled(self, key: TableKey) -> None:
        """A sweep of that table has found no more deletes than pass."""
        self._waiting.pop(key, None)
        self._held.discard(key)

    def ended(self, key: TableKey) -> None:
        """A cycle of that table has ended, or was not worth beginning."""
        self._awaited.discard(key)

    def decide(self, running: Collection[TableKey]) -> Decision | None:
        """
        What becomes of what waits; None while that is not known, or nothing waits.

        Args:
            running: tables whose cycle is running: one that waits may have more to tell.
        """
        if not self._waiting or self._awaited or not self._waiting.keys().isdisjoint(running):
            return None
        waiting, losing = self._waiting, self._waiting.keys() | self._held
        self._waiting = {}
        names = tuple(sorted(table for _, table in losing))
        if len(losing) == 1:
            return Decision(alone=next(iter(waiting)), losing=names)
        self._held |= waiting.keys()
        return Decision(held=tuple(waiting.values()), losing=names)

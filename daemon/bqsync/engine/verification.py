"""`bqsync verify`: the tables compared, alone or beside a daemon, and repaired if that is asked for."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bqsync.config import TableSection
from bqsync.engine.aside import StoppedError
from bqsync.engine.cycle_options import CycleOptions
from bqsync.engine.differences import VerifyOutcome
from bqsync.engine.repair import RepairOrder
from bqsync.engine.session import Session
from bqsync.engine.sides import Surroundings
from bqsync.engine.sync import sync_tables
from bqsync.engine.verify import verify_table
from bqsync.errors import BqsyncError, ErrorKind, noted_error
from bqsync.state.repairs import asked_repair
from bqsync.state.tables import TableState

REPAIR_WAIT_S = 600.0
"""For so long a command waits until the bqsync that runs has repaired a table."""
_LOOK_S = 0.2


@dataclass(slots=True)
class Verification:
    """What has become of some tables."""

    outcomes: list[VerifyOutcome] = field(default_factory=list)
    failures: dict[str, BqsyncError] = field(default_factory=dict)
    """By table."""

    @property
    def rows_different(self) -> int:
        """In all tables."""
        return sum(outcome.rows_different for outcome in self.outcomes)


def verify_all(
    session: Session, sections: Sequence[TableSection], *, beside: bool, repair: bool
) -> Verification:
    """
    Compare some tables; one that can't be compared stops no other.

    Args:
        session: open source, state and destination.
        sections: the tables' configurations.
        beside: another bqsync holds the lock on the state, and delivers meanwhile.
        repair: have what differs sent again or deleted, and compare once more.

    Raises:
        StoppedError: it was told to stop.
    """
    done = Verification()
    for section in sections:
        try:
            done.outcomes.append(_verify(session, section, beside=beside, repair=repair))
        except BqsyncError as failure:
            done.failures[section.name] = failure
    return done


def _verify(session: Session, section: TableSection, *, beside: bool, repair: bool) -> VerifyOutcome:
    surroundings = Surroundings(beside=beside)
    order = RepairOrder(session, section) if repair else None
    found = verify_table(session, section, surroundings if order is None else replace(surroundings, damage=order))
    if order is None or not order.rows:
        return found
    order.place()
    if beside:
        _await_repair(session, section)
    else:
        _repair(session, section)
    again = verify_table(session, section, surroundings)
    again.rows_repaired = max(0, found.rows_different - again.rows_different)
    again.duration_s = round(again.duration_s + found.duration_s, 3)
    again.differences = again.differences or found.differences
    return again


def _repair(session: Session, section: TableSection) -> None:
    (outcome,) = sync_tables(session, [section.name], CycleOptions())
    if session.stop.is_set():
        raise StoppedError
    if outcome.error is not None:
        raise noted_error(outcome.error)


def _await_repair(session: Session, section: TableSection) -> None:
    state = TableState(session.store, session.source_id, section.name)
    asked_us, deadline_s = session.now_us(), time.monotonic() + REPAIR_WAIT_S
    while asked_repair(session.store, state.table_id) is not None:
        if (failure := state.failure_since(asked_us)) is not None:
            raise noted_error(failure)
        if time.monotonic() >= deadline_s:
            raise BqsyncError(
                ErrorKind.STATE_LOCKED, what=f"table {section.name} is not repaired yet",
                why=f"the bqsync that holds the lock on the state has not come to it for {REPAIR_WAIT_S:.0f} s",
                fix="see `bqsync status`; the repair stays asked for, and the next cycle of the table makes it",
            )
        if session.stop.wait(_LOOK_S):
            raise StoppedError

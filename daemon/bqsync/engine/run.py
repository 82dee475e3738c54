"""One cycle of one table as its callers see it: it never raises, and what became of it is noted and logged."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from bqsync.capture.source import FileState
from bqsync.config import TableSection
from bqsync.encode.keys import BrokenKeyError
from bqsync.encode.values import UndecidedColumnError
from bqsync.engine.absence import HeldBackError
from bqsync.engine.bills import report_delay
from bqsync.engine.budget import TableBudget
from bqsync.engine.cycle import TableCycle
from bqsync.engine.cycle_options import CycleOptions
from bqsync.engine.schedule import Outlook
from bqsync.engine.session import Session
from bqsync.errors import BqsyncError, ErrorKind, internal_error
from bqsync.model import CycleOutcome
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger
from bqsync.state.tables import TableState

_log = get_logger()

_NOTES_S = 60.0
REFUSALS = (ErrorKind.SOURCE_TABLE_INVALID, ErrorKind.TIMESTAMP_UNIT_UNCLEAR, ErrorKind.TARGET_INCOMPATIBLE,
            ErrorKind.TARGET_FOREIGN)
"""What stands between one table and its target until an operator has done something about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRun:
    """What became of a cycle."""

    outcome: CycleOutcome
    """With its error, where it failed."""
    outlook: Outlook | None = None
    """None where it failed."""
    look: FileState | None = None
    """How the file was when what finds the changes of this table last began; None where that tells nothing."""
    failure: BqsyncError | None = None
    spaced_s: float = 0.0
    """So far apart the cycles of the table have to begin for the bytes of the day to last."""
    cause: Exception | None = None
    """Of an internal error: what was raised."""
    budget: TableBudget | None = None
    """Knows of which MERGEs it is not known yet what they have cost; None where it came to none."""

    @property
    def has_moved(self) -> bool:
        """Rows have been sent, or put in quarantine."""
        return bool(self.outcome.merges or self.outcome.rows_quarantined)

    @property
    def is_done(self) -> bool:
        """
        It did what it was for.

        A table that rested, whose deletes wait, or whose sweep is still to come, may fail again as it did before.
        """
        owes_sweep = self.outlook is not None and self.outlook.owes_sweep
        return (self.failure is None and not self.outcome.skipped and not self.outcome.deletes_deferred
                and not owes_sweep)


def run_cycle(
    session: Session, section: TableSection, options: CycleOptions, progress: Callable[[int], None]
) -> TableRun:
    """
    Run one cycle of one table. One table's failure, expected or not, never stops another.

    Args:
        session: open source, state and destination.
        section: the table's configuration.
        options: of this cycle.
        progress: told of the number of rows that a sweep has read so far.
    """
    cycle: TableCycle | None = None
    try:
        cycle = TableCycle(session, section, options, progress)
        try:
            outcome = cycle.run()
        except UndecidedColumnError:
            # Planned when the column was empty; now it is not.
            session.planned.pop(section.name, None)
            cycle = TableCycle(session, section, options, progress)
            outcome = cycle.run()
        ahead, kind = cycle.outlook()
        spaced_s = cycle.budget.spaced_s()
    except Exception as raised:  # noqa: BLE001 - see above
        run = failed_run(session, section, raised, cycle.outcome if cycle else None)
        return replace(run, budget=cycle.budget if cycle else None)
    run = TableRun(outcome=outcome, outlook=ahead, look=session.looks.get((section.name, kind)),
                   spaced_s=spaced_s, budget=cycle.budget)
    # A cycle that was told to stop has not failed, and has not seen the whole table either.
    if not session.stop.is_set() and _is_worth_noting(session, run):
        note_attempt(session, outcome)
    return run


def _is_worth_noting(session: Session, run: TableRun) -> bool:
    """Of cycles that found nothing, one a minute is noted: a note is a write to the disk."""
    noted_s = session.noted_s.get(run.outcome.table)
    if noted_s is None:
        # A failure is ended only by a cycle that did what it was for.
        return run.is_done or (run.has_moved and not _has_failed(session, run.outcome.table))
    return run.has_moved or time.monotonic() >= noted_s + _NOTES_S


def _has_failed(session: Session, table: str) -> bool:
    try:
        return TableState(session.store, session.source_id, table).has_failed()
    except BqsyncError:
        return True


def failed_run(
    session: Session, section: TableSection, raised: Exception, begun: CycleOutcome | None = None
) -> TableRun:
    """A cycle that has failed, noted in the state."""
    failure = _failure_of(session, raised)
    outcome = begun or CycleOutcome(table=section.name, target=section.target)
    outcome.error = failure.as_dict()
    note_attempt(session, outcome)
    is_ours = failure.kind is ErrorKind.INTERNAL and failure is not raised
    return TableRun(outcome=outcome, failure=failure, cause=raised if is_ours else None)


def _failure_of(session: Session, raised: Exception) -> BqsyncError:
    """What can't be is the fault of a damaged state, or else our own."""
    if isinstance(raised, BqsyncError):
        return raised
    if isinstance(raised, BrokenKeyError):
        return session.store.condemn(str(raised))
    return session.store.damage() or internal_error(raised)


def settle_run(session: Session, run: TableRun) -> bool:
    """
    Once a cycle is over, ask what MERGEs of its table have cost, where that is still to be asked.

    Returns:
        Whether its outcome has become another.
    """
    try:
        return run.budget is not None and bool(run.budget.unbilled) and run.budget.settle(session)
    except BqsyncError as failure:
        report_delay(session, run.outcome.table, failure)
        return False


def report_success(run: TableRun) -> None:
    """Idle is silent: a cycle that found nothing is worth a line only to those who debug."""
    (_log.info if run.has_moved else _log.debug)(Event.SYNC_COMPLETED, **_fields(run))


def report_failure(run: TableRun, **more: object) -> None:
    """
    Log why a cycle has failed.

    Args:
        run: that failed.
        more: further fields of the line.
    """
    if run.failure is None:
        raise AssertionError(run)
    if isinstance(run.failure, HeldBackError):
        run.failure.report()
    fields = {"table": run.outcome.table, **run.failure.as_dict(), **more}
    if run.cause is not None:
        _log.error(Event.SYNC_FAILED, exc_info=run.cause, **fields)
    else:
        _log.error(Event.TABLE_REFUSED if run.failure.kind in REFUSALS else Event.SYNC_FAILED, **fields)


def note_attempt(session: Session, outcome: CycleOutcome) -> None:
    """Have the state know how the last cycle of a table ended."""
    if outcome.error is None:
        session.noted_s[outcome.table] = time.monotonic()
    else:
        # The end of a failure is worth a note at once.
        session.noted_s.pop(outcome.table, None)
    try:
        TableState(session.store, session.source_id, outcome.table).record_attempt(
            outcome.error, session.now_us(), deletes_held=outcome.deletes_deferred)
    except BqsyncError as failure:
        # A full disk keeps every note of every table away, and the log may lie on it.
        if session.unnoted.admit(failure.rule.code) is not None:
            _log.error(Event.SYNC_FAILED, table=outcome.table, **failure.as_dict())


def _fields(run: TableRun) -> dict[str, object]:
    outcome = run.outcome
    names = [name for name in CycleOutcome.__slots__ if name != "error"]
    fields = {name: getattr(outcome, name) for name in names}
    if outcome.lag_s is None:
        del fields["lag_s"]
    if run.budget is not None and run.budget.unbilled:
        del fields["bytes_billed"]
    if not outcome.skipped:
        del fields["skipped"]
    fields["durations_s"] = {stage: round(seconds, 4) for stage, seconds in outcome.durations_s.items()}
    return fields

"""One cycle over the tables, some of them at a time: one table's failure never stops another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from bqsync.deliver import staging
from bqsync.engine.cycle import CycleOptions, TableCycle
from bqsync.engine.session import Session, chosen_tables
from bqsync.errors import BqsyncError, ErrorKind, ExitCode, RULES
from bqsync.model import CycleOutcome, TargetRef
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger
from bqsync.state.tables import TableState

_log = get_logger()

Progress = Callable[[str, int], None]
"""Told of a table and its rows read so far; called from several threads."""


def sync_tables(
    session: Session, names: Sequence[str], options: CycleOptions, progress: Progress = lambda _table, _rows: None
) -> list[CycleOutcome]:
    """
    Bring the targets of some tables up to their sources.

    Args:
        session: open source, state and destination.
        names: tables; none means all.
        options: of this cycle.
        progress: see `Progress`.

    Returns:
        An outcome for each table, in the order of the configuration; a failed one carries its error.

    Raises:
        BqsyncError: CONFIG_INVALID for a name that is not configured.
    """
    tables = chosen_tables(session.config, names)
    with ThreadPoolExecutor(session.config.sync.parallel_tables, thread_name_prefix="table") as pool:
        return list(pool.map(lambda name: _sync_table(session, name, options, progress), tables))


def sweep_orphans(session: Session) -> None:
    """Drop the staging tables that a crash left behind. A failure is only logged by its retries: they expire."""
    intents = [TableState(session.store, session.source_id, table.name).intent() for table in session.config.tables]
    keep = {intent.staging_table for intent in intents if intent is not None}
    dropped = staging.sweep_orphans(session.destination, session.store.instance, keep)
    if dropped:
        dataset = TargetRef(project=session.destination.project, dataset=session.destination.staging_dataset, table="")
        _log.info(Event.STAGING_SWEPT, dataset=f"{dataset.project}.{dataset.dataset}", tables=len(dropped))


def exit_code(outcomes: Sequence[CycleOutcome]) -> ExitCode:
    """What the process ends with: the code of the first failure, 0 without one."""
    failed = [outcome.error for outcome in outcomes if outcome.error is not None]
    return RULES[ErrorKind(failed[0]["kind"])].exit_code if failed else ExitCode.OK


def _sync_table(session: Session, name: str, options: CycleOptions, progress: Progress) -> CycleOutcome:
    section = session.config.table(name)
    if section is None:
        raise AssertionError(name)
    try:
        outcome = TableCycle(session, section, options, lambda rows: progress(name, rows)).run()
        error = None
    except BqsyncError as failure:
        error = failure.as_dict()
        outcome = CycleOutcome(table=name, target=section.target, error=error)
        _log.error(Event.SYNC_FAILED, table=name, **error)
    else:
        _log.info(Event.SYNC_COMPLETED, **_fields(outcome))
    _record_attempt(session, name, error)
    return outcome


def _fields(outcome: CycleOutcome) -> dict[str, object]:
    names = [name for name in CycleOutcome.__slots__ if name != "error"]
    fields = {name: getattr(outcome, name) for name in names}
    fields["durations_s"] = {stage: round(seconds, 4) for stage, seconds in outcome.durations_s.items()}
    return fields


def _record_attempt(session: Session, name: str, error: dict[str, str] | None) -> None:
    try:
        TableState(session.store, session.source_id, name).record_attempt(error)
    except BqsyncError as failure:
        _log.error(Event.SYNC_FAILED, table=name, **failure.as_dict())

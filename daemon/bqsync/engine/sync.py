"""One cycle over the tables, some of them at a time: one table's failure never stops another."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Protocol

from bqsync.capture.pages import count_rows
from bqsync.config import TableSection
from bqsync.engine.chosen_tables import chosen_tables
from bqsync.engine.cycle_options import CycleOptions
from bqsync.engine.identity import watch_identity
from bqsync.engine.run import TableRun, failed_run, note_attempt, report_failure, report_success, run_cycle, settle_run
from bqsync.engine.session import Session
from bqsync.engine.suspicion import hold_together
from bqsync.errors import RULES, BqsyncError, ErrorKind, ExitCode
from bqsync.model import CycleOutcome
from bqsync.observe.log import get_logger

_log = get_logger()

class Progress(Protocol):
    """Told how far a cycle is, from several threads."""

    def begin(self, table: str, rows: int) -> None:
        """A table of so many rows is about to be read."""

    def advance(self, table: str, rows: int) -> None:
        """So many rows of it have been read."""

    def end(self, table: str) -> None:
        """Its cycle is over, well or not."""


def sync_tables(
    session: Session, names: Sequence[str], options: CycleOptions, progress: Progress | None = None
) -> list[CycleOutcome]:
    """
    Bring the targets of some tables up to their sources.

    Args:
        session: open source, state and destination.
        names: tables; none means all.
        options: of this cycle.
        progress: told how far each table is; None spares the counting of rows.

    Returns:
        An outcome for each table, in the order of the configuration; a failed one carries its error.

    Raises:
        BqsyncError: CONFIG_INVALID for a name that is not configured.
    """
    tables = chosen_tables(session.config, names)
    watch_identity(session)
    outage: list[BqsyncError] = []
    with ThreadPoolExecutor(session.config.sync.parallel_tables, thread_name_prefix="table") as pool:
        outcomes = list(pool.map(lambda name: _sync_table(session, name, options, progress, outage), tables))
    return _decide_deferred(session, outcomes, options, outage)


def _decide_deferred(
    session: Session, outcomes: list[CycleOutcome], options: CycleOptions, outage: list[BqsyncError]
) -> list[CycleOutcome]:
    """
    Many deletes of a small table pass if it is the only one that lost so much; several at once look like a wrong file.

    Such a table has less than twice the free deletes: sweeping it again costs little.
    """
    losing = [outcome for outcome in outcomes if outcome.deletes_deferred]
    deferred = [outcome for outcome in losing if outcome.error is None]
    if deferred and len(losing) == 1:
        name = deferred[0].table
        again = _sync_table(session, name, replace(options, is_alone=True, full=False), None, outage)
        for count in ("rows_upserted", "bytes_sent", "bytes_billed", "merges", "rows_quarantined"):
            setattr(again, count, getattr(again, count) + getattr(deferred[0], count))
        return [again if outcome.table == name else outcome for outcome in outcomes]
    for outcome in deferred:
        failure = hold_together(session, outcome, [other.table for other in losing])
        failure.report()
        outcome.error = failure.as_dict()
        note_attempt(session, outcome)
    return outcomes


def exit_code(outcomes: Sequence[CycleOutcome]) -> ExitCode:
    """What the process ends with: the code of the first failure, 0 without one."""
    failed = [outcome.error for outcome in outcomes if outcome.error is not None]
    return RULES[ErrorKind(failed[0]["kind"])].exit_code if failed else ExitCode.OK


def _sync_table(
    session: Session, name: str, options: CycleOptions, progress: Progress | None, outage: list[BqsyncError]
) -> CycleOutcome:
    section = session.config.table(name)
    if section is None:
        raise AssertionError(name)
    if outage:
        run = failed_run(session, section, _not_tried(name, outage[0]))
    else:
        run = _counted_run(session, section, options, progress)
    settle_run(session, run)
    if run.failure is None:
        report_success(run)
    else:
        report_failure(run)
        # What one table has waited for in vain, the next one need not: a dead endpoint is told within seconds.
        if run.failure.rule.concerns_all:
            outage.append(run.failure)
    if progress is not None:
        progress.end(name)
    return run.outcome


def _counted_run(
    session: Session, section: TableSection, options: CycleOptions, progress: Progress | None
) -> TableRun:
    if progress is None:
        return run_cycle(session, section, options, lambda _rows: None)
    try:
        progress.begin(section.name, session.source.read(lambda connection: count_rows(connection, section.name)))
    except Exception as raised:  # noqa: BLE001 - as in a cycle
        return failed_run(session, section, raised)
    return run_cycle(session, section, options, lambda rows: progress.advance(section.name, rows))


def _not_tried(name: str, outage: BqsyncError) -> BqsyncError:
    return BqsyncError(outage.kind, what=f"table {name} was not tried: {outage.what}", why=outage.why, fix=outage.fix)

"""What a sync would do: one rehearsed against a copy of the state. What `bqsync plan` shows."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event as StopEvent
from zoneinfo import ZoneInfo

import msgspec

from bqsync.capture.schema import table_names
from bqsync.capture.source import Source
from bqsync.config import Config
from bqsync.deliver.clients import Destination
from bqsync.deliver.dry_run import estimate_merge
from bqsync.deliver.history import PastMerge, merges_since
from bqsync.deliver.target import check_dataset
from bqsync.engine.arrival import distrust_what_is_older
from bqsync.engine.chosen_tables import chosen_tables
from bqsync.engine.cycle_options import CycleOptions
from bqsync.engine.opening import connected, wanted_messages
from bqsync.engine.rehearsal import Changes, Rehearsing
from bqsync.engine.session import Session
from bqsync.engine.sync import Progress, sync_tables
from bqsync.errors import RULES, BqsyncError, ErrorKind, ExitCode
from bqsync.model import CycleOutcome, Intent, TargetRef
from bqsync.observe.events import Event
from bqsync.state.copy import StateCopy
from bqsync.state.job_history import newest_known_job_us
from bqsync.state.known import known_source_id
from bqsync.state.store import Store
from bqsync.state.tables import TableState

HEARD = frozenset({Event.RETRY_SCHEDULED, Event.EMBEDDED_STARTED, Event.LIBRARY_MESSAGE})
"""Of the events of a rehearsed sync, those that are true of it; of all others nothing has happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePlan:
    """What a sync would do with one table."""

    table: str
    target: str
    """`project.dataset.table`; its name alone where it was not come to."""
    would_create: bool
    would_adopt: bool
    columns_to_add: tuple[str, ...]
    """Name and type of each; of a target that would be created, all of its columns."""
    columns_to_widen: tuple[str, ...]
    """Name and new type of each."""
    columns_to_relax: tuple[str, ...]
    """Names of those that refuse NULL and would take it from then on."""
    primary_key_to_set: tuple[str, ...] | None
    """Empty: it would be taken away; None: it would stay as it is."""
    would_read_keys: bool
    """The ledger does not speak of this target: its keys would be read, and every row sent."""
    rows_read: int
    rows_to_upsert: int
    rows_to_delete: int
    rows_to_quarantine: int
    """Newly."""
    rows_unchanged: int
    quarantine_total: int
    deletes_to_hold: int
    """That the guard would hold back."""
    bytes_to_append: int
    merges: int
    """Statements: one for each chunk."""
    merge_sql: str | None
    """Of the first of them; TIME and RANDOM stand in the name of its staging table."""
    dry_run_bytes: int | None
    """What one MERGE would read of an existing target, as BigQuery estimates it; None where there is no estimate."""
    dry_run_note: str | None
    """Why there is none."""
    unsettled_job: str | None
    """The MERGE of an earlier run whose end would be looked for first."""
    unsettled_end: str | None
    """How it stands: running, done, failed or unknown."""
    error: Mapping[str, str] | None
    """What the table would fail with."""

    @property
    def is_something(self) -> bool:
        """Whether anything would change in BigQuery, or in the list of rows in quarantine."""
        is_altered = self.columns_to_add or self.columns_to_widen or self.columns_to_relax
        return bool(self.would_create or self.would_adopt or is_altered or self.primary_key_to_set is not None
                    or self.rows_to_upsert or self.rows_to_delete or self.rows_to_quarantine)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a sync would do."""

    would_create_dataset: bool
    tables: tuple[TablePlan, ...]

    @property
    def exit_code(self) -> ExitCode:
        """The code of the first table that would fail; else 1 where something would be done, and 0 where nothing."""
        errors = [table.error for table in self.tables if table.error is not None]
        if errors:
            return RULES[ErrorKind(errors[0]["kind"])].exit_code
        is_something = self.would_create_dataset or any(table.is_something for table in self.tables)
        return ExitCode.FAILED if is_something else ExitCode.OK

    def as_dict(self) -> dict[str, object]:
        """For `--json`."""
        return {"would_change": self.exit_code != ExitCode.OK, **asdict(self)}


def make_plan(
    config: Config, names: Sequence[str], options: CycleOptions, *, stop: StopEvent, progress: Progress | None = None
) -> Plan:
    """
    Rehearse a sync: the same cycle, of which every change of BigQuery is only written down, on a copy of the state.

    It takes no lock, and what a daemon does meanwhile does not disturb it.

    Args:
        config: checked configuration.
        names: tables; none means all.
        options: as of the sync.
        stop: ends it early once it is set.
        progress: told how far each table is.

    Raises:
        BqsyncError: what keeps a sync from beginning.
    """
    chosen_tables(config, names)
    with _rehearsal(config, stop) as (session, rehearsing, would_create_dataset):
        intents = {table.name: TableState(session.store, session.source_id, table.name).intent()
                   for table in config.tables}
        outcomes = sync_tables(session, names, options, progress)
        return Plan(would_create_dataset=would_create_dataset, tables=tuple(
            _table_plan(session, outcome, rehearsing, intents[outcome.table]) for outcome in outcomes
        ))


@contextmanager
def _rehearsal(config: Config, stop: StopEvent) -> Iterator[tuple[Session, Rehearsing, bool]]:
    with ExitStack() as stack:
        messages = wanted_messages(config)
        source = Source(config.source.db, busy_timeout_s=config.source.busy_timeout_s)
        source.read(table_names)
        destination = stack.enter_context(connected(config, stop))
        is_missing = _is_dataset_missing(config, destination)
        # Asked before the state is copied: whatever BigQuery has run by then, the copy knows of.
        merges = [] if is_missing else _known_merges(config, destination)
        store = stack.enter_context(closing(StateCopy(config.state.file)))
        rehearsing = Rehearsing(destination)
        session = Session(
            config=_with_folder(config), source=source, store=store, source_id=store.source_id(config.source.name),
            destination=destination, effects=rehearsing, messages=messages, zone=ZoneInfo(config.source.time_zone),
            stop=stop,
        )
        distrust_what_is_older(session, merges)
        yield session, rehearsing, is_missing


def _is_dataset_missing(config: Config, destination: Destination) -> bool:
    """Whether a sync would create the dataset, as it does on this machine alone."""
    try:
        check_dataset(destination, create=False)
    except BqsyncError as failure:
        is_local = config.bigquery.embedded or config.bigquery.rest_endpoint is not None
        if failure.kind is not ErrorKind.BIGQUERY_DATASET_MISSING or not is_local:
            raise
        return True
    return False


def _known_merges(config: Config, destination: Destination) -> list[PastMerge]:
    try:
        with closing(Store(config.state.file, read_only=True)) as state:
            source_id = known_source_id(state, config.source.name)
            known_us = None if source_id is None else newest_known_job_us(state, source_id)
    except BqsyncError as failure:
        if failure.kind is not ErrorKind.STATE_MISSING:
            raise
        return []
    return [] if known_us is None else merges_since(destination, known_us)


def _with_folder(config: Config) -> Config:
    """Counts of a walk lie beside the state; where it has no folder yet, none is made for a plan."""
    if config.state.file.parent.is_dir():
        return config
    file = Path(tempfile.gettempdir(), config.state.file.name)
    return msgspec.structs.replace(config, state=msgspec.structs.replace(config.state, file=file))


def _table_plan(session: Session, outcome: CycleOutcome, rehearsing: Rehearsing, intent: Intent | None) -> TablePlan:
    section = session.config.table(outcome.table)
    if section is None:
        raise AssertionError(outcome.table)
    changes = rehearsing.changes[section.target]
    bytes_estimated, note = _estimate(session.destination, section.target, changes)
    return TablePlan(
        table=outcome.table, target=outcome.target, would_create=changes.created, would_adopt=changes.adopted,
        columns_to_add=changes.columns_added, columns_to_widen=changes.columns_widened,
        columns_to_relax=changes.columns_relaxed, primary_key_to_set=changes.primary_key,
        would_read_keys=changes.keys_read, rows_read=outcome.rows_read,
        rows_to_upsert=outcome.rows_upserted, rows_to_delete=outcome.rows_deleted,
        rows_to_quarantine=outcome.rows_quarantined, rows_unchanged=outcome.rows_unchanged,
        quarantine_total=outcome.quarantine_total, deletes_to_hold=outcome.deletes_deferred,
        bytes_to_append=outcome.bytes_sent, merges=outcome.merges, merge_sql=changes.statement,
        dry_run_bytes=bytes_estimated, dry_run_note=note, unsettled_job=intent.job_id if intent else None,
        unsettled_end=rehearsing.settled[intent.job_id].value if intent and intent.job_id in rehearsing.settled
        else None, error=outcome.error,
    )


def _estimate(destination: Destination, name: str, changes: Changes) -> tuple[int | None, str | None]:
    if changes.spec is None:
        return None, None
    if changes.created or changes.columns_added:
        return None, "the target, or one of its columns, is not there yet"
    try:
        found = estimate_merge(destination, changes.spec, TargetRef(
            project=destination.project, dataset=destination.dataset, table=name))
    except BqsyncError as failure:
        return None, f"{failure.what}: {failure.why}"
    return found, "the service gives no figure" if found is None else None

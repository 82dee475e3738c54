"""One cycle of one table: plan, prepare the target, settle what was left, sweep."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bqsync.config import TableSection
from bqsync.deliver import jobs, staging, target
from bqsync.deliver.target import TargetState
from bqsync.encode.mapping import with_target
from bqsync.encode.rows import RowEncoder
from bqsync.engine.chunk import Lane, RefusedKeysError
from bqsync.engine.plan import mapping_version, plan_table, table_reader
from bqsync.engine.session import Session
from bqsync.engine.stopwatch import Stopwatch
from bqsync.engine.sweep import Sweep, SweepBounds
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import CycleOutcome, TableSpec
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger
from bqsync.state.ledger import Ledger
from bqsync.state.tables import TableState, TrustedTarget

_log = get_logger()

FIRST_COPY_APPEND_ROWS = 50_000
APPEND_BYTES = 2_000_000
"""A first copy is bounded by bytes: larger requests gain nothing, smaller ones cost a round trip each."""
_MAX_REFUSALS = 20
"""A cycle starts again without the rows that BigQuery refused, so often at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleOptions:
    """What an operator asks of one cycle beside the ordinary."""

    full: bool = False
    """Trust nothing: reconcile with the target and send every row."""
    adopt: bool = False
    """Take over a target that somebody else made."""
    confirmed_deletes: int = 0


class TableCycle:
    """
    One cycle of one table.

    Args:
        session: open source, state and destination.
        section: the table's configuration.
        options: of this cycle.
        progress: told of the number of rows read so far.
    """

    def __init__(
        self, session: Session, section: TableSection, options: CycleOptions, progress: Callable[[int], None]
    ) -> None:
        self._session = session
        self._section = section
        self._options = options
        self._progress = progress
        self._stopwatch = Stopwatch()
        self.outcome: CycleOutcome | None = None
        """What was done so far: of a cycle that fails, too."""
        self._state = TableState(session.store, session.source_id, section.name)
        self._ledger = Ledger(session.store, self._state.table_id)

    def run(self) -> CycleOutcome:
        """
        Bring the target up to its source.

        Raises:
            BqsyncError: the cycle failed; what was delivered before stays delivered and noted.
        """
        with self._stopwatch.stage("plan"):
            plan = plan_table(self._session, self._section, self._state)
            for warning in plan.warnings:
                _log.warning(Event.SCHEMA_WARNING, table=self._section.name, what=warning)
            self._settle_intent()
            if self._options.full:
                self._state.distrust()
            spec, encoder, found = self._prepare_target(plan.spec)
        refused: frozenset[bytes] = frozenset()
        for _ in range(_MAX_REFUSALS):
            try:
                return self._sweep(spec, encoder, found, refused)
            except RefusedKeysError as error:
                refused |= error.keys
        raise BqsyncError(
            ErrorKind.QUARANTINE_FLOOD, what=f"BigQuery keeps refusing rows of table {self._section.name}",
            why=f"{len(refused)} rows were refused in {_MAX_REFUSALS} attempts",
            fix="compare the types of source and target: bqsync check",
        )

    def _sweep(
        self, spec: TableSpec, encoder: RowEncoder, found: TargetState, refused: frozenset[bytes]
    ) -> CycleOutcome:
        settings = self._session.config.sync
        first_copy = self._ledger.count() == 0
        lane = Lane(
            destination=self._session.destination, target=found.ref, encoder=encoder, state=self._state,
            ledger=self._ledger, mapping_version=mapping_version(spec),
            append_rows=FIRST_COPY_APPEND_ROWS if first_copy else settings.batch_rows, append_bytes=APPEND_BYTES,
            stopwatch=self._stopwatch,
        )
        reader = table_reader(self._session, spec)
        bounds = SweepBounds(chunk_rows=settings.chunk_rows, chunk_bytes=settings.chunk_bytes,
                             max_delete_fraction=settings.max_delete_fraction,
                             confirmed_deletes=self._options.confirmed_deletes)
        sweep = Sweep(lane, reader, bounds, refused=refused, progress=self._progress,
                      is_stopped=self._session.stop.is_set)
        self.outcome = sweep.outcome
        return sweep.run()

    def _settle_intent(self) -> None:
        intent = self._state.intent()
        if intent is None:
            return
        outcome = jobs.settle(self._session.destination, intent)
        # Whatever it did is done once more by the sweep; what counts is that it can do nothing any later.
        self._state.clear_intent()
        staging.drop(self._session.destination, intent.staging_table)
        _log.info(Event.INTENT_SETTLED, table=self._section.name, job_id=intent.job_id, outcome=outcome)

    def _prepare_target(self, spec: TableSpec) -> tuple[TableSpec, RowEncoder, TargetState]:
        destination = self._session.destination
        found = target.read(destination, target.target_ref(destination, spec))
        is_new = found is None
        if found is None:
            found = target.create(destination, spec)
            _log.info(Event.TARGET_CREATED, table=spec.source_name, target=str(found.ref), columns=len(spec.columns))
        elif not found.managed:
            self._adopt(found)
        found, added = target.evolve(destination, spec, found)
        if added:
            _log.info(Event.TARGET_ALTERED, table=spec.source_name, target=str(found.ref), columns=added)
        spec = with_target(spec, found.required, self._gone_columns(spec, found))
        encoder = RowEncoder(spec, self._session.zone)
        self._trust(encoder, found, is_new=is_new)
        return spec, encoder, found

    def _gone_columns(self, spec: TableSpec, found: TargetState) -> tuple[str, ...]:
        """Target columns whose source column was dropped: they stay, and go NULL with every row that is sent."""
        known = self._state.target_names()
        self._state.record_target_names({column.source_name: column.target_name for column in spec.columns})
        present = {column.target_name.lower() for column in spec.columns}
        return tuple(dict.fromkeys(
            name for name in known.values() if name.lower() not in present and name.lower() in found.types
        ))

    def _adopt(self, found: TargetState) -> None:
        destination = self._session.destination
        if not self._options.adopt and target.has_rows(destination, found.ref):
            raise BqsyncError(
                ErrorKind.TARGET_FOREIGN, what=f"table {found.ref} exists, holds rows, and was not made by bqsync",
                why="rows that the source lacks would be deleted from it",
                fix=f"if it is meant to become a copy: bqsync sync {self._section.name} --adopt; else choose another "
                "`target` for the table",
            )
        target.adopt(destination, found)

    def _trust(self, encoder: RowEncoder, found: TargetState, *, is_new: bool) -> None:
        """A ledger speaks of one target. Of any other, the keys are read before anything is compared."""
        key_columns = ", ".join(f"{column.target_name} {column.target_type}" for column in encoder.spec.key_columns)
        target_now = TrustedTarget(name=str(found.ref), created_us=found.created_us, key_columns=key_columns)
        if self._state.trusted() == target_now:
            return
        keys = iter(()) if is_new else self._target_keys(encoder, found)
        self._ledger.reconcile(target_now, keys)

    def _target_keys(self, encoder: RowEncoder, found: TargetState) -> Iterator[list[bytes]]:
        for portion in target.rows(self._session.destination, found.ref, encoder.spec.key_columns):
            keys = map(encoder.reread_key, portion)
            yield [key for key in keys if key is not None]

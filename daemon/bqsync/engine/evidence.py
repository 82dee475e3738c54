"""One row looked at in source, ledger, quarantine and BigQuery. Nothing is changed on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bqsync.config import TableSection
from bqsync.deliver import target
from bqsync.deliver.history import merges_since, target_mark
from bqsync.deliver.past_job import look_up
from bqsync.deliver.target import TargetState
from bqsync.deliver.target_row import TargetRow, find_rows
from bqsync.encode.keys import decode_key, encode_key
from bqsync.encode.mapping import with_target
from bqsync.encode.rows import RowEncoder
from bqsync.engine.contents import ContentReader
from bqsync.engine.explanation import RowFacts
from bqsync.engine.plan import mapping_version
from bqsync.engine.prepare import gone_columns, known_columns
from bqsync.engine.row_columns import ColumnView, column_views
from bqsync.engine.row_way import WatermarkPlace, way_of_row
from bqsync.engine.sentences import LedgerWord, TargetWord
from bqsync.engine.session import PlannedTable, Session
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import DeletePolicy, EncodedRow, LedgerEntry, Reason, RejectedRow, SqlValue
from bqsync.state.health import TableHealth
from bqsync.state.ledger import Ledger
from bqsync.state.quarantine import Quarantine, QuarantineEntry
from bqsync.state.tables import TableState

_MAX_SOURCE_ROWS = 10
_HELD_BY_OTHERS = (Reason.REFUSED_BY_BIGQUERY, Reason.KEY_COLLISION)
"""Verdicts that no look at the row alone comes to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was found, beside what decides on the sentence. Instants in Unix microseconds."""

    target: str
    watermarks: tuple[WatermarkPlace, ...]
    unfit: Mapping[str, str]
    """Configured watermark columns that can't be used, each with the reason."""
    last_sweep_us: int | None
    last_success_us: int | None
    quarantine: QuarantineEntry | None
    last_job: tuple[str, int] | None
    """The newest MERGE of the table that BigQuery remembers and the state knows of: its id, and when it was taken."""
    marked_us: int | None
    columns: tuple[ColumnView, ...]
    bigquery_error: BqsyncError | None
    """Why BigQuery could not be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The row that is asked for, and where it is looked for."""

    session: Session
    section: TableSection
    planned: PlannedTable
    state: TableState
    health: TableHealth | None
    """None: the state does not know the table."""
    key: tuple[SqlValue, ...]


class Inquiry:
    """
    The look at one row.

    Args:
        subject: the row.

    Raises:
        BqsyncError: the row can't be looked for in the source, or by this mapping.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._error: BqsyncError | None = None
        self._found = self._read_target()
        spec = subject.planned.spec
        if self._found is not None:
            gone = gone_columns(spec, self._found, subject.state.target_names().values())
            spec = with_target(spec, self._found.required, gone)
            if isinstance(subject.planned.reader, ContentReader):
                subject.planned.reader.known_by = known_columns(spec, self._found)
        self._encoder = RowEncoder(spec, subject.session.zone)
        self._rows = [] if None in subject.key else subject.planned.reader.find_all(subject.key, _MAX_SOURCE_ROWS)
        self._row = self._rows[0] if self._rows else None
        self._encoded = None if self._row is None else self._encoder.encode(self._row)
        self._target_key = self._find_target_key()
        self._source_key = self._find_source_key()

    def run(self) -> tuple[RowFacts, Evidence]:
        """Look everywhere."""
        subject, spec = self._subject, self._encoder.spec
        entry = Quarantine(subject.session.store, subject.state.table_id).lookup([self._source_key]).get(
            self._source_key)
        rejected, is_noted = self._verdict(entry)
        ledger = self._ledger_word()
        rows = self._target_rows()
        views = column_views(self._encoder, self._row, rows[0].values if len(rows) == 1 else None,
                             is_deliverable=isinstance(self._encoded, EncodedRow))
        there = self._target_word(rows, views)
        way = way_of_row(subject.session, subject.section, self._encoder, subject.planned.reader, subject.state,
                         row=self._row)
        intent = self._intent()
        last_job = self._last_job()
        health = subject.health
        facts = RowFacts(
            table=subject.section.name, has_null_key=None in subject.key, source_rows=len(self._rows),
            rejected=rejected, is_rejection_noted=is_noted, was_synced=health is not None, ledger=ledger,
            target=TargetWord.UNASKED if self._error is not None else there,
            differing=tuple(view.name for view in views if view.is_equal is False), way=way.way,
            sweep_due=way.due_text, deletes=spec.deletes, is_reconciled=self._is_reconciled(), intent=intent,
            table_error=health.last_error if health else None,
            bigquery_error=self._error.as_dict() if self._error else None,
        )
        return facts, Evidence(
            target=str(target.target_ref(subject.session.destination, spec)), watermarks=way.watermarks,
            unfit=way.unfit, last_sweep_us=health.last_sweep_us if health else None,
            last_success_us=health.last_success_us if health else None, quarantine=entry, last_job=last_job,
            marked_us=rows[0].marked_us if rows else None, columns=views, bigquery_error=self._error,
        )

    def _read_target(self) -> TargetState | None:
        session = self._subject.session
        try:
            # The first call has the least patience. A dataset that is missing holds no table.
            target.check_dataset(session.destination, create=False)
            return target.read(session.destination, target.target_ref(session.destination, self._subject.planned.spec))
        except BqsyncError as failure:
            self._error = None if failure.kind is ErrorKind.BIGQUERY_DATASET_MISSING else failure
            return None

    def _find_target_key(self) -> bytes | None:
        if self._encoded is not None:
            return self._encoded.key
        values = dict(zip(self._encoder.spec.key, self._subject.key, strict=True))
        (key,) = self._encoder.target_keys([[values.get(column.source_name) for column in self._encoder.spec.columns]])
        return key

    def _find_source_key(self) -> bytes:
        if isinstance(self._encoded, EncodedRow):
            return self._encoded.owner
        if isinstance(self._encoded, RejectedRow):
            return self._encoded.source_key
        return encode_key(self._subject.key)

    def _verdict(self, entry: QuarantineEntry | None) -> tuple[tuple[str, Reason] | None, bool]:
        """Why the row as it stands can't be delivered, and whether the quarantine says so already."""
        if self._encoded is None:
            return None, False
        is_of_this = (
            entry is not None and entry.fingerprint == self._encoded.fingerprint
            and entry.mapping_version == mapping_version(self._encoder.spec, self._subject.session.zone)
        )
        if isinstance(self._encoded, RejectedRow):
            return (self._encoded.column, self._encoded.reason), is_of_this
        if entry is not None and is_of_this and entry.reason in _HELD_BY_OTHERS:
            return (entry.column, entry.reason), True
        return None, False

    def _ledger_word(self) -> LedgerWord:
        raw = Ledger(self._subject.session.store, self._subject.state.table_id).lookup([self._target_key]).get(
            self._target_key)
        if raw is None:
            return LedgerWord.NONE
        entry = LedgerEntry._make(raw)
        if entry.fingerprint is None:
            return LedgerWord.UNREAD
        if entry.owner != self._source_key:
            return LedgerWord.ANOTHER
        if self._encoded is None:
            return LedgerWord.GONE
        is_same = isinstance(self._encoded, EncodedRow) and self._encoded.fingerprint == entry.fingerprint
        return LedgerWord.SAME if is_same else LedgerWord.EARLIER

    def _target_rows(self) -> list[TargetRow]:
        if self._error is not None or self._found is None or self._target_key is None:
            return []
        try:
            return find_rows(self._subject.session.destination, self._found, self._encoder.spec,
                             decode_key(self._target_key))
        except BqsyncError as failure:
            self._error = failure
            return []

    def _target_word(self, rows: Sequence[TargetRow], views: Sequence[ColumnView]) -> TargetWord:
        if self._found is None:
            return TargetWord.NO_TABLE
        if len(rows) != 1:
            return TargetWord.TWICE if rows else TargetWord.ABSENT
        if self._encoder.spec.deletes is DeletePolicy.MARK and rows[0].marked_us is not None:
            return TargetWord.MARKED
        verdicts = {view.is_equal for view in views}
        if None in verdicts:
            return TargetWord.PRESENT
        return TargetWord.DIFFERENT if False in verdicts else TargetWord.SAME

    def _intent(self) -> tuple[str, str] | None:
        intent = self._subject.state.intent()
        if intent is None:
            return None
        if self._error is not None:
            return intent.job_id, "not asked"
        try:
            return intent.job_id, look_up(self._subject.session.destination, intent.job_id).value
        except BqsyncError as failure:
            return intent.job_id, failure.rule.code

    def _last_job(self) -> tuple[str, int] | None:
        known_us = self._subject.state.last_job_us()
        if known_us is None or self._found is None:
            return None
        mark = target_mark(self._found.ref)
        try:
            merges = merges_since(self._subject.session.destination, known_us - 1)
        except BqsyncError:
            return None
        return next(((merge.job_id, merge.created_us) for merge in merges if merge.target_mark == mark), None)

    def _is_reconciled(self) -> bool:
        trusted = self._subject.state.trusted()
        if trusted is None:
            return False
        found = self._found
        return found is None or (trusted.name, trusted.created_us) == (str(found.ref), found.created_us)

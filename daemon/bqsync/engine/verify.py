"""Source and target compared row by row: what `bqsync verify` shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from bqsync.capture.pages import Row
from bqsync.config import TableSection
from bqsync.deliver import target
from bqsync.deliver.target import TargetState
from bqsync.encode.keys import key_text, source_values
from bqsync.encode.mapping import with_target
from bqsync.encode.rows import RowEncoder
from bqsync.engine.budget import TableBudget
from bqsync.engine.contents import ContentReader
from bqsync.engine.plan import plan_table
from bqsync.engine.prepare import known_columns
from bqsync.engine.session import Session
from bqsync.engine.stopwatch import Stopwatch
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import DeletePolicy, EncodedRow, Reason, RejectedRow, SqlValue, TargetRef, WireValue
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger
from bqsync.state.quarantine import Quarantine
from bqsync.state.scratch import Scratch
from bqsync.state.tables import TableState

_log = get_logger()

MAX_NAMED = 100
"""Differences that are named; the rest is only counted."""

_Print = tuple[bytes, int | None, bytes | None]


class DifferenceKind(StrEnum):
    """How a row differs."""

    MISSING = "missing"
    """In the source, not in the target."""
    EXTRA = "extra"
    """In the target, not in the source."""
    DIFFERENT = "different"
    """In both, with other values."""
    DUPLICATE = "duplicate"
    """In the target more than once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One row that differs."""

    kind: DifferenceKind
    key: tuple[str, ...]
    """The values of the key columns, as text."""
    columns: tuple[str, ...] = ()
    """The columns whose values differ."""


@dataclass(slots=True, kw_only=True)
class VerifyOutcome:
    """The comparison of one table."""

    table: str
    target: str
    rows_source: int = 0
    rows_target: int = 0
    rows_quarantined: int = 0
    """Rows of the source that wait in quarantine: not compared, listed by `bqsync quarantine`."""
    rows_different: int = 0
    differences: list[Difference] = field(default_factory=list)
    """The first of them."""
    duration_s: float = 0.0

    def as_dict(self) -> dict[str, object]:
        """For `--json`."""
        return asdict(self)


def verify_tables(
    session: Session, sections: Sequence[TableSection]
) -> tuple[list[VerifyOutcome], dict[str, BqsyncError]]:
    """Compare some tables; one that can't be compared stops no other. Returns outcomes, and failures by table."""
    outcomes: list[VerifyOutcome] = []
    failures: dict[str, BqsyncError] = {}
    for section in sections:
        try:
            outcomes.append(verify_table(session, section))
        except BqsyncError as failure:
            failures[section.name] = failure
    return outcomes, failures


def verify_table(session: Session, section: TableSection) -> VerifyOutcome:
    """
    Compare a table with its target, cell by cell.

    Raises:
        BqsyncError: the comparison could not be made.
    """
    stopwatch = Stopwatch()
    with stopwatch.stage("verify"):
        outcome = _Comparison(session, section).run()
    outcome.duration_s = round(stopwatch.durations_s["verify"], 3)
    level = _log.warning if outcome.rows_different else _log.info
    level(Event.VERIFY_COMPLETED, table=outcome.table, target=outcome.target, rows=outcome.rows_source,
          rows_different=outcome.rows_different, duration_s=outcome.duration_s)
    return outcome


class _Comparison:
    """The comparison of one table."""

    def __init__(self, session: Session, section: TableSection) -> None:
        state = TableState(session.store, session.source_id, section.name)
        self._session = session = TableBudget(session, section, state.table_id, is_bounded=False).metered()
        planned = plan_table(session, section, state)
        spec = planned.spec
        self._found = _existing_target(session, section, target.target_ref(session.destination, spec))
        self._spec = with_target(spec, self._found.required)
        self._encoder = RowEncoder(self._spec, session.zone)
        self._quarantined = Quarantine(session.store, state.table_id).entries()
        self._reader = planned.reader
        if isinstance(self._reader, ContentReader):
            self._reader.known_by = known_columns(spec, self._found)
        names = [column.source_name for column in spec.columns]
        self._key_positions = [names.index(name) for name in spec.key]
        self._outcome = VerifyOutcome(table=spec.source_name, target=str(self._found.ref))

    def run(self) -> VerifyOutcome:
        with Scratch(self._session.config.state.file.parent) as scratch:
            for page in self._reader.pages():
                prints = list(self._prints(page.rows))
                # A key that was there before belongs to another row: such a collision waits in quarantine.
                self._outcome.rows_quarantined += len(prints) - max(0, scratch.add(prints))
            for portion in target.rows(self._session.destination, self._found.ref, self._spec.columns,
                                       policy=self._spec.deletes, partitioning=self._found.partitioning):
                self._outcome.rows_target += len(portion)
                self._meet(scratch, [self._encoder.reread(values) for values in portion])
            for key, _ in scratch.unmet():
                self._report(DifferenceKind.MISSING, key)
        return self._outcome

    def _prints(self, page: Sequence[Row]) -> Iterator[_Print]:
        """What to compare of each row; one that waits in quarantine is equal to whatever stands in the target."""
        for row in page:
            self._outcome.rows_source += 1
            result = self._encoder.encode(row)
            if isinstance(result, RejectedRow):
                self._outcome.rows_quarantined += 1
                if result.key is not None:
                    yield result.key, None, None
            elif self._is_refused(result):
                self._outcome.rows_quarantined += 1
                yield result.key, None, None
            else:
                yield result.key, self._encoder.fingerprint(self._wire(row)), result.source_key

    def _is_refused(self, row: EncodedRow) -> bool:
        entry = self._quarantined.get(row.owner)
        return entry is not None and entry.reason is Reason.REFUSED_BY_BIGQUERY

    def _wire(self, row: Sequence[SqlValue]) -> tuple[WireValue, ...]:
        return self._encoder.reread(self._encoder.wire_row(row))

    def _meet(self, scratch: Scratch, rows: Sequence[tuple[WireValue, ...]]) -> None:
        keyed = [(self._encoder.key_of(values), values) for values in rows]
        known = scratch.meet([key for key, _ in keyed])
        met: set[bytes] = set()
        for key, values in keyed:
            if key not in known:
                self._report_extra(key)
                continue
            fingerprint, source_key, was_met = known[key]
            if was_met or key in met:
                self._report(DifferenceKind.DUPLICATE, key)
            elif fingerprint is not None and fingerprint != self._encoder.fingerprint(values):
                self._report(DifferenceKind.DIFFERENT, key, self._differing_columns(source_key or key, values))
            met.add(key)

    def _report_extra(self, key: bytes) -> None:
        # Where deletes are ignored, a row that left the source is meant to stay.
        if self._spec.deletes is not DeletePolicy.IGNORE:
            self._report(DifferenceKind.EXTRA, key)

    def _differing_columns(self, source_key: bytes, values: Sequence[WireValue]) -> Iterator[str]:
        row = self._reader.find(source_values(source_key))
        if row is None:
            return
        for column, here, there in zip(self._spec.columns, self._wire(row), values, strict=True):
            if here != there or type(here) is not type(there):
                yield column.target_name

    def _report(self, kind: DifferenceKind, key: bytes, columns: Iterable[str] = ()) -> None:
        self._outcome.rows_different += 1
        if len(self._outcome.differences) < MAX_NAMED:
            self._outcome.differences.append(Difference(kind=kind, key=key_text(key), columns=tuple(columns)))


def _existing_target(session: Session, section: TableSection, ref: TargetRef) -> TargetState:
    found = target.read(session.destination, ref)
    if found is None:
        raise BqsyncError(ErrorKind.BIGQUERY_NOT_FOUND, what=f"table {ref} does not exist",
                          why=f"table {section.name} was never synced to it", fix=f"bqsync sync {section.name}")
    return found

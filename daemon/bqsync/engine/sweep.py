"""
The sweep: a walk over the whole table by key that compares every row with the ledger.

It finds what no timestamp tells, and is the first copy as well: a sweep against an empty ledger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bqsync.capture.compare import Marks, compare
from bqsync.capture.pages import Row, TableReader
from bqsync.encode.keys import source_values
from bqsync.encode.rows import RowEncoder
from bqsync.engine.chunk import Chunk, Delivered, Lane
from bqsync.engine.stopwatch import Stopwatch
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import CycleOutcome, DeletePolicy, EncodedRow, LedgerEntry, Reason, RejectedRow
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger
from bqsync.state.ledger import LedgerRow, QuarantineEntry

_log = get_logger()

FREE_DELETES = 1_000
"""So many deletes pass whatever fraction of the table they are: an application may well empty a small table."""
FLOOD_ROWS = 1_000
FLOOD_FRACTION = 0.1
"""More than so many rows and such a part of a table in quarantine is a wrong mapping, not bad rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepBounds:
    """When a chunk is full, and how many deletes pass."""

    chunk_rows: int
    chunk_bytes: int
    max_delete_fraction: float
    confirmed_deletes: int
    """Deletes that an operator has confirmed; 0 for none."""


class Sweep:
    """
    One sweep of one table.

    Args:
        lane: where rows go.
        reader: where they come from.
        bounds: of chunks and deletes.
        refused: keys of rows that BigQuery refused in an earlier attempt of this cycle.
        progress: told of the number of rows read so far.
        is_stopped: asked between pages; a stopped sweep delivers what it has and judges no absence.
    """

    def __init__(
        self, lane: Lane, reader: TableReader, bounds: SweepBounds, *, refused: frozenset[bytes],
        progress: Callable[[int], None], is_stopped: Callable[[], bool],
    ) -> None:
        self._lane = lane
        self._reader = reader
        self._bounds = bounds
        self._refused = refused
        self._progress = progress
        self._is_stopped = is_stopped
        self._seen = Marks()
        self._fresh: set[bytes] = set()
        self._quarantined = lane.ledger.quarantined()
        self._met: set[bytes] = set()
        self._news: Counter[tuple[str, Reason]] = Counter()
        self._recovered = 0
        self._chunk = Chunk(lane)
        self.outcome = CycleOutcome(table=lane.encoder.spec.source_name, target=str(lane.target))

    def run(self) -> CycleOutcome:
        """
        Walk, deliver, and judge what is absent.

        Raises:
            RefusedKeysError: start again with those keys in `refused`.
            BqsyncError: the cycle failed; chunks delivered before stay delivered.
        """
        try:
            complete = self._walk()
            self._reject_null_keys()
            self._check_flood()
            if complete:
                self._leave_quarantine()
                self._delete_absent()
            self._deliver()
        finally:
            self._chunk.__exit__()
        self.outcome.durations_s = self._lane.stopwatch.durations_s
        self.outcome.quarantine_total = len(self._lane.ledger.quarantined())
        return self.outcome

    def _walk(self) -> bool:
        for page in _timed(self._reader.pages(), self._lane.stopwatch):
            self._take_page(page)
            self._progress(self.outcome.rows_read)
            if self._chunk.rows >= self._bounds.chunk_rows or self._chunk.size_bytes >= self._bounds.chunk_bytes:
                self._check_flood()
                self._deliver()
            if self._is_stopped():
                return False
        return True

    def _take_page(self, page: Sequence[Row]) -> None:
        self.outcome.rows_read += len(page)
        with self._lane.stopwatch.stage("encode"):
            encoded, rejected = _encode(self._lane.encoder, page)
        with self._lane.stopwatch.stage("compare"):
            keys = [row.key for row in encoded] + [row.key for row in rejected if row.key is not None]
            known = self._lane.ledger.lookup(keys)
            comparison = compare(encoded, known, self._seen, self._fresh)
        changed = [row for row in comparison.changed if not self._is_refused(row)]
        self.outcome.rows_unchanged += comparison.unchanged_rows
        for row in rejected:
            self._quarantine(row, known)
        for collided in comparison.collided:
            self._quarantine(self._lane.encoder.refuse(collided, Reason.KEY_COLLISION), known)
        if self._quarantined:
            self._recover(encoded)
        if changed:
            self._chunk.upsert(changed)

    def _is_refused(self, row: EncodedRow) -> bool:
        """Whether BigQuery has refused this very version of the row, now or in an earlier cycle."""
        entry = self._quarantined.get(row.source_key or row.key)
        known = (
            entry is not None and entry.reason is Reason.REFUSED_BY_BIGQUERY
            and entry.fingerprint == row.fingerprint and entry.mapping_version == self._lane.mapping_version
        )
        if row.key in self._refused or known:
            self._quarantine(self._lane.encoder.refuse(row, Reason.REFUSED_BY_BIGQUERY), {})
            return True
        return False

    def _quarantine(self, row: RejectedRow, known: dict[bytes, LedgerEntry]) -> None:
        is_repeated = row.source_key in self._met  # rows alike to the last cell, NULLs in their keys
        self._met.add(row.source_key)
        # An earlier version that was delivered stays in the target while its row is in the source.
        if row.key is not None and row.key in known:
            self._seen.add(known[row.key].slot)
        if not is_repeated and self._is_news(row, self._quarantined.get(row.source_key)):
            self._chunk.reject(row)
            self._news[row.column, row.reason] += 1

    def _is_news(self, row: RejectedRow, entry: QuarantineEntry | None) -> bool:
        return entry is None or (entry.fingerprint, entry.mapping_version, entry.reason) != (
            row.fingerprint, self._lane.mapping_version, row.reason
        )

    def _recover(self, encoded: Sequence[EncodedRow]) -> None:
        """Rows that can be delivered now leave the quarantine."""
        for row in encoded:
            source_key = row.source_key or row.key
            if source_key in self._quarantined and source_key not in self._met:
                self._chunk.recover(source_key)
                self._recovered += 1
                del self._quarantined[source_key]

    def _reject_null_keys(self) -> None:
        for row in self._reader.null_key_rows(FLOOD_ROWS * 10):
            rejected = self._lane.encoder.encode(row)
            if isinstance(rejected, RejectedRow):
                self.outcome.rows_read += 1
                self._quarantine(rejected, {})

    def _check_flood(self) -> None:
        rows = len(self._met)
        if rows > FLOOD_ROWS and rows > FLOOD_FRACTION * self.outcome.rows_read:
            table = self.outcome.table
            self._chunk.note_rejected(FLOOD_ROWS)
            raise BqsyncError(
                ErrorKind.QUARANTINE_FLOOD,
                what=f"{rows} of {self.outcome.rows_read} rows of table {table} can't be delivered",
                why="so many rows in quarantine mean a wrong mapping, not bad rows; the table is stopped",
                fix="`bqsync quarantine` lists columns and reasons; correct `types`, `timestamps` or the message of "
                f"the [[tables]] entry of {table}",
            )

    def _leave_quarantine(self) -> None:
        """Rows that left the source leave the quarantine as well."""
        for source_key in self._quarantined.keys() - self._met:
            self._chunk.recover(source_key)
            self._recovered += 1

    def _delete_absent(self) -> None:
        if self._lane.encoder.spec.deletes is DeletePolicy.IGNORE:
            return
        # Rows that are staged and not merged yet are no part of this count: new ones are not in the ledger, and the
        # others are marked. So deletes travel in the same MERGE as the rows before them.
        total = self._lane.ledger.count()
        absent = total - len(self._seen)
        self._check_guard(absent, total)
        if absent:
            for portion in self._lane.ledger.scan():
                self._delete_portion([row for row in portion if row.slot not in self._seen])

    def _check_guard(self, absent: int, total: int) -> None:
        if absent <= max(FREE_DELETES, self._bounds.max_delete_fraction * total, self._bounds.confirmed_deletes):
            return
        table = self.outcome.table
        self._deliver()
        _log.error(Event.DELETES_HELD_BACK, table=table, deletes=absent, rows=total,
                   fix=f"bqsync sync {table} --confirm-deletes {absent}")
        raise BqsyncError(
            ErrorKind.DELETES_HELD_BACK, what=f"{absent} of {total} rows of table {table} are gone from the source",
            why=f"that is more than sync.max_delete_fraction = {self._bounds.max_delete_fraction} lets pass unasked; "
            "inserts and updates were delivered",
            fix=f"if they were meant to go: bqsync sync {table} --confirm-deletes {absent}",
        )

    def _delete_portion(self, rows: Sequence[LedgerRow]) -> None:
        """A key that moved behind the cursor or came back is no delete: each is looked up once more, just now."""
        if not rows:
            return
        with self._lane.stopwatch.stage("read"):
            present = self._reader.present([source_values(row.source_key or row.key) for row in rows])
        gone = [row.key for row, is_there in zip(rows, present, strict=True) if not is_there]
        if gone:
            self._chunk.delete(gone)
        if self._chunk.rows >= self._bounds.chunk_rows:
            self._deliver()

    def _deliver(self) -> None:
        try:
            done = self._chunk.deliver()
        finally:
            self._chunk.__exit__()
        self._chunk = Chunk(self._lane)
        for slot in done.upserted_slots:
            self._seen.add(slot)
        self._fresh.clear()
        self._count(done)
        self._report_quarantine()

    def _report_quarantine(self) -> None:
        """What has been committed to the quarantine is logged, once; rows of one cause share a line."""
        for (column, reason), rows in self._news.items():
            self.outcome.rows_quarantined += rows
            _log.warning(Event.ROW_QUARANTINED, table=self.outcome.table, column=column, reason=reason.value, rows=rows)
        self._news.clear()
        if self._recovered:
            _log.info(Event.QUARANTINE_RECOVERED, table=self.outcome.table, rows=self._recovered)
            self._recovered = 0

    def _count(self, done: Delivered) -> None:
        outcome = self.outcome
        outcome.rows_upserted += done.rows_upserted
        outcome.rows_deleted += done.rows_deleted
        outcome.bytes_sent += done.bytes_sent
        outcome.bytes_billed += done.bytes_billed
        outcome.merges += done.merges


def _timed(pages: Iterator[list[Row]], stopwatch: Stopwatch) -> Iterator[list[Row]]:
    while True:
        with stopwatch.stage("read"):
            page = next(pages, None)
        if page is None:
            return
        yield page


def _encode(encoder: RowEncoder, page: Sequence[Row]) -> tuple[list[EncodedRow], list[RejectedRow]]:
    encoded: list[EncodedRow] = []
    rejected: list[RejectedRow] = []
    for row in page:
        result = encoder.encode(row)
        if isinstance(result, EncodedRow):
            encoded.append(result)
        else:
            rejected.append(result)
    return encoded, rejected


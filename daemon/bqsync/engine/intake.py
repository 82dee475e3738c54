"""
Pages become staged rows: what the ledger has as it is falls away, the rest is encoded, judged and staged.

Passes and sweeps take their pages in here; they differ in what they read and in what they conclude at the end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from bqsync.capture.compare import Marks, changed_rows, unknown_rows
from bqsync.capture.compare_runs import changed_in_run
from bqsync.capture.pages import Page, Row, TableReader
from bqsync.engine.admission import Admission, Candidate
from bqsync.engine.chunk import Chunk
from bqsync.engine.counting import count_bill, count_delivery
from bqsync.engine.lane import Lane
from bqsync.engine.spread import portions
from bqsync.engine.verdicts import Verdicts
from bqsync.model import CycleOutcome, EncodedPage, EncodedRow, RawEntry, RejectedRow, Watermark
from bqsync.observe.metrics import Metric


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkBounds:
    """When a chunk is full."""

    rows: int
    size_bytes: int


class Intake:
    """
    Takes the pages of one walk over one table.

    Args:
        lane: where rows go.
        reader: for the look at a row that has the same key in BigQuery's eyes.
        outcome: of the cycle; counts are added.
        bounds: of a chunk.
        refused: keys of rows that BigQuery refused in an earlier attempt of this cycle.
        met: source keys of the rows that were rejected in this cycle; shared by its passes and its sweep.
        key_is_unique: no two rows of the source have the same key.
        seen: of a sweep: the ledger's rows that were met; None for a pass.
    """

    def __init__(
        self, lane: Lane, reader: TableReader, outcome: CycleOutcome, *, bounds: ChunkBounds,
        refused: Collection[bytes], met: set[bytes], key_is_unique: bool, seen: Marks | None,
    ) -> None:
        self._lane = lane
        self._outcome = outcome
        self._bounds = bounds
        self._seen = seen
        self._salt = salt_of(lane.mapping_version)
        self.verdicts = Verdicts(lane, outcome, met)
        self._admission = Admission(lane, reader, outcome, self.verdicts, refused=refused,
                                    key_is_unique=key_is_unique, seen=seen)
        self.chunk = Chunk(lane)

    @property
    def is_full(self) -> bool:
        """Whether the chunk in hand is to be delivered before more is taken."""
        return self.chunk.rows >= self._bounds.rows or self.chunk.size_bytes >= self._bounds.size_bytes

    def take(self, page: Page, instants_us: Sequence[int | None] | None = None) -> None:
        """
        Take a page.

        Args:
            page: rows of the table.
            instants_us: of each row's watermark, where the ledger keeps only rows of the overlap.
        """
        self._outcome.rows_read += len(page.rows)
        with self._lane.stopwatch.stage("compare"):
            keys = self._lane.encoder.target_keys(page.rows)
            known = self._lane.ledger.lookup(keys)
            places = self._places(page, keys, known)
        self._outcome.rows_unchanged += len(keys) - len(places)
        if places:
            self._examine(
                [page.rows[at] for at in places], [keys[at] for at in places],
                [page.prints[at] ^ self._salt for at in places],
                [None] * len(places) if instants_us is None else [instants_us[at] for at in places], known)
            self._note_pending(self.chunk.rows)

    def take_encoded(self, page: EncodedPage) -> None:
        """Take a page of a sweep that was read and encoded by compiled code."""
        self._outcome.rows_read += len(page)
        with self._lane.stopwatch.stage("compare"):
            places, is_new = self._changed(page)
        self._outcome.rows_unchanged += len(page) - len(places)
        if is_new and self.chunk.takes(page):
            self.chunk.upsert_page(page)
        elif places:
            rows, nothing = page.rows(places), [None] * len(places)
            with self._lane.stopwatch.stage("compare"):
                known = self._without_pending(self._lane.ledger.lookup([row.key for row in rows]))
            self._admit(rows, nothing, nothing, known)
        if places:
            self._note_pending(self.chunk.rows)

    def reject(self, rows: Sequence[Row]) -> None:
        """Note rows that no key finds."""
        rejected = [result for result in map(self._lane.encoder.encode, rows) if isinstance(result, RejectedRow)]
        self._outcome.rows_read += len(rejected)
        self._admission.judge([], rejected, {}, self.chunk)

    def deliver(self, watermarks: Sequence[Watermark] = ()) -> None:
        """
        Merge and commit what was taken, and begin a new chunk.

        Args:
            watermarks: up to where their columns are dealt with then.

        Raises:
            RefusedKeysError: BigQuery refused rows; nothing of the chunk was delivered.
            BqsyncError: nothing was delivered, or an intent tells that the end of the MERGE is not known.
        """
        for watermark in watermarks:
            self.chunk.move(watermark)
        try:
            done = self.chunk.deliver()
        finally:
            self.close()
        self.chunk = Chunk(self._lane)
        if self._seen is not None:
            for slots in done.upserted_slots:
                self._seen.mark(slots)
        self._outcome.rows_upserted += done.rows_upserted
        self._outcome.rows_deleted += done.rows_deleted
        self._outcome.bytes_sent += done.bytes_sent
        self._outcome.bytes_billed += done.bytes_billed
        self._outcome.merges += done.merges
        self._admission.note_delivered()
        quarantined_before = self._outcome.rows_quarantined
        self.verdicts.report()
        count_delivery(self._lane.tally, self._outcome.table, upserted=done.rows_upserted, deleted=done.rows_deleted,
                       quarantined=self._outcome.rows_quarantined - quarantined_before, sent_bytes=done.bytes_sent)
        count_bill(self._lane.tally, self._outcome.table, done.bytes_billed, merges=done.merges)

    def close(self) -> None:
        """Let go of the chunk in hand."""
        self.chunk.__exit__()
        self._note_pending(0)

    def _note_pending(self, rows: int) -> None:
        self._lane.tally.note(Metric.PENDING_ROWS, rows, table=self._outcome.table)

    def _changed(self, page: EncodedPage) -> tuple[Sequence[int], bool]:
        """The places of the rows that the ledger does not have as they are; and whether all of the page is new."""
        run = page.run
        stretch = None if run is None or self.chunk.pending.touches(run) else self._lane.ledger.stretch(run)
        if run is not None and stretch is not None:
            is_new = not (stretch.runs or stretch.rows) and self._admission.is_open
            return range(len(page)) if is_new else changed_in_run(run, stretch, self._seen), is_new
        keys = page.keys
        known = self._without_pending(self._lane.ledger.lookup(keys))
        return (changed_rows(keys, page.fingerprints, known, self._seen),
                self._admission.are_all_new(keys, known, self.chunk))

    def _places(
        self, page: Page, keys: Sequence[bytes | None], known: Mapping[bytes | None, RawEntry]
    ) -> Sequence[int]:
        if self._admission.has_waiting and self._seen is None:
            # A row that is again as it was delivered leaves the quarantine; a sweep sees that at its end.
            return range(len(keys))
        return unknown_rows(keys, page.prints, self._salt, self._without_pending(known), self._seen)

    def _without_pending(self, known: Mapping[bytes | None, RawEntry]) -> Mapping[bytes | None, RawEntry]:
        """What is staged is newer than what the ledger has: a row that is as it was before has changed back."""
        pending = self.chunk.pending
        return {key: entry for key, entry in known.items() if key not in pending} if known and pending else known

    def _examine(
        self, rows: Sequence[Row], keys: Sequence[bytes | None], prints: Sequence[int],
        instants_us: Sequence[int | None], known: Mapping[bytes | None, RawEntry],
    ) -> None:
        with self._lane.stopwatch.stage("encode"):
            results = self._lane.encoder.encode_page(rows, keys)
        if self._admission.are_all_new(keys, known, self.chunk) and self._have_room(results):
            self._upsert(list(map(Candidate, results, prints, instants_us)), are_new=True)
        else:
            self._admit(results, prints, instants_us, known)

    def _admit(
        self, results: Sequence[EncodedRow | RejectedRow], prints: Sequence[int | None],
        instants_us: Sequence[int | None], known: Mapping[bytes | None, RawEntry],
    ) -> None:
        """Judge rows one by one, and stage those that are to be delivered."""
        candidates = [Candidate(result, source_print, instant_us)
                      for result, source_print, instant_us in zip(results, prints, instants_us, strict=True)
                      if isinstance(result, EncodedRow)]
        rejected = [result for result in results if isinstance(result, RejectedRow)]
        changed = self._admission.judge(candidates, rejected, known, self.chunk)
        if changed:
            for portion in portions(changed, self._has_room, self._begin_anew):
                self._upsert(portion)

    def _have_room(self, results: Sequence[EncodedRow | RejectedRow]) -> TypeGuard[Sequence[EncodedRow]]:
        """All of them can be delivered, and by the MERGE of the chunk in hand."""
        rows = [result for result in results if isinstance(result, EncodedRow)]
        return len(rows) == len(results) and self.chunk.has_room([row.key for row in rows],
                                                                 [row.partition for row in rows])

    def delete(self, keys: Sequence[bytes]) -> None:
        """Stage deletes; where they are in too many partitions for one MERGE, in several."""
        for portion in portions(keys, self._has_room_for, self._begin_anew):
            self.chunk.delete(portion)
            self._note_pending(self.chunk.rows)

    def _begin_anew(self) -> None:
        if self.chunk.rows:
            self.deliver()

    def _has_room_for(self, keys: Sequence[bytes]) -> bool:
        return self.chunk.has_room(keys)

    def _has_room(self, items: Sequence[Candidate]) -> bool:
        return self.chunk.has_room([item.row.key for item in items], [item.row.partition for item in items])

    def _upsert(self, items: Sequence[Candidate], *, are_new: bool = False) -> None:
        self.chunk.upsert([item.row for item in items], [item.delivery for item in items], are_new=are_new)


def salt_of(mapping_version: str) -> int:
    """Signed 64 bits: under another mapping, a source row that was seen before has another print."""
    digest = hashlib.blake2b(mapping_version.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)

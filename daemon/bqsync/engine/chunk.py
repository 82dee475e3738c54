"""
A chunk: rows that are staged as they are read, merged together, then noted in the state.

The order may not change: append, check the last offset, intent, MERGE, state, clean. A crash anywhere sends the same
rows into the same MERGE again.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Self

from bqsync.deliver.answers import RowsRefusedError
from bqsync.deliver.merge_sql import counts_every_upsert, merge_statement
from bqsync.encode.batches import split
from bqsync.engine.bills import known_bill
from bqsync.engine.effects import RowStream
from bqsync.engine.lane import Lane
from bqsync.engine.pending import Pending, StagedKeys
from bqsync.engine.spread import Spread
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.failpoints import reached
from bqsync.model import Delivery, EncodedPage, EncodedRow, FramedRows, RejectedRow, Run, TargetRef, Watermark
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger
from bqsync.state.chunk_commit import ChunkCommit

_log = get_logger()

_MUCH_BYTES = 8 << 20
"""Of rows, after which a chunk cleans up behind itself."""


class RefusedKeysError(Exception):
    """BigQuery refused these rows. The cycle starts again without them."""

    def __init__(self, keys: Iterable[bytes]) -> None:
        super().__init__("rows refused")
        self.keys = frozenset(keys)


@dataclass(slots=True)
class Delivered:
    """What a chunk did."""

    upserted_slots: Sequence[Sequence[int]] = ()
    """In groups of rows that came together."""
    rows_upserted: int = 0
    rows_deleted: int = 0
    bytes_sent: int = 0
    bytes_billed: int = 0
    merges: int = 0


class Chunk:
    """One chunk, from its first row to its commit. Leaving the `with` block without `deliver` drops what was staged."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._stream: RowStream | None = None
        self._staging: TargetRef | None = None
        self._commit = ChunkCommit()
        self._sequence = 0
        self._staged_keys = StagedKeys()
        self.pending = Pending(self._commit)
        """The rows that are staged and not merged yet."""
        self._spread = Spread(lane.encoder.spec, lane.ledger, ledger_is_whole=lane.ledger_is_whole)
        self.size_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close_stream()
        # While an intent stands, its MERGE may be running and reading the staging table.
        if self._staging is not None and self._lane.state.intent() is None:
            self._lane.effects.drop_staging(str(self._staging))
            reached("chunk.cleaned")

    @property
    def rows(self) -> int:
        """How many rows are to be merged, or only to be noted."""
        return len(self._staged_keys) + len(self._commit.rejected) + len(self._commit.refreshed)

    def has_room(self, keys: Sequence[bytes], partitions: Sequence[int | None] = ()) -> bool:
        """Whether one MERGE may take these rows as well; a chunk of nothing takes any single row."""
        return self._spread.has_room(keys, partitions)

    def upsert(self, rows: Sequence[EncodedRow], deliveries: Sequence[Delivery], *, are_new: bool = False) -> None:
        """
        Stage rows to insert or update; of one key, the last one counts.

        Args:
            rows: encoded.
            deliveries: what the ledger keeps of each.
            are_new: none of them was ever delivered or staged.
        """
        encoder, first = self._lane.encoder, self._sequence
        self._sequence += len(rows)
        keys = [row.key for row in rows]
        self._spread.add(keys, [row.partition for row in rows])
        self._append(encoder.stage_upserts(rows, first), keys)
        self.pending.add(deliveries, are_new=are_new)

    def takes(self, page: EncodedPage) -> bool:
        """Whether a page can be staged as it is: it is framed, and its numbers come after all that were given."""
        return bool(page.ends) and page.first_sequence >= self._sequence

    def upsert_page(self, page: EncodedPage) -> None:
        """Stage a page of rows to insert, none of them staged before, into a target without partitions."""
        self._sequence = page.first_sequence + len(page)
        run, keys = page.run, page.loose_keys
        self._stage(page.requests(self._lane.append_rows, self._lane.append_bytes), keys if run is None else run)
        self.size_bytes += len(page.body)
        if run is None:
            self.pending.add_plain(keys, page.fingerprints)
        else:
            self.pending.add_run(run)

    def refresh(self, key: bytes, source_print: int) -> None:
        """Note another source row that has become the very bytes which the ledger has."""
        self._commit.refreshed.append((key, source_print))

    def move(self, watermark: Watermark) -> None:
        """Note up to where a column is dealt with, once this chunk is committed."""
        self._commit.watermarks[watermark.column] = watermark

    def forget_before(self, instant_us: int) -> None:
        """Have the commit drop the ledger's rows of earlier instants."""
        self._commit.forget_before_us = instant_us

    def delete(self, keys: Sequence[bytes]) -> None:
        """Stage deletes."""
        encoder, first = self._lane.encoder, self._sequence
        self._sequence += len(keys)
        self._spread.add(keys, [])
        self._append([encoder.stage_delete(key, first + index) for index, key in enumerate(keys)], keys)
        self._commit.deleted.extend(keys)

    def reject(self, row: RejectedRow) -> None:
        """Note a row for the quarantine."""
        self._commit.rejected[row.source_key] = row
        self._commit.recovered.discard(row.source_key)

    def recover(self, source_key: bytes) -> None:
        """Note that a row leaves the quarantine."""
        self._commit.recovered.add(source_key)
        self._commit.rejected.pop(source_key, None)

    def note_rejected(self, limit: int) -> None:
        """Commit so many of the rejected rows by themselves, for the list that an operator is pointed to."""
        rejected = dict(islice(self._commit.rejected.items(), limit))
        self._lane.ledger.commit(ChunkCommit(rejected=rejected), self._lane.mapping_version)

    def deliver(self) -> Delivered:
        """
        Merge what was staged and commit the state.

        Raises:
            RefusedKeysError: BigQuery refused rows; nothing of the chunk was delivered.
            BqsyncError: nothing was delivered, or an intent tells that the end of the MERGE is not known.
        """
        if self._staging is None and self._commit.is_empty:
            return Delivered()
        done = Delivered(rows_upserted=self._commit.upserts, rows_deleted=len(self._commit.deleted),
                         bytes_sent=self.size_bytes)
        if self._staging is not None:
            self._finish_stream()
            merged = self._merge(self._staging)
            done.merges, done.bytes_billed = 1, merged
        with self._lane.stopwatch.stage("commit"):
            done.upserted_slots = self._lane.ledger.commit(self._commit, self._lane.mapping_version)
        return done

    def _append(self, rows: list[bytes], keys: Sequence[bytes]) -> None:
        self._stage(split(rows, self._lane.append_rows, self._lane.append_bytes), keys)
        self.size_bytes += sum(map(len, rows))

    def _stage(self, requests: Iterable[Sequence[bytes] | FramedRows], keys: Sequence[bytes] | Run) -> None:
        stream = self._stream or self._open_stream()
        self._staged_keys.add(keys)
        with self._lane.stopwatch.stage("append"), self._refusals():
            for rows in requests:
                stream.append(rows)
        reached("chunk.appended")

    def _open_stream(self) -> RowStream:
        lane = self._lane
        lane.budget.require()
        with lane.stopwatch.stage("stage"):
            self._staging = lane.effects.create_staging(lane.encoder.spec, lane.target, lane.state.store.instance)
        reached("chunk.staging_created")
        self._stream = lane.effects.open_stream(self._staging, lane.encoder.descriptor)
        return self._stream

    def _finish_stream(self) -> None:
        if self._stream is None:
            return
        with self._lane.stopwatch.stage("append"), self._refusals():
            self._stream.finish()
        self._close_stream()
        reached("chunk.finished")

    def _close_stream(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
            if self.size_bytes >= _MUCH_BYTES:
                # What gRPC has of a call is a circle that holds its last request: a megabyte of a few objects, which
                # Python's own search would come to after thousands of others.
                gc.collect(1)

    def _merge(self, source: TargetRef) -> int:
        lane = self._lane
        with lane.stopwatch.stage("merge"):
            partitions = self._spread.numbers
            statement = merge_statement(lane.encoder.spec, lane.target, source, partitions)
            result = lane.effects.merge(statement, source, lane.state)
        reached("merge.ended")
        _log.debug(Event.MERGE_COMPLETED, table=lane.encoder.spec.source_name, job_id=result.job_id,
                   rows_affected=result.affected_rows, **known_bill(result.bytes_billed),
                   **({} if partitions is None else {"partitions": len(partitions)}))
        self._commit.job_created_us = result.created_us
        self._commit.bill = lane.budget.merge_bill(result)
        upserts = self._commit.upserts if counts_every_upsert(lane.encoder.spec) else 0
        if result.affected_rows < upserts:
            # Anything else must not count as delivered; the intent stays, so that the next cycle doubts whatever the
            # target holds under the staged keys.
            raise BqsyncError(
                ErrorKind.BIGQUERY_JOB_FAILED, what=f"job {result.job_id} changed {result.affected_rows} rows of "
                f"{lane.target}, and {upserts} were staged", why="the MERGE did not see all staged rows",
                fix="nothing is lost, the rows are sent again; report this if it happens twice",
            )
        return result.bytes_billed or 0

    def _refusals(self) -> _Refusals:
        return _Refusals(self._staged_keys)


class _Refusals:
    """Turns the refused places of a stream into the keys of their rows."""

    def __init__(self, staged_keys: StagedKeys) -> None:
        self._staged_keys = staged_keys

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, RowsRefusedError):
            raise RefusedKeysError(self._staged_keys[index] for index in error.row_indexes) from error

"""Which encoded rows are to be staged: those that have changed, and stand in nobody's way."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from bqsync.capture.compare import Marks
from bqsync.capture.pages import TableReader
from bqsync.encode.keys import source_values
from bqsync.engine.chunk import Chunk
from bqsync.engine.lane import Lane
from bqsync.engine.verdicts import Verdicts
from bqsync.model import CycleOutcome, Delivery, EncodedRow, LedgerEntry, RawEntry, Reason, RejectedRow
from bqsync.state.quarantine import QuarantineEntry


class Candidate(NamedTuple):
    """A row that the ledger does not have as it is."""

    row: EncodedRow
    source_print: int | None
    """None where compiled code has read it."""
    instant_us: int | None
    """Of its watermark, where the ledger keeps only rows of the overlap."""

    @property
    def delivery(self) -> Delivery:
        """What the ledger keeps of it."""
        row = self.row
        return Delivery(row.key, row.fingerprint, row.source_key, self.source_print, self.instant_us, row.partition)


class Admission:
    """
    Judges the rows of one walk.

    Args:
        lane: where rows go.
        reader: for the look at a row that has the same key in BigQuery's eyes.
        outcome: of the cycle; rows that have not changed are counted.
        verdicts: on rows that can't be delivered.
        refused: keys of rows that BigQuery refused in an earlier attempt of this cycle.
        key_is_unique: no two rows of the source have the same key.
        seen: of a sweep: the ledger's rows that were met; None for a pass.

    Attributes:
        has_waiting: rows of the table may be in quarantine.
    """

    def __init__(
        self, lane: Lane, reader: TableReader, outcome: CycleOutcome, verdicts: Verdicts,
        *, refused: Collection[bytes], key_is_unique: bool, seen: Marks | None,
    ) -> None:
        self._lane = lane
        self._reader = reader
        self._outcome = outcome
        self._verdicts = verdicts
        self._refused = refused
        self._key_is_unique = key_is_unique
        self._seen = seen
        self.has_waiting = lane.quarantine.count() > 0

    def note_delivered(self) -> None:
        """A chunk was committed, with whatever was rejected in it."""
        self.has_waiting = self.has_waiting or bool(self._verdicts.met)

    @property
    def is_open(self) -> bool:
        """There is nothing to be judged of a key that nobody has ever met."""
        return not (self._refused or self.has_waiting or self._verdicts.met)

    def are_all_new(
        self, keys: Sequence[bytes | None], known: Mapping[bytes | None, RawEntry], chunk: Chunk
    ) -> bool:
        """There is nothing to be judged: nobody has ever met these keys, and no two rows have the same."""
        return self.is_open and len(set(keys)) == len(keys) and (
            known.keys().isdisjoint(keys) and chunk.pending.has_none_of(keys))

    def judge(
        self, candidates: Sequence[Candidate], rejected: Sequence[RejectedRow],
        known: Mapping[bytes | None, RawEntry], chunk: Chunk,
    ) -> list[Candidate]:
        """
        Judge rows one by one.

        Args:
            candidates: that can be delivered.
            rejected: that can't.
            known: the ledger's entries for their keys.
            chunk: in hand; what becomes of the others is noted there.

        Returns:
            Those that are to be staged, each key once.
        """
        waiting = self._waiting([item.row.owner for item in candidates] + [row.source_key for row in rejected])
        self._reject(rejected, known, waiting, chunk)
        changed: dict[bytes, Candidate] = {}
        for item in candidates:
            self._judge(item, known, waiting, changed, chunk)
        return list(changed.values())

    def _judge(
        self, item: Candidate, known: Mapping[bytes | None, RawEntry], waiting: Mapping[bytes, QuarantineEntry],
        changed: dict[bytes, Candidate], chunk: Chunk,
    ) -> None:
        row = item.row
        raw = known.get(row.key)
        entry = None if raw is None else LedgerEntry._make(raw)
        is_repeated = entry is not None and self._seen is not None and not self._seen.add(entry.slot)
        staged = changed[row.key].row if row.key in changed else chunk.pending.get(row.key)
        rival = staged or entry
        if rival is not None and self._collides(row, rival, is_staged=staged is not None, is_repeated=is_repeated):
            self._refuse(row, Reason.KEY_COLLISION, waiting, chunk, is_copy=row.owner == rival.owner)
        elif row.key in self._refused or self._verdicts.is_refused(row, waiting):
            self._refuse(row, Reason.REFUSED_BY_BIGQUERY, waiting, chunk)
        else:
            if row.owner in waiting or row.owner in self._verdicts.met:
                self._verdicts.recover(row.owner, chunk)
            if staged is not None and staged.fingerprint == row.fingerprint:
                self._outcome.rows_unchanged += 1
            elif staged is None and entry is not None and (entry.fingerprint, entry.owner) == (
                row.fingerprint, row.owner
            ):
                self._outcome.rows_unchanged += 1
                if item.source_print is not None and entry.source_print != item.source_print:
                    chunk.refresh(row.key, item.source_print)
            else:
                changed[row.key] = item

    def _collides(
        self, row: EncodedRow, rival: EncodedRow | Delivery | LedgerEntry, *, is_staged: bool, is_repeated: bool
    ) -> bool:
        """
        Whether another row of the source already has the key in BigQuery's eyes.

        Whoever was delivered under a key keeps it while it stands in the source, so that two rows never take turns.
        """
        if rival.owner == row.owner:
            # The same row, read again because it moved; or one of several, where the source does not keep keys unique.
            return not self._key_is_unique and (is_staged or is_repeated)
        if is_staged:
            return True
        if rival.fingerprint is None:
            return False
        (is_there,) = self._reader.present([source_values(rival.owner)])
        return is_there

    def _refuse(
        self, row: EncodedRow, reason: Reason, waiting: Mapping[bytes, QuarantineEntry], chunk: Chunk,
        *, is_copy: bool = False,
    ) -> None:
        verdict = self._lane.encoder.refuse(row, reason, is_copy=is_copy)
        entry = waiting.get(verdict.source_key)
        if is_copy and entry is None:
            entry = self._waiting([verdict.source_key]).get(verdict.source_key)
        self._verdicts.reject(verdict, entry, chunk)

    def _reject(
        self, rows: Sequence[RejectedRow], known: Mapping[bytes | None, RawEntry],
        waiting: Mapping[bytes, QuarantineEntry], chunk: Chunk,
    ) -> None:
        for row in rows:
            raw = known.get(row.key)
            if raw is not None and self._seen is not None:
                # An earlier version that was delivered stays in the target while its row is in the source.
                entry = LedgerEntry._make(raw)
                if entry.fingerprint is None or entry.owner == row.source_key:
                    self._seen.add(entry.slot)
            self._verdicts.reject(row, waiting.get(row.source_key), chunk)

    def _waiting(self, source_keys: Sequence[bytes]) -> dict[bytes, QuarantineEntry]:
        return self._lane.quarantine.lookup(source_keys) if self.has_waiting else {}

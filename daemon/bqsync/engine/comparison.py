"""One table compared with its target: by sums first, then row by row where the sums differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from bqsync.capture.pages import Row
from bqsync.deliver.readback import BucketRow, bucket_rows, bucket_sums
from bqsync.encode.checksums import BucketSums, RowDigests, bucket_digits
from bqsync.engine.aside import Aside
from bqsync.engine.differences import DifferenceKind, VerifyOutcome
from bqsync.engine.judgement import PORTION_KEYS, Judgement, Suspect
from bqsync.engine.sides import Sides, Surroundings
from bqsync.model import EncodedRow, Reason, RejectedRow
from bqsync.state.scratch import Scratch

_Print = tuple[bytes, int | None, bytes | None]


class Comparison:
    """
    One comparison.

    Args:
        sides: of it.
        outcome: what is found is added to it.
        surroundings: who else is at work.
    """

    def __init__(self, sides: Sides, outcome: VerifyOutcome, surroundings: Surroundings) -> None:
        self._sides = sides
        self._encoder = sides.encoder
        self._outcome = outcome
        self._surroundings = surroundings
        self._digests = RowDigests(sides.encoder, sides.session.zone)
        # A target's own number may be missing, or old by an hour.
        self._sums = BucketSums(bucket_digits(max(sides.found.row_count, sides.ledger.count())))
        # Where cycles fail, nothing is on its way.
        self._beside = surroundings.beside and not sides.state.has_failed()
        begun = sides.session.source.file_state()
        self._judgement = Judgement(sides, outcome, surroundings, beside=self._beside,
                                    begun=begun if begun.is_settled else None)

    def run(self) -> None:
        """
        Compare.

        Raises:
            BqsyncError: the comparison could not be made.
            StoppedError: it was told to stop.
        """
        buckets = self._sums.differing(self._read_both())
        if not buckets:
            return
        with Scratch(self._sides.session.config.state.file.parent) as scratch, self._judgement:
            self._note_source(scratch, buckets)
            destination, ref = self._sides.session.destination, self._sides.found.ref
            for portion in bucket_rows(destination, ref, self._encoder.spec, buckets):
                self._meet(scratch, [row._replace(values=self._encoder.reread(row.values)) for row in portion])
            unmet = (Suspect(key, source_key or key, fingerprint) for key, source_key, fingerprint in scratch.unmet())
            while suspects := list(islice(unmet, PORTION_KEYS)):
                self._judgement.settle(DifferenceKind.MISSING, suspects)
            self._judgement.confirm()

    def _read_both(self) -> dict[str, tuple[int, int]]:
        """The sums of the target; BigQuery makes them while the source is read."""
        sides = self._sides
        asked = Aside(lambda: bucket_sums(sides.session.destination, sides.found.ref, self._encoder.spec,
                                          self._sums.digits))
        for page in self._sides.pages(self._surroundings):
            self._sum(page.rows)
        there = asked.result(sides.session.stop)
        self._outcome.rows_target = sum(rows for rows, _ in there.values())
        return there

    def _sum(self, rows: Sequence[Row]) -> None:
        digests = self._digests.of(rows)
        if self._sides.quarantined:
            digests = [digest if self._counts(row, digest) else None
                       for row, digest in zip(rows, digests, strict=True)]
        self._outcome.rows_source += len(rows)
        self._outcome.rows_quarantined += digests.count(None)
        self._sums.add(digests)

    def _counts(self, row: Row, digest: bytes | None) -> bool:
        if digest is None:
            return False
        encoded = self._encoder.encode(row)
        return isinstance(encoded, EncodedRow) and self._waits_for(encoded) is None

    def _waits_for(self, row: EncodedRow) -> Reason | None:
        """Why a row that can be encoded waits in quarantine all the same."""
        entry = self._sides.quarantined.get(row.owner)
        reasons = (Reason.REFUSED_BY_BIGQUERY, Reason.KEY_COLLISION)
        return entry.reason if entry is not None and entry.reason in reasons else None

    def _note_source(self, scratch: Scratch, buckets: set[str]) -> None:
        """Note what the target has to hold in some buckets. All that is not compared is equal to whatever is there."""
        for page in self._sides.pages(self._surroundings):
            digests = self._digests.of(page.rows)
            wanted = [row for row, digest in zip(page.rows, digests, strict=True)
                      if digest is None or self._sums.bucket_of(digest) in buckets]
            prints = list(self._prints(wanted))
            # A key that was there before belongs to another row: such a collision waits in quarantine.
            self._outcome.rows_quarantined += len(prints) - max(0, scratch.add(prints))

    def _prints(self, rows: Sequence[Row]) -> Iterator[_Print]:
        results = [self._encoder.encode(row) for row in rows]
        delivered = self._delivered([row for row in results if isinstance(row, EncodedRow)])
        for row, result in zip(rows, results, strict=True):
            if isinstance(result, RejectedRow):
                if result.key is not None:
                    yield result.key, None, None
            elif (reason := self._waits_for(result)) is not None:
                if reason is not Reason.KEY_COLLISION:
                    yield result.key, None, None
            elif result.key in delivered:
                yield result.key, self._sides.fingerprint(row), result.source_key
            else:
                self._outcome.rows_pending += 1
                yield result.key, None, None

    def _delivered(self, rows: Sequence[EncodedRow]) -> set[bytes]:
        """The keys of those rows that are in the target as they are, by the word of the ledger."""
        if not self._beside:
            return {row.key for row in rows}
        known = self._sides.ledger.lookup([row.key for row in rows])
        return {row.key for row in rows if row.key in known and known[row.key][1] == row.fingerprint}

    def _meet(self, scratch: Scratch, rows: Sequence[BucketRow]) -> None:
        keyed = [(self._encoder.key_of(row.values), row) for row in rows]
        known = scratch.meet([key for key, _ in keyed])
        met: set[bytes] = set()
        strange: dict[bytes, BucketRow] = {}
        suspects: list[Suspect] = []
        for key, row in keyed:
            if key not in known:
                strange[key] = row
                continue
            fingerprint, source_key, was_met = known[key]
            if was_met or key in met:
                self._outcome.add(DifferenceKind.DUPLICATE, key)
            elif fingerprint is not None and fingerprint != self._encoder.fingerprint(row.values):
                suspects.append(Suspect(key, source_key or key, fingerprint, row.values))
            met.add(key)
        self._judgement.settle(DifferenceKind.DIFFERENT, suspects)
        self._judgement.judge_strange(strange)

"""
One table compared with its target: by sums first, then row by row where the sums differ.

Beside a bqsync that delivers meanwhile, source and target never stand still together. What keeps a row that is on its
way from being taken for a difference is an order: first the row is read in the source, then the ledger has to say that
this very version was delivered, then the target is read, and then the row has to be in the source as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, Protocol

from bqsync.capture.pages import Page, Row, TableReader
from bqsync.capture.source import FileState
from bqsync.deliver.readback import bucket_rows, bucket_sums
from bqsync.deliver.target import TargetState
from bqsync.encode.checksums import BucketSums, RowDigests, bucket_digits
from bqsync.encode.keys import source_values
from bqsync.encode.rejection import Rejected
from bqsync.encode.rows import RowEncoder
from bqsync.engine.aside import Aside, StoppedError
from bqsync.engine.differences import DifferenceKind, VerifyOutcome
from bqsync.engine.session import Session
from bqsync.model import DeletePolicy, EncodedRow, LedgerEntry, RawEntry, Reason, RejectedRow, SqlValue, WireValue
from bqsync.state.ledger import Ledger
from bqsync.state.quarantine import QuarantineEntry
from bqsync.state.scratch import Scratch
from bqsync.state.tables import TableState

_Print = tuple[bytes, int | None, bytes | None]
_PORTION_KEYS = 1_000


class Damage(Protocol):
    """Told of rows that differ, for their repair."""

    def __call__(self, kind: DifferenceKind, keys: Sequence[bytes]) -> None:
        """Some rows of one kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """How a comparison is made."""

    beside: bool = False
    """Another thread or process delivers meanwhile: rows that it has not delivered yet are no differences."""
    turn: Callable[[], AbstractContextManager[Callable[[], None]]] = lambda: nullcontext(lambda: None)
    """Entered to read the source; gives what is called between two pages, and returns once the reading may go on."""
    damage: Damage = lambda kind, keys: None  # noqa: ARG005 - nobody repairs
    """Told of every row that differs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """The two sides of a comparison, and what the state knows of them."""

    session: Session
    reader: TableReader
    encoder: RowEncoder
    found: TargetState
    state: TableState
    ledger: Ledger
    quarantined: dict[bytes, QuarantineEntry]
    """By source key."""


class _Suspect(NamedTuple):
    """A row that may differ."""

    key: bytes
    owner: bytes
    """Its encoded source key."""
    fingerprint: int
    """Of what the source had."""
    values: tuple[WireValue, ...] | None = None
    """What the target has."""


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
        self._sums = BucketSums(bucket_digits(sides.found.row_count))
        # Where cycles fail, nothing is on its way.
        self._beside = surroundings.beside and not sides.state.has_failed()
        self._begun = self._file_state()

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
        with Scratch(self._sides.session.config.state.file.parent) as scratch:
            self._note_source(scratch, buckets)
            destination, ref = self._sides.session.destination, self._sides.found.ref
            for portion in bucket_rows(destination, ref, self._encoder.spec, buckets):
                self._meet(scratch, [self._encoder.reread(values) for values in portion])
            self._miss(scratch)

    def _read_both(self) -> dict[str, tuple[int, int]]:
        """The sums of the target; BigQuery makes them while the source is read."""
        sides = self._sides
        asked = Aside(lambda: bucket_sums(sides.session.destination, sides.found.ref, self._encoder.spec,
                                          self._sums.digits))
        for page in self._pages():
            self._sum(page.rows)
        there = asked.result(sides.session.stop)
        self._outcome.rows_target = sum(rows for rows, _ in there.values())
        return there

    def _pages(self) -> Iterator[Page]:
        """The source, page by page, in its turn among other work."""
        with self._surroundings.turn() as give_way:
            for page in self._sides.reader.pages():
                yield page
                give_way()
                if self._sides.session.stop.is_set():
                    raise StoppedError

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
        for page in self._pages():
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
                yield result.key, self._encoder.fingerprint(self._wire(row)), result.source_key
            else:
                self._outcome.rows_pending += 1
                yield result.key, None, None

    def _delivered(self, rows: Sequence[EncodedRow]) -> set[bytes]:
        """The keys of those rows that are in the target as they are, by the word of the ledger."""
        if not self._beside:
            return {row.key for row in rows}
        known = self._sides.ledger.lookup([row.key for row in rows])
        return {row.key for row in rows if row.key in known and known[row.key][1] == row.fingerprint}

    def _meet(self, scratch: Scratch, rows: Sequence[tuple[WireValue, ...]]) -> None:
        keyed = [(self._encoder.key_of(values), values) for values in rows]
        known = scratch.meet([key for key, _ in keyed])
        met: set[bytes] = set()
        strange: dict[bytes, tuple[WireValue, ...]] = {}
        suspects: list[_Suspect] = []
        for key, values in keyed:
            if key not in known:
                strange[key] = values
                continue
            fingerprint, source_key, was_met = known[key]
            if was_met or key in met:
                self._outcome.add(DifferenceKind.DUPLICATE, key)
            elif fingerprint is not None and fingerprint != self._encoder.fingerprint(values):
                suspects.append(_Suspect(key, source_key or key, fingerprint, values))
            met.add(key)
        self._settle(DifferenceKind.DIFFERENT, suspects)
        self._judge_strange(strange)

    def _miss(self, scratch: Scratch) -> None:
        unmet = (_Suspect(key, source_key or key, fingerprint) for key, source_key, fingerprint in scratch.unmet())
        while suspects := list(islice(unmet, _PORTION_KEYS)):
            self._settle(DifferenceKind.MISSING, suspects)

    def _settle(self, kind: DifferenceKind, suspects: Sequence[_Suspect]) -> None:
        """Judge rows that the target does not hold as they were in the source when the ledger had them delivered."""
        standing = [suspect for suspect, stands in zip(suspects, self._stand(suspects), strict=True) if stands]
        self._outcome.rows_pending += len(suspects) - len(standing)
        for suspect in standing:
            self._outcome.add(kind, suspect.key, self._columns(suspect))
        self._tell(kind, standing)

    def _stand(self, suspects: Sequence[_Suspect]) -> list[bool]:
        """Of each, whether the source has it still: the target may have been read with a newer version in it."""
        if not self._beside or self._encoder.spec.contents:
            # What has no key is its contents, and never another version.
            return [True] * len(suspects)
        rows = self._sides.reader.find_all([source_values(suspect.owner) for suspect in suspects])
        return [row is not None and self._print(row) == suspect.fingerprint
                for row, suspect in zip(rows, suspects, strict=True)]

    def _judge_strange(self, strange: Mapping[bytes, tuple[WireValue, ...]]) -> None:
        """Judge rows of the target whose keys no row of the source has among those that had to be compared."""
        if not strange or self._encoder.spec.contents:
            # Without a key, rows are only ever added: what was pruned in the source is meant to stay.
            return
        is_moving = self._beside and self._sides.state.intent() is not None
        known = self._sides.ledger.lookup(strange)
        in_source = self._in_source(strange, known)
        is_quiet = self._begun is not None and self._sides.session.source.file_state() == self._begun
        extra: list[_Suspect] = []
        for key, values in strange.items():
            row = in_source.get(key)
            if row is not None and is_quiet:
                # Where the sums are equal, the target has that very row: this is another one.
                self._outcome.add(DifferenceKind.DUPLICATE, key)
            elif self._beside and (is_moving or row is not None or key in known):
                self._outcome.rows_pending += 1
            elif row is not None:
                # Written since the sums were made.
                self._settle(DifferenceKind.DIFFERENT, [_Suspect(key, key, 0, values)])
            elif self._encoder.spec.deletes is not DeletePolicy.IGNORE:
                extra.append(_Suspect(key, key, 0))
        for suspect in extra:
            self._outcome.add(DifferenceKind.EXTRA, suspect.key)
        self._tell(DifferenceKind.EXTRA, extra)

    def _in_source(self, keys: Iterable[bytes], known: Mapping[bytes | None, RawEntry]) -> dict[bytes, Row]:
        """The rows of the source under some target keys."""
        entries = {key: LedgerEntry._make(known[key]) for key in keys if key in known}
        owners = {key: entries[key].owner if key in entries else key for key in keys}
        hidden = {key for key in keys if not self._encoder.spec.key_is_plain
                  and (key not in entries or entries[key].source_key is None)}
        found: dict[bytes, Row] = {}
        if hidden:
            # Which key they have in the source is not known: they are looked for among all rows.
            for page in self._pages():
                keyed = zip(self._encoder.target_keys(page.rows), page.rows, strict=True)
                found.update((key, row) for key, row in keyed if key is not None and key in hidden)
        open_keys = [key for key in keys if key not in hidden]
        rows = self._sides.reader.find_all([source_values(owners[key]) for key in open_keys])
        return found | {key: row for key, row in zip(open_keys, rows, strict=True) if row is not None}

    def _columns(self, suspect: _Suspect) -> Iterator[str]:
        """The names of the columns that differ."""
        row = None if suspect.values is None else self._sides.reader.find(source_values(suspect.owner))
        if row is not None and suspect.values is not None:
            for column, here, there in zip(self._encoder.spec.columns, self._wire(row), suspect.values, strict=True):
                if here != there or type(here) is not type(there):
                    yield column.target_name

    def _wire(self, row: Sequence[SqlValue]) -> tuple[WireValue, ...]:
        return self._encoder.reread(self._encoder.wire_row(row))

    def _print(self, row: Sequence[SqlValue]) -> int | None:
        """The fingerprint of a row; None where it can't be delivered any more."""
        try:
            return self._encoder.fingerprint(self._wire(row))
        except Rejected:
            return None

    def _tell(self, kind: DifferenceKind, suspects: Sequence[_Suspect]) -> None:
        if suspects:
            self._surroundings.damage(kind, [suspect.key for suspect in suspects])

    def _file_state(self) -> FileState | None:
        """How the file is; None where what is written just now might not show."""
        found = self._sides.session.source.file_state()
        return found if found.is_settled else None

"""
Which rows of a comparison differ.

Beside a bqsync that delivers meanwhile, source and target never stand still together. What keeps a row that is on its
way from being taken for a difference is an order. A row that has to be in the target: first it is read in the source,
then the ledger has to say that this very version was delivered, then the target is read, and then the row has to be in
the source as it was. A row that must not be there: the target is read, then neither the ledger nor the source may know
the row, then a MERGE that was under way has to have ended, and then the target is read once more.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from typing import NamedTuple, Self

from bqsync.capture.pages import Row
from bqsync.capture.source import FileState
from bqsync.deliver.readback import BucketRow, bucket_rows
from bqsync.encode.keys import source_values
from bqsync.engine.aside import StoppedError
from bqsync.engine.differences import DifferenceKind, VerifyOutcome
from bqsync.engine.sides import Sides, Surroundings
from bqsync.model import DeletePolicy, LedgerEntry, RawEntry, WireValue
from bqsync.state.scratch import Scratch

PORTION_KEYS = 1_000
_MERGE_S = 60.0
_LOOK_S = 0.1


class Suspect(NamedTuple):
    """A row that may differ."""

    key: bytes
    owner: bytes
    """Its encoded source key."""
    fingerprint: int
    """Of what the source had."""
    values: tuple[WireValue, ...] | None = None
    """What the target has."""


class Judgement:
    """
    The judgement on the rows of one comparison.

    Args:
        sides: of it.
        outcome: what is found is added to it.
        surroundings: who else is at work.
        beside: somebody delivers meanwhile.
        begun: how the file was when the first row was read; None where that tells nothing.
    """

    def __init__(
        self, sides: Sides, outcome: VerifyOutcome, surroundings: Surroundings, *, beside: bool,
        begun: FileState | None,
    ) -> None:
        self._sides = sides
        self._encoder = sides.encoder
        self._outcome = outcome
        self._surroundings = surroundings
        self._beside = beside
        self._begun = begun
        self._buckets: set[str] = set()
        """Of the rows that nobody knows."""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._unknown = stack.enter_context(Scratch(self._sides.session.config.state.file.parent))
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def settle(self, kind: DifferenceKind, suspects: Sequence[Suspect]) -> None:
        """Judge rows that the target does not hold as they were in the source when the ledger had them delivered."""
        standing = [suspect for suspect, stands in zip(suspects, self._stand(suspects), strict=True) if stands]
        self._outcome.rows_pending += len(suspects) - len(standing)
        for suspect in standing:
            self._outcome.add(kind, suspect.key, self._columns(suspect))
        self._tell(kind, [suspect.key for suspect in standing])

    def judge_strange(self, strange: Mapping[bytes, BucketRow]) -> None:
        """Judge rows of the target whose keys no row of the source has among those that had to be compared."""
        if not strange or self._encoder.spec.contents:
            # Without a key, rows are only ever added: what was pruned in the source is meant to stay.
            return
        known = self._sides.ledger.lookup(strange)
        in_source = self._in_source(strange, known)
        is_quiet = self._begun is not None and self._sides.session.source.file_state() == self._begun
        extra: list[bytes] = []
        for key, found in strange.items():
            row = in_source.get(key)
            if row is not None and is_quiet:
                # Where the sums are equal, the target has that very row: this is another one.
                self._outcome.add(DifferenceKind.DUPLICATE, key)
            elif self._beside and (row is not None or key in known):
                self._outcome.rows_pending += 1
            elif row is not None:
                # Written since the sums were made.
                self.settle(DifferenceKind.DIFFERENT, [Suspect(key, key, 0, found.values)])
            elif self._encoder.spec.deletes is not DeletePolicy.IGNORE:
                # Where deletes are ignored, a row that left the source is meant to stay.
                extra.append(key)
        if self._beside:
            self._unknown.add((key, self._encoder.fingerprint(strange[key].values), None) for key in extra)
            self._buckets.update(strange[key].bucket for key in extra)
        else:
            self._add_extra(extra)

    def confirm(self) -> None:
        """Have a second look at the rows that nobody knows."""
        if not self._buckets:
            return
        if not self._await_merge():
            self._outcome.rows_pending += sum(1 for _ in self._unknown.unmet())
            return
        rows = self._unknown.unmet()
        while portion := [key for key, _, _ in islice(rows, PORTION_KEYS)]:
            known = self._sides.ledger.lookup(portion)
            self._unknown.meet([key for key in portion if key in known])
        session, found = self._sides.session, self._sides.found
        for there in bucket_rows(session.destination, found.ref, self._encoder.spec, self._buckets):
            self._meet_again([self._encoder.reread(row.values) for row in there])

    def _meet_again(self, rows: Sequence[tuple[WireValue, ...]]) -> None:
        keyed = {self._encoder.key_of(values): values for values in rows}
        met = self._unknown.meet(list(keyed))
        self._add_extra([key for key, (fingerprint, _, was_met) in met.items()
                         if not was_met and fingerprint == self._encoder.fingerprint(keyed[key])])

    def _add_extra(self, keys: Sequence[bytes]) -> None:
        for key in keys:
            self._outcome.add(DifferenceKind.EXTRA, key)
        self._tell(DifferenceKind.EXTRA, keys)

    def _await_merge(self) -> bool:
        """Wait until the MERGE that is under way is noted: its rows are in the ledger then. Whether it was."""
        begun, deadline_s = self._sides.state.intent(), time.monotonic() + _MERGE_S
        while begun is not None and self._sides.state.intent() == begun:
            if time.monotonic() >= deadline_s:
                return False
            if self._sides.session.stop.wait(_LOOK_S):
                raise StoppedError
        return True

    def _stand(self, suspects: Sequence[Suspect]) -> list[bool]:
        """Of each, whether the source has it still: the target may have been read with a newer version in it."""
        if not self._beside or self._encoder.spec.contents:
            # What has no key is its contents, and never another version.
            return [True] * len(suspects)
        rows = self._sides.reader.find_each([source_values(suspect.owner) for suspect in suspects])
        return [row is not None and self._sides.fingerprint(row) == suspect.fingerprint
                for row, suspect in zip(rows, suspects, strict=True)]

    def _in_source(self, keys: Iterable[bytes], known: Mapping[bytes | None, RawEntry]) -> dict[bytes, Row]:
        """The rows of the source under some target keys."""
        entries = {key: LedgerEntry._make(known[key]) for key in keys if key in known}
        owners = {key: entries[key].owner if key in entries else key for key in keys}
        hidden = {key for key in keys if not self._encoder.spec.key_is_plain
                  and (key not in entries or entries[key].source_key is None)}
        found: dict[bytes, Row] = {}
        if hidden:
            # Which key they have in the source is not known: they are looked for among all rows.
            for page in self._sides.pages(self._surroundings):
                keyed = zip(self._encoder.target_keys(page.rows), page.rows, strict=True)
                found.update((key, row) for key, row in keyed if key is not None and key in hidden)
        open_keys = [key for key in keys if key not in hidden]
        rows = self._sides.reader.find_each([source_values(owners[key]) for key in open_keys])
        return found | {key: row for key, row in zip(open_keys, rows, strict=True) if row is not None}

    def _columns(self, suspect: Suspect) -> Iterator[str]:
        """The names of the columns that differ."""
        row = None if suspect.values is None else self._sides.reader.find(source_values(suspect.owner))
        if row is not None and suspect.values is not None:
            wire = self._sides.wire(row)
            for column, here, there in zip(self._encoder.spec.columns, wire, suspect.values, strict=True):
                if here != there or type(here) is not type(there):
                    yield column.target_name

    def _tell(self, kind: DifferenceKind, keys: Sequence[bytes]) -> None:
        if keys:
            self._surroundings.damage(kind, keys)

"""What a chunk holds that is not merged yet: the rows by key, and the keys in the order in which they were staged."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from itertools import accumulate, islice

from bqsync.model import Delivery, Run, run_of
from bqsync.state.chunk_commit import ChunkCommit


class Pending:
    """
    The rows that are staged and not merged yet, by target key.

    Args:
        commit: of the chunk; what is added here is added there.
    """

    def __init__(self, commit: ChunkCommit) -> None:
        self._commit = commit
        # Of the rows that are no part of a run: nothing of what is to be staged next may lie between them unseen.
        self._least: bytes | None = None
        self._greatest: bytes | None = None
        self._firsts: list[bytes] = []
        """First keys of the runs, which are kept in their order."""

    def __bool__(self) -> bool:
        return bool(self._commit.delivered or self._commit.plain or self._commit.runs)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, bytes) and self.get(key) is not None

    def add(self, deliveries: Sequence[Delivery], *, are_new: bool = False) -> None:
        """
        Rows are staged; of one key, the last one counts.

        Args:
            deliveries: at least one row.
            are_new: none of them was ever delivered or staged.
        """
        run = run_of(deliveries) if are_new else None
        if run is not None and not self.touches(run):
            self._insert(run)
            return
        rows = {one.key: one for one in deliveries}
        for run in self._between(min(rows), max(rows)):
            # They may be changed one by one from now on.
            self._remove(run)
            self._commit.delivered.update((one.key, one) for one in run.deliveries())
            self._widen((run.first, run.last))
        self._widen(rows.keys())
        for key in self._commit.plain.keys() & rows:
            del self._commit.plain[key]
        self._commit.delivered.update(rows)

    def add_plain(self, keys: Sequence[bytes], fingerprints: Sequence[int]) -> None:
        """Rows are staged of which nothing else is known, none of them staged before."""
        self._widen(keys)
        self._commit.plain.update(zip(keys, fingerprints, strict=True))

    def add_run(self, run: Run) -> None:
        """Rows are staged that were never delivered or staged."""
        if self.touches(run):
            self.add(run.deliveries())
        else:
            self._insert(run)

    def touches(self, run: Run) -> bool:
        """Whether anything that was staged may lie between the first and the last key of a run."""
        if self._least is not None and self._greatest is not None and (
            self._least <= run.last and run.first <= self._greatest
        ):
            return True
        return bool(self._between(run.first, run.last))

    def has_none_of(self, keys: Collection[bytes | None]) -> bool:
        """Whether none of those keys is among them."""
        if not (self._commit.delivered.keys().isdisjoint(keys) and self._commit.plain.keys().isdisjoint(keys)):
            return False
        known = [key for key in keys if key is not None]
        runs = self._between(min(known), max(known)) if known else []
        return not any(run.find(key) is not None for run in runs for key in known)

    def get(self, key: bytes) -> Delivery | None:
        """What the ledger is to keep of a row; None where it is not among them."""
        found = self._commit.delivered.get(key)
        if found is None and key in self._commit.plain:
            return Delivery(key, self._commit.plain[key], None, None)
        for run in self._between(key, key) if found is None else ():
            place = run.find(key)
            found = None if place is None else run.part(place, place + 1).deliveries()[0]
        return found

    def _between(self, first: bytes, last: bytes) -> list[Run]:
        """The runs that may have something between two keys. They are in order, and none overlaps another."""
        at = max(0, bisect_right(self._firsts, first) - 1)
        found = list[Run]()
        for run in islice(self._commit.runs, at, None):
            if run.first > last:
                break
            if run.last >= first:
                found.append(run)
        return found

    def _insert(self, run: Run) -> None:
        at = bisect_right(self._firsts, run.first)
        self._commit.runs.insert(at, run)
        self._firsts.insert(at, run.first)

    def _remove(self, run: Run) -> None:
        at = bisect_left(self._firsts, run.first)
        del self._commit.runs[at], self._firsts[at]

    def _widen(self, keys: Collection[bytes]) -> None:
        if keys:
            least, greatest = min(keys), max(keys)
            self._least = least if self._least is None else min(self._least, least)
            self._greatest = greatest if self._greatest is None else max(self._greatest, greatest)


class StagedKeys:
    """The keys of all rows that were staged, in their order: of a chunk that is packed, in a quarter of the memory."""

    def __init__(self) -> None:
        self._portions: list[Sequence[bytes] | Run] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, keys: Sequence[bytes] | Run) -> None:
        """Rows were staged."""
        self._portions.append(keys)
        self._count += len(keys)

    def __getitem__(self, place: int) -> bytes:
        ends = list(accumulate(map(len, self._portions)))
        at = bisect_right(ends, place)
        portion = self._portions[at]
        place -= ends[at] - len(portion)
        return portion.key(place) if isinstance(portion, Run) else portion[place]

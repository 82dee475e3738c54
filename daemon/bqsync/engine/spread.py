"""Over how many partitions of its target a chunk spreads: those that its rows go to, and those that they were in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain
from typing import TypeVar

from bqsync.encode.partitions import partition_column
from bqsync.model import TableSpec
from bqsync.state.ledger import Ledger

T = TypeVar("T")

MAX_PARTITIONS = 2_000
"""
Of one MERGE: half of what one job may modify.

Source: https://docs.cloud.google.com/bigquery/quotas#partitioned_tables
"""


class Spread:
    """
    The partitions of one chunk.

    Where a row was before, only the ledger knows. Whatever it does not know has the MERGE look for the row everywhere:
    else a row that stands in another partition would be inserted once more.

    Args:
        spec: the mapping, with its target's partitioning.
        ledger: of the table.
        ledger_is_whole: what it does not have is not in the target.
    """

    def __init__(self, spec: TableSpec, ledger: Ledger, *, ledger_is_whole: bool) -> None:
        column = partition_column(spec)
        self._ledger = ledger
        self._is_told = column is not None
        # A key that tells the partition is never met in another one.
        self._needs_ledger = column is not None and column.source_name not in spec.key
        self._ledger_is_whole = ledger_is_whole
        self._numbers: set[int] = set()
        self._is_known = self._is_told

    @property
    def numbers(self) -> Collection[int] | None:
        """The partitions in which all rows of the chunk are, before and after; None: they may be in any."""
        return self._numbers if self._is_known else None

    def add(self, keys: Sequence[bytes], partitions: Sequence[int | None]) -> None:
        """
        Rows are staged.

        Args:
            keys: of all of them.
            partitions: into which they go; none for deletes.
        """
        if self._is_told:
            found, is_known = self._places(keys, partitions)
            self._numbers |= found
            self._is_known = self._is_known and is_known

    def has_room(self, keys: Sequence[bytes], partitions: Sequence[int | None]) -> bool:
        """Whether the chunk may take these rows as well."""
        if not self._is_told or len(self._numbers) + 2 * len(keys) <= MAX_PARTITIONS:
            return True
        return len(self._numbers | self._places(keys, partitions)[0]) <= MAX_PARTITIONS

    def _places(self, keys: Sequence[bytes], partitions: Sequence[int | None]) -> tuple[set[int], bool]:
        """The known ones of the partitions that these rows go to and were in, and whether that is all of them."""
        known = self._ledger.partitions(keys) if self._needs_ledger or not partitions else {}
        is_told_by_key = bool(partitions) and not self._needs_ledger
        is_whole = self._ledger_is_whole or is_told_by_key or len(known) == len(set(keys))
        places = set(chain(known.values(), partitions))
        return {place for place in places if place is not None}, is_whole and None not in places


def portions(
    items: Sequence[T], has_room: Callable[[Sequence[T]], bool], begin_anew: Callable[[], None]
) -> Iterator[Sequence[T]]:
    """
    Items in parts that one MERGE takes: all at once where it can, else by halves. A single one always has room.

    Args:
        items: that are to be staged, part by part, as they come.
        has_room: whether the chunk in hand takes these as well.
        begin_anew: delivers it, so that the next part has a chunk of its own.
    """
    if has_room(items):
        yield items
        return
    begin_anew()
    if len(items) == 1 or has_room(items):
        yield items
        return
    middle = len(items) // 2
    yield from portions(items[:middle], has_room, begin_anew)
    yield from portions(items[middle:], has_room, begin_anew)

"""Which rows of a page have to be looked at, where page and ledger are packed. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterator

from bqsync.capture.compare import Marks, changed_rows
from bqsync.model import RawEntry, Run, StoredRun, Stretch, unpack_prints


def changed_in_run(page: Run, known: Stretch, seen: Marks | None) -> list[int]:
    """
    The places of the encoded rows of a page that the ledger does not have, or not as they are.

    Args:
        page: its keys and fingerprints.
        known: what the ledger has between its first key and its last.
        seen: where the rows that are known as they are get their mark; one that has it already is looked at.
    """
    return list(_changed(page, known, seen))


def _changed(page: Run, known: Stretch, seen: Marks | None) -> Iterator[int]:
    at = 0
    for stored in known.runs:
        begin, end = page.span(stored.run.first, stored.run.last)
        yield from _beside_runs(page, at, begin, known.rows, seen)
        if begin < end:
            part = page.part(begin, end)
            inside = stored.part(*stored.run.span(part.first, part.last))
            yield from (begin + place for place in _within(part, inside, seen))
        at = end
    yield from _beside_runs(page, at, len(page), known.rows, seen)


def _within(page: Run, stored: StoredRun, seen: Marks | None) -> list[int]:
    """Of a part of the page that lies within a run of the ledger."""
    if page.keys == stored.run.keys and page.prints == stored.run.prints:
        return [] if seen is None else seen.mark(stored.slots)
    return changed_rows(page.all_keys(), unpack_prints(page.prints), {row[0]: row for row in stored.entries()}, seen)


def _beside_runs(
    page: Run, begin: int, end: int, rows: dict[bytes | None, RawEntry], seen: Marks | None
) -> Iterator[int]:
    """Of a part of the page that lies between two runs of the ledger."""
    if begin < end:
        part = page.part(begin, end)
        for place in changed_rows(part.all_keys(), unpack_prints(part.prints), rows, seen):
            yield begin + place

"""
The sweep: a walk over the whole table by key that compares every row with the ledger.

It finds what no timestamp tells, and is the first copy as well: a sweep against an empty ledger.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from bqsync.capture.compare import Marks
from bqsync.capture.pages import Page, TableReader
from bqsync.engine.absence import Absence, DeleteLimits, FileWatch
from bqsync.engine.intake import ChunkBounds, Intake
from bqsync.engine.lane import Lane
from bqsync.engine.stopwatch import Stopwatch
from bqsync.engine.sweep_pages import SweepPages
from bqsync.engine.verdicts import FLOOD_ROWS
from bqsync.failpoints import reached
from bqsync.model import CycleOutcome, EncodedPage

P = TypeVar("P", Page, Page | EncodedPage)

_OLD_S = 10.0
"""A chunk that is not full is merged after so long, for the watermark pass that waits behind it."""


class Between(Protocol):
    """What is done between two pages of a sweep while nothing is staged."""

    def __call__(self, *, is_chunk_end: bool) -> bool:
        """Do it; whether anything was read that is newer than what was read before."""


class Sweep:
    """
    One sweep of one table.

    Args:
        lane: where rows go.
        reader: where they come from.
        outcome: of the cycle; what was done is added to it.
        bounds: of a chunk.
        limits: of deletes.
        refused: keys of rows that BigQuery refused in an earlier attempt of this cycle.
        met: source keys of the rows that were rejected in this cycle.
        file: what happened to it since the sweep began.
        progress: told of the number of rows read so far.
        is_stopped: asked between pages; a stopped sweep delivers what it has and judges no absence.
        between: called now and then while nothing is staged, and after each chunk that is not the last: a long sweep
            must not delay what a watermark tells.
        pages: of the table, each to be read once.
    """

    def __init__(
        self, lane: Lane, reader: TableReader, outcome: CycleOutcome, *, bounds: ChunkBounds, limits: DeleteLimits,
        refused: frozenset[bytes], met: set[bytes], file: FileWatch, progress: Callable[[int], None],
        is_stopped: Callable[[], bool], between: Between, pages: SweepPages,
    ) -> None:
        self._lane = lane
        self._reader = reader
        self._outcome = outcome
        self._progress = progress
        self._is_stopped = is_stopped
        self._between = between
        self._rows = 0
        self._table_rows = 0
        self._is_first_copy = lane.ledger.is_empty()
        self._staged_s: float | None = None
        self._seen = Marks(lane.ledger.begin_sweep())
        self._pages = pages
        self._pages.expect(0 if self._is_first_copy else self._seen.first_new_slot)
        self._intake = Intake(lane, reader, outcome, bounds=bounds, refused=refused, met=met,
                              key_is_unique=reader.key_is_unique, seen=self._seen)
        self._waiting = lane.quarantine.source_keys()
        self._absence = Absence(lane, reader, self._intake, seen=self._seen, limits=limits, file=file, outcome=outcome)

    def run(self) -> bool:
        """
        Walk, deliver, and judge what is absent.

        Returns:
            Whether everything that the sweep was for is done; a stop and deletes that wait leave it undone.

        Raises:
            RefusedKeysError: start again with those keys in `refused`.
            BqsyncError: the cycle failed; chunks delivered before stay delivered.
        """
        try:
            with self._pages:
                complete = self._walk()
            reached("sweep.walked")
            if complete:
                self._intake.reject(self._reader.null_key_rows(FLOOD_ROWS * 10))
                self._check_flood()
                self._leave_quarantine()
                complete = self._absence.stage_deletes()
            self._intake.deliver()
        finally:
            self._intake.close()
        return complete

    def _walk(self) -> bool:
        for page in timed_pages(iter(self._pages), self._reader, self._lane.stopwatch):
            reached("sweep.page_read")
            if isinstance(page, EncodedPage):
                self._intake.take_encoded(page)
                self._rows += len(page)
            else:
                self._intake.take(page)
                self._rows += len(page.rows)
            self._progress(self._rows)
            if self._intake.is_full or self._is_old():
                self._check_flood()
                self._intake.deliver()
                self._look_between(is_chunk_end=True)
            elif not self._intake.chunk.rows:
                self._look_between(is_chunk_end=False)
            if self._is_stopped():
                return False
        return True

    def _look_between(self, *, is_chunk_end: bool) -> None:
        if self._between(is_chunk_end=is_chunk_end):
            self._pages.forget_ahead()

    def _is_old(self) -> bool:
        """
        Whether rows have been staged for long: a newer version of them can't be read before these are merged.

        A first copy has no older version to be fresher than, and larger chunks make it faster.
        """
        if not self._intake.chunk.rows or self._is_first_copy:
            self._staged_s = None
        elif self._staged_s is None:
            self._staged_s = time.monotonic()
        return self._staged_s is not None and time.monotonic() >= self._staged_s + _OLD_S

    def _check_flood(self) -> None:
        met = len(self._intake.verdicts.met)
        if met > FLOOD_ROWS:
            # Bad rows may all stand at the beginning: the whole table is what they are a part of.
            self._table_rows = self._table_rows or self._reader.count()
            self._intake.verdicts.check_flood(max(met, self._rows, self._table_rows), self._intake.chunk)

    def _leave_quarantine(self) -> None:
        """Rows that waited and were not rejected in this cycle leave the quarantine: delivered as they are, or gone."""
        for source_key in self._waiting - self._intake.verdicts.met:
            self._intake.verdicts.recover(source_key, self._intake.chunk)


def timed_pages(pages: Iterator[P], reader: TableReader, stopwatch: Stopwatch) -> Iterator[P]:
    """The pages, with the time of their reads told. To wait for the application is no work, and no reason to rest."""
    while True:
        waited_s, before_s = reader.waited_s, stopwatch.total_s("read")
        with stopwatch.stage("read"):
            page = next(pages, None)
        stopwatch.move(reader.waited_s - waited_s, "read", "wait")
        if page is None:
            return
        if isinstance(page, EncodedPage):
            # Of another thread: what nobody waited for has been work all the same.
            stopwatch.add(page.took_s - (stopwatch.total_s("read") - before_s), "read")
        yield page

"""
The watermark pass: one range read for each watermark column, from a little before its watermark onward.

What the ledger has already costs a comparison and nothing else, so equal timestamps, late commits and small steps of
the clock lose nothing and send nothing twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from bqsync.capture.pages import Page, TableReader
from bqsync.engine.intake import ChunkBounds, Intake
from bqsync.engine.lane import Lane
from bqsync.engine.sweep import timed_pages
from bqsync.engine.tracked import Form, Tracked
from bqsync.engine.verdicts import FLOOD_ROWS
from bqsync.failpoints import reached
from bqsync.model import CycleOutcome, Watermark

_ODD_TEXTS = 10
"""So many texts of another form may be met without a second thought."""


class WatermarkPass:
    """
    One pass over the ranges of one table.

    Args:
        lane: where rows go.
        reader: where they come from.
        outcome: of the cycle; what was done is added to it.
        bounds: of a chunk.
        overlap_us: how far before its watermark a range begins.
        keeps_overlap_only: the ledger holds the rows of the overlap and no others.
        refused: keys of rows that BigQuery refused in an earlier attempt of this cycle.
        met: source keys of the rows that were rejected in this cycle.
        now_us: the clock, in Unix microseconds.
        is_stopped: asked between pages; a stopped pass delivers what it has.
        give_way: called between pages while nothing is staged: returns once it may go on.
    """

    def __init__(
        self, lane: Lane, reader: TableReader, outcome: CycleOutcome, *, bounds: ChunkBounds, overlap_us: int,
        keeps_overlap_only: bool, refused: frozenset[bytes], met: set[bytes], now_us: Callable[[], int],
        is_stopped: Callable[[], bool], give_way: Callable[[], None],
    ) -> None:
        self._lane = lane
        self._reader = reader
        self._overlap_us = overlap_us
        self._keeps_overlap_only = keeps_overlap_only
        self._now_us = now_us
        self._is_stopped = is_stopped
        self._give_way = give_way
        self._reached_us: dict[str, int | None] = {}
        self._tracked: Sequence[Tracked] = ()
        self.of_another_form: set[str] = set()
        """Columns in whose range most texts have another form: they move no watermark, which would stand still."""
        # Only tables whose source keeps keys unique have passes.
        self._intake = Intake(lane, reader, outcome, bounds=bounds, refused=refused, met=met,
                              key_is_unique=True, seen=None)

    def run(self, tracked: Sequence[Tracked]) -> bool:
        """
        Read, deliver, and move the watermarks.

        Returns:
            Whether all ranges were read to their end.

        Raises:
            RefusedKeysError: start again with those keys in `refused`.
            BqsyncError: the cycle failed; chunks delivered before stay delivered, and their watermarks moved.
        """
        self._reached_us = {item.column: item.reached.instant_us if item.reached else None for item in tracked}
        self._tracked = tracked
        try:
            for item in tracked:
                self._walk(item)
                if self._is_stopped():
                    return False
        finally:
            self._intake.close()
        return True

    def _walk(self, item: Tracked) -> None:
        start_us, begun_us = self._start_us(item), self._now_us()
        highest = item.reached
        forms: Counter[Form] = Counter()
        for page in self._pages(item, start_us):
            # A value of the future must not carry the watermark past what was read. In the order of the index, that is
            # the clock of the page; in any other, a row may change behind the cursor as long as the walk lasts.
            now_us = item.limit_us(self._now_us() if item.is_indexed else begun_us)
            reached("pass.page_read")
            instants = [item.instant_us(row[item.position]) for row in page.rows]
            self._intake.take(page, self._kept_instants(page) if self._keeps_overlap_only else None)
            for row in page.rows:
                forms[item.form_of(row[item.position])] += 1
            highest = _highest(item, page, instants, now_us, highest)
            if self._intake.is_full:
                self._check_flood()
                # In the order of the index, everything before is dealt with; in any other, nothing is yet.
                self._deliver(item, highest if item.is_indexed else item.reached)
            if not self._intake.chunk.rows:
                self._give_way()
            if self._is_stopped():
                self._deliver(item, highest if item.is_indexed else item.reached)
                return
        self._check_flood()
        self._deliver(item, highest)
        if forms[Form.ANOTHER] > max(_ODD_TEXTS, forms[Form.ITS_OWN]):
            self.of_another_form.add(item.column)

    def _pages(self, item: Tracked, start_us: int | None) -> Iterator[Page]:
        return timed_pages(self._reader.range_pages(item.rows_from(start_us)), self._reader, self._lane.stopwatch)

    def _kept_instants(self, page: Page) -> list[int | None]:
        """Until when the ledger keeps each row: the overlap of any of the columns."""
        kept: list[int | None] = []
        for row in page.rows:
            instants = [item.instant_us(row[item.position]) for item in self._tracked]
            kept.append(max((instant_us for instant_us in instants if instant_us is not None), default=None))
        return kept

    def _start_us(self, item: Tracked) -> int | None:
        if item.reached is None:
            return None
        return min(item.reached.instant_us, item.limit_us(self._now_us())) - item.overlap_us(self._overlap_us)

    def _deliver(self, item: Tracked, watermark: Watermark | None) -> None:
        if watermark is None or watermark == item.reached:
            self._intake.deliver()
            return
        self._reached_us[item.column] = watermark.instant_us
        reached_us = [instant_us for instant_us in self._reached_us.values() if instant_us is not None]
        if self._keeps_overlap_only and len(reached_us) == len(self._reached_us):
            # The column that is furthest behind reads from its own overlap on.
            self._intake.chunk.forget_before(min(reached_us) - item.overlap_us(self._overlap_us))
        self._intake.deliver([watermark])

    def _check_flood(self) -> None:
        met = len(self._intake.verdicts.met)
        if met > FLOOD_ROWS:
            self._intake.verdicts.check_flood(max(met, self._lane.ledger.count()), self._intake.chunk)


def _highest(
    item: Tracked, page: Page, instants: Sequence[int | None], now_us: int, highest: Watermark | None
) -> Watermark | None:
    """The greatest instant so far that is not of the future, with its value."""
    best_us = highest.instant_us if highest is not None else None
    place = None
    for at, instant_us in enumerate(instants):
        if instant_us is not None and instant_us <= now_us and (best_us is None or instant_us > best_us):
            best_us, place = instant_us, at
    if place is None or best_us is None:
        return highest
    return Watermark(column=item.column, source_value=page.rows[place][item.position], instant_us=best_us)

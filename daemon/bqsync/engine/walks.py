"""The two walks of a cycle over its table: what its watermarks tell, and the comparison of the whole."""

from __future__ import annotations

import time
from collections.abc import Callable

from bqsync.capture.pages import TableReader
from bqsync.config import TableSection
from bqsync.engine.absence import DeleteLimits, FileWatch
from bqsync.engine.cycle_options import CycleOptions
from bqsync.engine.identity import watch_identity
from bqsync.engine.intake import ChunkBounds
from bqsync.engine.lane import Lane
from bqsync.engine.session import Session
from bqsync.engine.sweep import Sweep
from bqsync.engine.sweep_pages import SweepPages, native_reader
from bqsync.engine.watermark_pass import WatermarkPass
from bqsync.engine.watermarks import WatermarkBook
from bqsync.model import CycleOutcome, SweepPolicy
from bqsync.observe.metrics import Metric
from bqsync.state.tables import SweepRequest

OWN_STAGES = ("read", "compare", "encode", "commit")
"""What the duty cycle counts: the time in which this machine works, not BigQuery."""
_LOOK_S = 1.0
"""A sweep that delivers nothing looks so often whether a watermark has something new."""


class Walks:
    """
    The walks of one cycle.

    Args:
        session: open source, state and destination.
        section: the table's configuration.
        options: of the cycle.
        lane: where rows go.
        reader: where they come from.
        book: the table's watermarks.
        outcome: of the cycle; what was done is added to it.
        progress: told of the number of rows that the sweep has read so far.
    """

    def __init__(
        self, session: Session, section: TableSection, options: CycleOptions, lane: Lane,
        *, reader: TableReader, book: WatermarkBook, outcome: CycleOutcome, progress: Callable[[int], None],
    ) -> None:
        self._session = session
        self._section = section
        self._options = options
        self._lane = lane
        self._reader = reader
        self._book = book
        self._outcome = outcome
        self._progress = progress
        settings = session.config.sync
        self._bounds = ChunkBounds(rows=settings.chunk_rows, size_bytes=settings.chunk_bytes)
        self._overlap_us = int(settings.overlap_s * 1_000_000)
        self._next_look_s = 0.0
        self._refused: frozenset[bytes] = frozenset()
        self._met = set[bytes]()
        """Source keys of the rows that were rejected since the walks began."""

    def begin(self, refused: frozenset[bytes]) -> None:
        """
        Begin anew.

        Args:
            refused: keys of the rows that BigQuery has refused so far.
        """
        self._refused, self._met = refused, set()

    def read_new(self) -> None:
        """Deliver what the watermarks tell."""
        changed_us, merges = self._changed_us(), self._outcome.merges
        found, own_s = self._session.source.file_state(), self._lane.stopwatch.total_s(*OWN_STAGES)
        one = WatermarkPass(
            self._lane, self._reader, self._outcome, bounds=self._bounds, overlap_us=self._overlap_us,
            keeps_overlap_only=self._section.sweep is SweepPolicy.OFF, refused=self._refused, met=self._met,
            now_us=self._session.now_us, is_stopped=self._session.stop.is_set, give_way=self._options.give_way,
        )
        if one.run(self._book.tracked()):
            self._session.note_look(self._section.name, "pass", found)
            if not all(item.is_indexed for item in self._book.tracked()):
                # Only those are spaced.
                self._lane.state.record_pass(self._session.now_us(), self._cost_us(own_s))
            self._note_lag(changed_us, merges)
        self._book.decide_anew(one.of_another_form)

    def sweep(self, request: SweepRequest) -> None:
        """
        Compare the whole table.

        Args:
            request: what asked for it, as it was when the cycle decided.
        """
        self._book.decide(self._session.now_us(), from_newest=True)
        changed_us, merges = self._changed_us(), self._outcome.merges
        found, own_s = self._session.source.file_state(), self._lane.stopwatch.total_s(*OWN_STAGES)
        began_s = time.monotonic()
        settings = self._session.config.sync
        limits = DeleteLimits(max_fraction=settings.max_delete_fraction, confirmed=self._options.confirmed_deletes,
                              is_alone=self._options.is_alone)
        file = FileWatch(is_unchanged=lambda: self._session.source.file_state() == found,
                         watch_identity=lambda: watch_identity(self._session))
        sweep = Sweep(
            self._lane, self._reader, self._outcome, bounds=self._bounds, limits=limits, refused=self._refused,
            met=self._met, file=file, progress=self._progress, is_stopped=self._session.stop.is_set,
            between=self._breathe,
            pages=SweepPages(self._reader, self._session.source,
                             native_reader(self._session, self._lane.encoder.spec, self._reader)),
        )
        try:
            self._outcome.swept = sweep.run()
        finally:
            # A sweep that failed has cost as much: the duty cycle counts it too.
            self._lane.state.record_walk(self._session.now_us(), self._cost_us(own_s))
        if self._outcome.swept:
            self._session.tally.note(Metric.LAST_SWEEP_DURATION, time.monotonic() - began_s, table=self._section.name)
            self._session.note_look(self._section.name, "sweep", found)
            self._lane.state.record_sweep(request, self._lane.mapping_version, self._session.now_us())
            self._note_lag(changed_us, merges)

    def _changed_us(self) -> int | None:
        """When the first change was written that what is read from now on delivers; None: not known."""
        return self._options.told_us() if self._options.changed_us is None else self._options.changed_us

    def _note_lag(self, changed_us: int | None, merges_before: int) -> None:
        """What was written before the reading is in the target now."""
        if changed_us is not None and self._outcome.lag_s is None and self._outcome.merges > merges_before:
            self._outcome.lag_s = round(max(0, self._session.now_us() - changed_us) / 1_000_000, 3)

    def _breathe(self, *, is_chunk_end: bool) -> bool:
        """
        Within a sweep, while nothing is staged: other tables have their turn, and newer rows of this one.

        Returns:
            Whether rows were read that are newer than those which the sweep has read.
        """
        self._options.give_way()
        if not is_chunk_end and time.monotonic() < self._next_look_s:
            return False
        has_passed = self._pass_if_changed()
        self._next_look_s = time.monotonic() + _LOOK_S
        return has_passed

    def _pass_if_changed(self) -> bool:
        """What was written meanwhile must not wait for the end of a sweep."""
        looked = self._session.looks.get((self._section.name, "pass"))
        tracked = self._book.tracked()
        # Without an index, a pass would read the whole table once more for every chunk.
        if tracked and all(item.is_indexed for item in tracked) and looked != self._session.source.file_state():
            self.read_new()
            return True
        return False

    def _cost_us(self, before_s: float) -> int:
        return int((self._lane.stopwatch.total_s(*OWN_STAGES) - before_s) * 1_000_000)

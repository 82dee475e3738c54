"""One cycle of one table: plan, settle what was left, prepare the target, then a watermark pass, a sweep, or both."""

from __future__ import annotations

import time
from collections.abc import Callable

from bqsync.config import TableSection
from bqsync.encode.rows import RowEncoder
from bqsync.engine import watermark_choice
from bqsync.engine.budget import TableBudget
from bqsync.engine.chunk import RefusedKeysError
from bqsync.engine.contents import ContentReader
from bqsync.engine.cycle_options import CycleOptions
from bqsync.engine.lane import Lane
from bqsync.engine.plan import known_plan, mapping_version
from bqsync.engine.prepare import TargetPreparation
from bqsync.engine.repair import report_repair
from bqsync.engine.schedule import Facts, Outlook, SweepMode, Work, outlook, plan_work
from bqsync.engine.session import PreparedTarget, Session
from bqsync.engine.settlement import settle_intent
from bqsync.engine.stopwatch import Stopwatch
from bqsync.engine.walks import Walks
from bqsync.engine.watermarks import WatermarkBook
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import CycleOutcome, DeletePolicy, SweepPolicy, TableSpec
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger
from bqsync.state.ledger import Ledger
from bqsync.state.quarantine import Quarantine
from bqsync.state.repairs import Repair, asked_repair
from bqsync.state.tables import SweepRequest, TableState

_log = get_logger()

FIRST_COPY_APPEND_ROWS = 50_000
APPEND_BYTES = 2_000_000
"""A first copy is bounded by bytes: larger requests gain nothing, smaller ones cost a round trip each."""
_MAX_REFUSALS = 20
"""A cycle starts again without the rows that BigQuery refused, so often at most."""


class TableCycle:
    """
    One cycle of one table.

    Args:
        session: open source, state and destination.
        section: the table's configuration.
        options: of this cycle.
        progress: told of the number of rows that the sweep has read so far.
    """

    def __init__(
        self, session: Session, section: TableSection, options: CycleOptions, progress: Callable[[int], None]
    ) -> None:
        self._stopwatch = Stopwatch()
        self.outcome = CycleOutcome(table=section.name, target=section.target,
                                    durations_s=self._stopwatch.durations_s)
        """What was done so far: of a cycle that fails, too."""
        self._section = section
        self._options = options
        self._progress = progress
        self._repair: Repair | None = None
        self._state = TableState(session.store, session.source_id, section.name)
        self.budget = TableBudget(session, section, self._state.table_id, self.outcome)
        self._session = self.budget.metered()
        self._ledger = Ledger(session.store, self._state.table_id)
        self._quarantine = Quarantine(session.store, self._state.table_id)
        self._overlap_us = int(session.config.sync.overlap_s * 1_000_000)

    def run(self) -> CycleOutcome:
        """
        Bring the target up to its source.

        Raises:
            BqsyncError: the cycle failed; what was delivered before stays delivered and noted.
        """
        with self._stopwatch.stage("plan"):
            plan = known_plan(self._session, self._section, self._state, self._options.schema_cookie)
            for warning in plan.warnings:
                self._warn_once(warning)
        with self._stopwatch.stage("target"):
            prepared = self._prepared(plan.spec)
            for warning in prepared.warnings:
                self._warn_once(warning)
        with self._stopwatch.stage("plan"):
            self._lane = Lane(
                effects=self._session.effects, target=prepared.found.ref, encoder=prepared.encoder,
                state=self._state, ledger=self._ledger, quarantine=self._quarantine,
                mapping_version=mapping_version(prepared.encoder.spec, self._session.zone),
                append_rows=self._append_rows(), append_bytes=APPEND_BYTES, stopwatch=self._stopwatch,
                budget=self.budget, tally=self._session.tally,
                ledger_is_whole=self._ledger_is_whole(prepared.encoder.spec),
            )
            self._reader = plan.reader
            if isinstance(self._reader, ContentReader):
                self._reader.known_by = prepared.known_by
            self._book = self._watermark_book(prepared.encoder)
            self._walks = Walks(self._session, self._section, self._options, self._lane, reader=self._reader,
                                book=self._book, outcome=self.outcome, progress=self._progress)
        self.outcome.target = str(prepared.found.ref)
        self._repair = asked_repair(self._state.store, self._state.table_id)
        self._work_without_refused()
        # Only a cycle that went well leaves it to the next one.
        self._session.prepared[self._section.name] = prepared
        self.outcome.quarantine_total = self._quarantine.count()
        return self.outcome

    def outlook(self) -> tuple[Outlook, str]:
        """When the next cycle finds work, and which look ("sweep", "pass") tells whether the file has changed."""
        facts = self._facts(self._state.sweep_request(), self._session.now_us())
        return outlook(facts), "pass" if facts.has_watermark or self._sweeps_off else "sweep"

    def _warn_once(self, warning: str) -> None:
        said = (self._section.name, warning)
        if said not in self._session.said:
            self._session.said.add(said)
            _log.warning(Event.SCHEMA_WARNING, table=self._section.name, what=warning)

    def _append_rows(self) -> int:
        return FIRST_COPY_APPEND_ROWS if self._ledger.is_empty() else self._session.config.sync.batch_rows

    def _ledger_is_whole(self, spec: TableSpec) -> bool:
        """Whether what the ledger does not have is not in the target."""
        return not self._sweeps_off and spec.deletes is not DeletePolicy.MARK

    def _watermark_book(self, encoder: RowEncoder) -> WatermarkBook:
        for warning in watermark_choice.late(self._section, self._reader, encoder.spec):
            self._warn_once(warning)
        names = watermark_choice.usable(self._section, self._reader, encoder.spec)
        return WatermarkBook(self._session.source, encoder.spec, names, self._reader, self._state,
                             zone=self._session.zone, overlap_us=self._overlap_us)

    def _prepared(self, spec: TableSpec) -> PreparedTarget:
        """
        The target, ready to be written to.

        A daemon does not ask for it in every cycle. Whatever becomes of a target meanwhile is noticed by the MERGE,
        which fails, or by the next look.
        """
        name = self._section.name
        known = self._session.prepared.pop(name, None)
        is_told = self._options.full or self._options.adopt
        is_known = known is not None and known.wanted == spec and time.monotonic() < known.until_s
        is_settled = settle_intent(self._session, self._section.name, self._state, self._ledger)
        if is_settled or is_told or known is None or not is_known or self._state.trusted() is None:
            preparation = TargetPreparation(self._session, self._section, self._state, self._ledger)
            known = preparation.prepare(spec, adopt=self._options.adopt, full=self._options.full)
        return known

    def _work_without_refused(self) -> None:
        refused: frozenset[bytes] = frozenset()
        for _ in range(_MAX_REFUSALS):
            try:
                self._work(refused)
            except RefusedKeysError as error:
                refused |= error.keys
                self.outcome.rows_read = self.outcome.rows_unchanged = 0
            else:
                return
        raise BqsyncError(
            ErrorKind.QUARANTINE_FLOOD, what=f"BigQuery keeps refusing rows of table {self._section.name}",
            why=f"{len(refused)} rows were refused in {_MAX_REFUSALS} attempts",
            fix="compare the types of source and target: bqsync check",
        )

    def _work(self, refused: frozenset[bytes]) -> None:
        self._walks.begin(refused)
        now_us = self._session.now_us()
        self._book.watch(now_us, self._state.sweep_request().last_attempt_us)
        if self._options.sweep is SweepMode.NEVER or self._sweeps_off:
            self._decide_without_sweep(now_us)
        if self._sweeps_off:
            watermark_choice.require(self._section, self._reader, self._lane.encoder.spec, self._book)
        request = self._state.sweep_request()
        work = plan_work(self._facts(request, now_us))
        if work.watermark_pass:
            self._walks.read_new()
        if work.sweep:
            self._walks.sweep(request)
            if self._repair is not None and not self._session.stop.is_set() and not self.outcome.deletes_deferred:
                report_repair(self._state, self._repair, self.outcome)
        self.outcome.skipped = self._why_skipped(work)

    def _decide_without_sweep(self, now_us: int) -> None:
        """Look what the open watermark columns are. That may read the whole table: it keeps to the duty cycle."""
        name, began_s = self._section.name, time.monotonic()
        kept = self._session.decide_again_s
        if began_s < kept.get(name, began_s):
            return
        found = self._session.source.file_state()
        self._book.decide(now_us, from_newest=False)
        kept[name] = began_s + (time.monotonic() - began_s) / self._session.config.sync.sweep_duty
        if not self._book.tracked():
            # There is nothing to go by, and nothing more to be done until the file changes.
            self._session.note_look(name, "pass", found)

    @property
    def _mode(self) -> SweepMode:
        """A repair waits for no rest."""
        is_urgent = self._repair is not None and self._options.sweep is SweepMode.DUE
        return SweepMode.ALWAYS if is_urgent else self._options.sweep

    @property
    def _sweeps_off(self) -> bool:
        return self._section.sweep is SweepPolicy.OFF

    def _facts(self, request: SweepRequest, now_us: int) -> Facts:
        config, looks, name = self._session.config, self._session.looks, self._section.name
        tracked = self._book.tracked()
        found = self._session.source.file_state()
        return Facts(
            mode=self._mode, sweeps_off=self._sweeps_off, has_watermark=bool(tracked),
            is_indexed=all(item.is_indexed for item in tracked), is_first_copy=self._ledger.is_empty(),
            is_asked=request.is_due or request.swept_mapping not in (None, self._lane.mapping_version),
            changed_since_sweep=looks.get((name, "sweep")) != found,
            changed_since_pass=looks.get((name, "pass")) != found,
            last_sweep_us=request.last_sweep_us, last_walk=request.last_walk, last_pass=request.last_pass,
            now_us=now_us, sweep_interval_us=int(config.sweep_interval_s(self._section) * 1_000_000),
            duty=config.sync.sweep_duty,
        )

    def _why_skipped(self, work: Work) -> str:
        if work.watermark_pass or work.sweep:
            return ""
        if (self._options.sweep is SweepMode.NEVER or self._sweeps_off) and not self._book.tracked():
            return "no watermark column can be used: only a sweep finds changes"
        return "nothing is due"

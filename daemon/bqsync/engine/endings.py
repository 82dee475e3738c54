"""What becomes of a cycle that has ended: its table rests or pauses, its pace changes, its deletes pass or wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from bqsync.config import TableSection
from bqsync.engine.agenda import Agenda, TableKey
from bqsync.engine.budget import LimitReachedError
from bqsync.engine.counting import count_cycle, count_failure
from bqsync.engine.deferral import DeferredDeletes
from bqsync.engine.lookout import Lookout
from bqsync.engine.pace import Pace
from bqsync.engine.run import TableRun, failed_run, report_success
from bqsync.engine.session import Session
from bqsync.engine.setbacks import Setbacks
from bqsync.engine.suspicion import hold_together
from bqsync.engine.workers import Ended
from bqsync.errors import BqsyncError, Scope
from bqsync.model import CycleOutcome
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger

_log = get_logger()

_DEFERRED_S = 10.0
"""Between two cycles of a table whose deletes wait for what the others have lost."""
_REST_US = 60_000_000
"""A table that rests for longer before its next sweep is large: it is not waited for."""


class Endings:
    """
    Takes in the ends of cycles; in the thread of the loop.

    Args:
        session: of the loop.
        sections: of its tables.
        agenda: is told when each table has work again.
        setbacks: is told of every success and every failure.
        lookout: tells whether a failure of the file is known already.
        on_outcome: told of every cycle that has ended well.
    """

    def __init__(
        self, session: Session, sections: Mapping[TableKey, TableSection], agenda: Agenda, setbacks: Setbacks,
        lookout: Lookout, *, on_outcome: Callable[[CycleOutcome], None],
    ) -> None:
        self._session = session
        self._source = session.config.source.name
        self._sections = sections
        self._paces = {key: Pace(session.config.merge_interval_s(table)) for key, table in sections.items()}
        self._agenda = agenda
        self._setbacks = setbacks
        self._lookout = lookout
        self._on_outcome = on_outcome
        self._deferred = DeferredDeletes()

    def take(self, ended: Ended) -> None:
        """A cycle has ended, well or not."""
        key, run = ended.key, ended.run
        count_cycle(self._session.tally, run.outcome)
        self._note_pace(ended)
        if run.failure is None:
            self._note_success(key, run)
        else:
            self._note_failure(key, run, run.failure)
        self._note_deletes(key, run)

    def not_begun(self, key: TableKey) -> None:
        """The cycle of a table was not worth beginning: nobody waits for what it has lost."""
        self._deferred.ended(key)

    def decide_deletes(self) -> None:
        """Once every table has told what it has lost: deletes of one alone pass, those of several are held back."""
        decision = self._deferred.decide(self._agenda.running())
        if decision is None:
            return
        if decision.alone is not None:
            self._agenda.release(decision.alone)
        for outcome in decision.held:
            key = (self._source, outcome.table)
            failure = hold_together(self._session, outcome, decision.losing)
            self._note_failure(key, failed_run(self._session, self._sections[key], failure, outcome), failure)

    def _note_pace(self, ended: Ended) -> None:
        pace, before_s = self._paces[ended.key], self._paces[ended.key].interval_s
        if not pace.ended(was_throttled=ended.was_throttled, has_sent=bool(ended.run.outcome.merges),
                          spaced_s=ended.run.spaced_s):
            return
        self._agenda.set_interval(ended.key, pace.interval_s)
        is_wider = pace.interval_s > before_s
        (_log.warning if is_wider else _log.info)(
            Event.MERGE_INTERVAL_WIDENED if is_wider else Event.MERGE_INTERVAL_NARROWED,
            table=ended.key[1], interval_s=round(pace.interval_s, 1), before_s=round(before_s, 1),
            configured_s=pace.configured_s, cause=pace.cause)

    def _note_success(self, key: TableKey, run: TableRun) -> None:
        # One that was told to stop has not seen the whole table: its change waits for the next session.
        has_read = not run.outcome.skipped and not self._session.stop.is_set()
        failures = self._agenda.succeed(key, run.outlook, run.look, is_done=run.is_done, has_read=has_read)
        self._setbacks.succeeded(key[1] if run.is_done else None, failures, has_sent=bool(run.outcome.merges))
        report_success(run)
        self._on_outcome(run.outcome)

    def _note_failure(self, key: TableKey, run: TableRun, failure: BqsyncError) -> None:
        if self._session.stop.is_set():
            self._agenda.fail(key, counts=False)
        elif failure.rule.scope is Scope.SOURCE and self._lookout.has_lost(time.monotonic()):
            # The look has told of it, and tells when the file is back; it says nothing of whatever was tried out.
            self._agenda.fail(key, counts=False)
            self._setbacks.found_nothing()
        elif isinstance(failure, LimitReachedError):
            self._agenda.fail(key, counts=False)
            self._agenda.wait(key, self._session.now_us(), failure.until_us)
            failure.report()
        else:
            count_failure(self._session.tally, failure, key[1])
            self._set_back(key, run, failure)

    def _set_back(self, key: TableKey, run: TableRun, failure: BqsyncError) -> None:
        if failure.rule.concerns_all:
            self._agenda.fail(key, counts=False)
            self._setbacks.all_failed(failure, run)
        else:
            self._agenda.pause(key, self._setbacks.table_failed(run, self._agenda.fail(key)))

    def _note_deletes(self, key: TableKey, run: TableRun) -> None:
        if not run.outcome.skipped or key not in self._others_that_may_lose():
            self._deferred.ended(key)
        if run.outcome.deletes_deferred:
            self._deferred.note(key, run.outcome, self._others_that_may_lose())
            if run.failure is None:
                # What is new in it goes on being delivered; the deletes are found again each time.
                self._agenda.pause(key, time.monotonic() + _DEFERRED_S)
        elif run.outcome.swept:
            self._deferred.settled(key)

    def _others_that_may_lose(self) -> set[TableKey]:
        """Tables that have not seen the file as it is now, though they may rest for a moment, and those that fail."""
        # The change may be so new that no look has told of it. A file that is gone by now is told by the next one.
        with suppress(BqsyncError):
            self._agenda.look(self._source, self._session.source.file_state(), None)
        return self._agenda.busy(self._session.now_us() + _REST_US)

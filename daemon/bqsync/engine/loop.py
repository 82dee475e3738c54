"""
The loop of the daemon: looks at the file, gives tables their turn, and takes in what became of them.

One thread runs the loop and waits on its inbox; every cycle has a thread of its own for as long as it lasts
(`workers`), and asks from there what changes have come up.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from bqsync.engine.agenda import Agenda, TableKey
from bqsync.engine.beats import Beats
from bqsync.engine.budget import LimitReachedError
from bqsync.engine.counting import count_cycle, count_failure
from bqsync.engine.deferral import DeferredDeletes
from bqsync.engine.lookout import Lookout
from bqsync.engine.pace import Pace
from bqsync.engine.patrol import PATROL, Patrol
from bqsync.engine.run import TableRun, failed_run, report_success
from bqsync.engine.session import Session
from bqsync.engine.setbacks import Setbacks
from bqsync.engine.suspicion import hold_together
from bqsync.engine.workers import ARRIVAL, Arrived, Ended, Workers
from bqsync.errors import BqsyncError, Scope
from bqsync.model import CycleOutcome
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger
from bqsync.state.repairs import tables_to_repair

_log = get_logger()

_LONGEST_WAIT_S = 60.0
_DEFERRED_S = 10.0
"""Between two cycles of a table whose deletes wait for what the others have lost."""
_REST_US = 60_000_000
"""A table that rests for longer before its next sweep is large: it is not waited for."""


@dataclass(frozen=True, slots=True)
class Woken:
    """Somebody wants the loop to look around."""


class Loop:
    """
    Keeps the tables of one session equal to their source, until it is told to end.

    Args:
        session: rooms that are open on this machine; BigQuery need not have been called.
        inbox: where signals, events and ended cycles arrive.
        on_outcome: told of every cycle that has ended well.
        beats: says which cycles hang.
    """

    def __init__(
        self, session: Session, inbox: queue.SimpleQueue[object],
        on_outcome: Callable[[CycleOutcome], None] = lambda _outcome: None, beats: Beats | None = None,
    ) -> None:
        self._session = session
        self._inbox = inbox
        self._on_outcome = on_outcome
        self._source = session.config.source.name
        self._sections = {(self._source, table.name): table for table in session.config.tables}
        self._paces = {key: Pace(session.config.merge_interval_s(table)) for key, table in self._sections.items()}
        self.agenda = Agenda({key: pace.interval_s for key, pace in self._paces.items()})
        self._deferred = DeferredDeletes()
        self.setbacks = Setbacks()
        self.lookout = Lookout(session.source, session.config.watch, self.wake, session.now_us, session.tally)
        self._beats = beats or Beats()
        self._workers = Workers(session, inbox, self._beats, self._told_us)
        self._patrol = Patrol(session, self._workers.turns, self.wake)
        self._next_repairs_s = 0.0
        self._stalled: set[TableKey] = set()
        self._touched: set[TableKey] = set()
        """Tables of which another process may have changed what the state says."""
        self.begun_s = time.monotonic()
        self.has_arrived = False
        self._is_arriving = False

    def wake(self) -> None:
        """Have the loop look around at once. From any thread."""
        self._inbox.put(Woken())

    def step(self) -> None:
        """Do all that is to be done now, without waiting for any of it."""
        now_s = time.monotonic()
        look = self.lookout.look(now_s)
        if look is not None:
            self.agenda.look(self._source, look.state, look.changed_us)
            self._look_at_state()
        self._touched = {key for key in self._touched if not self.agenda.reconsider(key)}
        if self.lookout.lost is not None or now_s < self.setbacks.until_s:
            return
        if not self.has_arrived:
            self._arrive(now_s)
            return
        self._ask_repairs(now_s)
        self._begin_cycles(now_s)
        # The last table that was waited for may just have turned out to have no work.
        self._decide_deletes()

    def wait_s(self) -> float:
        """For how many seconds there is nothing to do, if nothing happens."""
        now_s = time.monotonic()
        next_s = self.lookout.next_s()
        if self.lookout.lost is None and not self._is_arriving:
            work_s = self.agenda.wake_s(self._session.now_us(), now_s) if self.has_arrived else now_s
            if work_s is not None:
                next_s = min(next_s, max(work_s, self.setbacks.until_s))
        return min(max(0.0, next_s - now_s), _LONGEST_WAIT_S)

    def take(self, message: object) -> None:
        """Take in a message from the inbox; those of others are left alone."""
        if isinstance(message, Arrived):
            self._note_arrival(message.failure)
        elif isinstance(message, Ended):
            count_cycle(self._session.tally, message.run.outcome)
            self._note_pace(message)
            self._note_end(message.key, message.run)

    def is_settled(self) -> bool:
        """Nothing runs, nothing is due and no event waits: the tables are as the file was at the last look."""
        return (self.has_arrived and self.lookout.lost is None and self.lookout.is_quiet
                and not self.agenda.busy(self._session.now_us()))

    def is_failing(self) -> bool:
        """The last cycle of a table has failed, or nothing works: it is tried again, later and later."""
        return self.setbacks.outage is not None or bool(self.agenda.failing())

    def silent_s(self) -> dict[TableKey, float]:
        """The cycles that make no progress, with the seconds since they last did. From any thread."""
        return self._beats.silent_s()

    def is_alive(self) -> bool:
        """Whether every cycle makes progress."""
        silent = self.silent_s()
        for key in silent.keys() - self._stalled:
            _log.error(Event.DAEMON_STALLED, table=key[1], silent_s=round(silent[key]),
                       why="no call has ended, no page was read and no answer has come for that long",
                       fix="systemd ends and restarts it, elsewhere restart it by hand; nothing is lost")
        self._stalled = set(silent)
        return not silent

    def begin_end(self) -> None:
        """Have every cycle come to an end: the page in hand is finished, and what is staged is merged."""
        self._workers.begin_end()
        self.lookout.close()

    def unfinished(self) -> list[str]:
        """What is still running."""
        return [*([ARRIVAL] if self._is_arriving else []), *([PATROL] if self._patrol.is_busy else []),
                *sorted(table for _, table in self.agenda.running())]

    def _ask_repairs(self, now_s: float) -> None:
        """Tables whose rows somebody has put in doubt, here or in another process, are to be swept."""
        if now_s < self._next_repairs_s:
            return
        self._next_repairs_s = now_s + self._session.config.watch.poll_interval_s
        # A state that can't be read is told by the next cycle.
        with suppress(BqsyncError):
            for table in tables_to_repair(self._session.store, self._session.source_id):
                key = (self._source, table)
                if key in self._sections and key not in self.agenda.running():
                    self.agenda.ask(key)

    def _begin_cycles(self, now_s: float) -> None:
        for key in self.agenda.ready(self._session.now_us(), now_s):
            if not self._is_worth_it(key):
                continue
            # What is written just now, and has not been looked for yet, may be delivered as well.
            start = self.agenda.start(key, now_s, self.lookout.waiting_us())
            self._workers.work(start, self._sections[key])
            if self.setbacks.try_out(now_s):
                # This one finds out whether the outage is over; the others begin once it is.
                return

    def _look_at_state(self) -> None:
        """An operator may have asked for something: `bqsync quarantine --retry` writes to the state beside us."""
        # A state that can't be read is told by the next cycle.
        with suppress(BqsyncError):
            if self._session.store.changed_by_others():
                self._touched = set(self._sections)

    def _arrive(self, now_s: float) -> None:
        if not self._is_arriving:
            self._is_arriving = True
            self.setbacks.try_out(now_s)
            self._workers.greet()

    def _note_arrival(self, failure: BqsyncError | None) -> None:
        self._is_arriving = False
        if failure is not None:
            if not self._session.stop.is_set():
                count_failure(self._session.tally, failure)
            self.setbacks.all_failed(failure)
            return
        self.has_arrived = True
        self._patrol.begin()
        self.setbacks.succeeded(None, 0, has_sent=True)

    def _is_worth_it(self, key: TableKey) -> bool:
        """Whether the table has work by what the file is now: its last cycle may have begun after the change."""
        now_us = self._session.now_us()
        if self.agenda.is_due(key, now_us):
            return True
        # A file that is gone by now is told by the next look.
        with suppress(BqsyncError):
            if self.agenda.look_of(key) != self._session.source.file_state():
                return True
        self.agenda.skip(key)
        self._deferred.ended(key)
        return False

    def _told_us(self, key: TableKey) -> int | None:
        """When the first change was written that has come up since the cycle of a table began; from its thread."""
        return self.agenda.changed_us(key, self.lookout.waiting_us())

    def _note_pace(self, ended: Ended) -> None:
        pace, before_s = self._paces[ended.key], self._paces[ended.key].interval_s
        if not pace.ended(was_throttled=ended.was_throttled, has_sent=bool(ended.run.outcome.merges),
                          spaced_s=ended.run.spaced_s):
            return
        self.agenda.set_interval(ended.key, pace.interval_s)
        is_wider = pace.interval_s > before_s
        (_log.warning if is_wider else _log.info)(
            Event.MERGE_INTERVAL_WIDENED if is_wider else Event.MERGE_INTERVAL_NARROWED,
            table=ended.key[1], interval_s=round(pace.interval_s, 1), before_s=round(before_s, 1),
            configured_s=pace.configured_s, cause=pace.cause)

    def _note_end(self, key: TableKey, run: TableRun) -> None:
        self._beats.end(key)
        if run.failure is None:
            self._note_success(key, run)
        else:
            self._note_failure(key, run, run.failure)
        if not run.outcome.skipped or key not in self._others_that_may_lose():
            self._deferred.ended(key)
        if run.outcome.deletes_deferred:
            self._deferred.note(key, run.outcome, self._others_that_may_lose())
            if run.failure is None:
                # What is new in it goes on being delivered; the deletes are found again each time.
                self.agenda.pause(key, time.monotonic() + _DEFERRED_S)
        elif run.outcome.swept:
            self._deferred.settled(key)

    def _note_success(self, key: TableKey, run: TableRun) -> None:
        # One that was told to stop has not seen the whole table: its change waits for the next session.
        has_read = not run.outcome.skipped and not self._session.stop.is_set()
        failures = self.agenda.succeed(key, run.outlook, run.look, is_done=run.is_done, has_read=has_read)
        self.setbacks.succeeded(key[1] if run.is_done else None, failures, has_sent=bool(run.outcome.merges))
        report_success(run)
        self._on_outcome(run.outcome)

    def _others_that_may_lose(self) -> set[TableKey]:
        """Tables that have not seen the file as it is now, though they may rest for a moment, and those that fail."""
        # The change may be so new that no look has told of it. A file that is gone by now is told by the next one.
        with suppress(BqsyncError):
            self.agenda.look(self._source, self._session.source.file_state(), None)
        return self.agenda.busy(self._session.now_us() + _REST_US)

    def _note_failure(self, key: TableKey, run: TableRun, failure: BqsyncError) -> None:
        if self._session.stop.is_set():
            self.agenda.fail(key, counts=False)
        elif failure.rule.scope is Scope.SOURCE and self.lookout.has_lost(time.monotonic()):
            # The look has told of it, and tells when the file is back; it says nothing of whatever was tried out.
            self.agenda.fail(key, counts=False)
            self.setbacks.found_nothing()
        elif isinstance(failure, LimitReachedError):
            self.agenda.fail(key, counts=False)
            self.agenda.wait(key, self._session.now_us(), failure.until_us)
            failure.report()
        else:
            count_failure(self._session.tally, failure, key[1])
            self._set_back(key, run, failure)

    def _set_back(self, key: TableKey, run: TableRun, failure: BqsyncError) -> None:
        if failure.rule.concerns_all:
            self.agenda.fail(key, counts=False)
            self.setbacks.all_failed(failure, run)
        else:
            self.agenda.pause(key, self.setbacks.table_failed(run, self.agenda.fail(key)))

    def _decide_deletes(self) -> None:
        decision = self._deferred.decide(self.agenda.running())
        if decision is None:
            return
        if decision.alone is not None:
            self.agenda.release(decision.alone)
        for outcome in decision.held:
            key = (self._source, outcome.table)
            failure = hold_together(self._session, outcome, decision.losing)
            self._note_failure(key, failed_run(self._session, self._sections[key], failure, outcome), failure)


def drain(inbox: queue.SimpleQueue[object], wait_s: float) -> Iterable[object]:
    """What has arrived, waiting for the first of it so long at most."""
    try:
        yield inbox.get(timeout=wait_s)
        while True:
            yield inbox.get_nowait()
    except queue.Empty:
        return

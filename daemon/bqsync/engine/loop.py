"""
The loop of the daemon: looks at the file, gives tables their turn, and takes in what became of them.

One thread runs the loop and waits on its inbox; every cycle has a thread of its own for as long as it lasts
(`workers`), and asks from there what changes have come up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from bqsync.engine.agenda import Agenda, TableKey
from bqsync.engine.beats import Beats
from bqsync.engine.counting import count_failure
from bqsync.engine.endings import Endings
from bqsync.engine.inbox import Inbox, Woken
from bqsync.engine.lookout import Lookout
from bqsync.engine.patrol import PATROL, Patrol
from bqsync.engine.session import Session
from bqsync.engine.setbacks import Setbacks
from bqsync.engine.workers import ARRIVAL, Arrived, Ended, Workers
from bqsync.errors import BqsyncError
from bqsync.model import CycleOutcome
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger
from bqsync.state.repairs import tables_to_repair

_log = get_logger()

_LONGEST_WAIT_S = 60.0


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
        self, session: Session, inbox: Inbox,
        on_outcome: Callable[[CycleOutcome], None] = lambda _outcome: None, beats: Beats | None = None,
    ) -> None:
        self._session = session
        self._inbox = inbox
        self._source = session.config.source.name
        self._sections = {(self._source, table.name): table for table in session.config.tables}
        self.agenda = Agenda({key: session.config.merge_interval_s(table) for key, table in self._sections.items()})
        self.setbacks = Setbacks()
        self.lookout = Lookout(session.source, session.config.watch, self.wake, session.now_us, session.tally)
        self._endings = Endings(session, self._sections, self.agenda, self.setbacks, self.lookout,
                                on_outcome=on_outcome)
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
        self._endings.decide_deletes()

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
            self._beats.end(message.key)
            self._endings.take(message)

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
        self._endings.not_begun(key)
        return False

    def _told_us(self, key: TableKey) -> int | None:
        """When the first change was written that has come up since the cycle of a table began; from its thread."""
        return self.agenda.changed_us(key, self.lookout.waiting_us())

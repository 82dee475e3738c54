"""The threads of the daemon's loop: each runs one cycle, or the first calls to BigQuery, and tells the loop its end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from bqsync.config import TableSection
from bqsync.engine.agenda import Start, TableKey
from bqsync.engine.arrival import distrust_what_is_older, see_dataset, sweep_orphans
from bqsync.engine.beats import Beats
from bqsync.engine.bills import settle_left_behind
from bqsync.engine.cycle_options import CycleOptions
from bqsync.engine.identity import IdentityWatch
from bqsync.engine.inbox import Inbox
from bqsync.engine.run import TableRun, failed_run, run_cycle, settle_run
from bqsync.engine.schedule import SweepMode
from bqsync.engine.session import Session
from bqsync.engine.turns import Turns
from bqsync.errors import BqsyncError, internal_error
from bqsync.observe.metrics import Metric
from bqsync.state.quarantine import Quarantine
from bqsync.state.tables import TableState

ARRIVAL = "the first calls to BigQuery"


@dataclass(frozen=True, slots=True)
class Ended:
    """A cycle has ended."""

    key: TableKey
    run: TableRun
    was_throttled: bool = False
    """BigQuery has asked for fewer calls meanwhile."""


@dataclass(frozen=True, slots=True)
class Billed:
    """It is known what the MERGEs of a cycle have cost that has ended before."""

    key: TableKey
    run: TableRun


@dataclass(frozen=True, slots=True)
class Arrived:
    """The first calls to BigQuery have been made."""

    failure: BqsyncError | None


class Workers:
    """
    Starts threads that share the session, the gate and the beats, and nothing else.

    Args:
        session: of the loop.
        inbox: is told of every end: `Ended`, `Arrived`; and of what follows: `Billed`.
        beats: every call to BigQuery and every page is one.
        told_us: when the first change was written that has come up since the cycle of a table began.

    Attributes:
        turns: the gate that all who read the source go through.
    """

    def __init__(
        self, session: Session, inbox: Inbox, beats: Beats,
        told_us: Callable[[TableKey], int | None],
    ) -> None:
        self._session = session
        self._inbox = inbox
        self._beats = beats
        self._told_us = told_us
        self.turns = Turns(session.config.sync.parallel_tables)
        self._identity = IdentityWatch(session)

    def greet(self) -> None:
        """Make the first calls to BigQuery, before any table is touched."""
        _thread("arrival", self._greet)

    def work(self, start: Start, section: TableSection) -> None:
        """Run one cycle of a table, as soon as it has its turn."""
        _thread(f"table {start.key[1]}", partial(self._work, start, section))

    def begin_end(self) -> None:
        """Have every cycle come to an end: the page in hand is finished, and what is staged is merged."""
        self._session.stop.set()
        self.turns.open()

    def _greet(self) -> None:
        failure: BqsyncError | None = None
        key = (self._session.config.source.name, ARRIVAL)
        session = self._own_session(key, threading.Event())
        try:
            see_dataset(session.config, session.destination)
            distrust_what_is_older(session)
            sweep_orphans(session)
            settle_left_behind(session)
        except BqsyncError as error:
            failure = error
        except Exception as error:  # noqa: BLE001 - told as an error of ours, and tried again
            failure = internal_error(error)
        self._beats.end(key)
        self._inbox.put(Arrived(failure))

    def _work(self, start: Start, section: TableSection) -> None:
        turn = self.turns.enter()
        beat = partial(self._beats.beat, start.key)
        throttled = threading.Event()
        session = self._own_session(start.key, throttled)

        def give_way() -> None:
            # Whoever waits for others is silent and does not hang.
            self._beats.end(start.key)
            turn.give_way()
            beat()

        # Deletes that were found to be alone pass now: whether the table has rested makes no difference.
        sweep = SweepMode.ALWAYS if start.is_alone else SweepMode.DUE
        try:
            beat()
            options = CycleOptions(
                sweep=sweep, is_alone=start.is_alone, changed_us=start.changed_us,
                told_us=partial(self._told_us, start.key), schema_cookie=self._identity.look(), give_way=give_way,
            )
            run = run_cycle(session, section, options, lambda _rows: beat())
        except Exception as raised:  # noqa: BLE001 - as in a cycle
            run = failed_run(session, section, raised)
        finally:
            turn.leave()
        self._note_quarantine(run)
        has_failed_by_it = run.failure is not None and run.failure.rule.asks_for_fewer_calls
        self._inbox.put(Ended(start.key, run, was_throttled=throttled.is_set() or has_failed_by_it))
        # The table may begin its next cycle meanwhile. By the session of all: what has ended has no beats any more.
        if settle_run(self._session, run):
            self._inbox.put(Billed(start.key, run))

    def _note_quarantine(self, run: TableRun) -> None:
        """Also of a cycle that has failed: too many rows in quarantine are a reason to."""
        session, outcome = self._session, run.outcome
        # A state that can't be read is told by the next cycle.
        with suppress(BqsyncError):
            rows = outcome.quarantine_total
            if run.failure is not None:
                state = TableState(session.store, session.source_id, outcome.table)
                rows = Quarantine(session.store, state.table_id).count()
            session.tally.note(Metric.QUARANTINED_ROWS, rows, table=outcome.table)

    def _own_session(self, key: TableKey, throttled: threading.Event) -> Session:
        """The session, for a thread whose calls to BigQuery are beats of its own, and which notes what it is asked."""
        destination = self._session.destination
        report = destination.policy.on_retry

        def note(failure: BqsyncError, attempt: int, wait_s: float) -> None:
            if failure.rule.asks_for_fewer_calls:
                throttled.set()
            if report is not None:
                report(failure, attempt, wait_s)

        policy = replace(destination.policy, on_progress=partial(self._beats.beat, key), on_retry=note)
        return replace(self._session, destination=replace(destination, policy=policy))


def _thread(name: str, work: Callable[[], None]) -> None:
    # A daemon thread: one that hangs must not keep the process from ending.
    threading.Thread(target=work, name=name, daemon=True).start()

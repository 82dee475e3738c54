"""The life of the daemon: signals, the service manager, reloads, and the end."""

from __future__ import annotations

import math
import os
import queue
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from importlib.metadata import version
from threading import Event as StopEvent

from bqsync.config import Config
from bqsync.deliver.retry import RESIDENT_WAITS
from bqsync.engine.counting import count_failure
from bqsync.engine.inbox import Inbox, Signalled, drain, signals_to
from bqsync.engine.live import LiveView
from bqsync.engine.loop import Loop
from bqsync.engine.onlookers import Onlookers
from bqsync.engine.opening import locked_state, open_rooms
from bqsync.engine.pulse import Pulse
from bqsync.engine.scrape import Scrape
from bqsync.engine.session import Session
from bqsync.engine.succession import Setup, Succession, changed_sections
from bqsync.engine.systemd import Notifier
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import CycleOutcome
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger
from bqsync.observe.metrics import Metric
from bqsync.observe.tally import Tally
from bqsync.state.clock import now_us
from bqsync.state.lock import StateLock

_log = get_logger()

_ENDING_LOOK_S = 0.1
_REBUILD_S = 600.0
"""A state that is damaged again so soon lies on a disk that spoils it: that is for an operator."""
GRACE_S = 3.0
"""For so long the cycles that are running may come to an end of their own, once the daemon is to end."""


class Daemon:
    """
    Runs until it is told to end.

    Args:
        config: to begin with.
        load: reads the configuration anew, for a reload.
        environ: the environment, as `os.environ`.
        set_log: sets the log up as a configuration says that is in force from then on.
        on_outcome: told of every cycle that has ended well.

    Raises:
        BqsyncError: the proto messages of `config` can't be read.
    """

    def __init__(
        self, config: Config, load: Callable[[], Config], environ: Mapping[str, str],
        set_log: Callable[[Config], None] = lambda _config: None,
        on_outcome: Callable[[CycleOutcome], None] = lambda _outcome: None,
    ) -> None:
        self._succession = Succession(config, load)
        self._set_log = set_log
        self._notifier = Notifier(environ)
        self._inbox: Inbox = queue.SimpleQueue()
        self._started_s = time.monotonic()
        self._pulse = Pulse(self._notifier, self._started_s)
        self._on_outcome = on_outcome
        self._loop: Loop | None = None
        self._live = LiveView(config.state.file, now_us)
        self._tally = Tally()
        self._scrape = Scrape(self._tally)
        self._onlookers = Onlookers(self._live, now_us, self._scrape.answer)
        self._rebuilt_s = -math.inf
        """The monotonic instant at which the state was last begun anew."""
        self._stopped_s: float | None = None
        """The monotonic instant at which the end was asked for."""
        self._grace_s = GRACE_S
        self._kept: list[ExitStack] = []
        """What is still in use at the end: it would be closed if nobody held it."""

    def run(self) -> list[str]:
        """
        Live.

        Returns:
            What had to be abandoned: its threads are still running, and the process is to end without waiting for them,
            while this object, which holds what they use, still lives.

        Raises:
            BqsyncError: whatever keeps the daemon from starting.
        """
        config = self._succession.current.config
        _log.info(Event.DAEMON_STARTED, version=version("bqsync"), config=str(config.path), db=str(config.source.db),
                  tables=len(config.tables), pid=os.getpid())
        with signals_to(self._inbox), ExitStack() as stack:
            held = stack.enter_context(locked_state(config))
            stack.callback(self._live.close)
            stack.callback(self._onlookers.close)
            while True:
                try:
                    unfinished = self._run_session(self._succession.current, held)
                except BqsyncError as failure:
                    if not self._succession.fall_back():
                        raise
                    self._refuse(failure)
                    continue
                if not self._succession.advance():
                    self._onlookers.close()
                    if unfinished:
                        self._kept.append(stack.pop_all())
                    return unfinished

    def end(self) -> None:
        """Ask for the end, as a SIGTERM does. From any thread."""
        self._inbox.put(Signalled(signal.SIGTERM))

    def is_settled(self) -> bool:
        """Whether the tables are as the file was at the last look, and nothing more is due. From any thread."""
        return self._loop is not None and self._loop.is_settled()

    def is_failing(self) -> bool:
        """Whether a table can't be synced, or none can. From any thread."""
        return self._loop is not None and self._loop.is_failing()

    def _count(self, outcome: CycleOutcome) -> None:
        self._pulse.count(outcome)
        self._on_outcome(outcome)

    def _run_session(self, setup: Setup, held: StateLock) -> list[str]:
        """Work with one configuration, until another is to take its place or all is to end."""
        with ExitStack() as stack:
            self._set_log(setup.config)
            session = stack.enter_context(open_rooms(
                setup.config, setup.messages, held=held, stop=StopEvent(), waits=RESIDENT_WAITS, tally=self._tally,
                keeps_warm=True))
            loop = Loop(session, self._inbox, self._count)
            if self._loop is not None:
                loop.agenda.take_over(self._loop.agenda)
            self._loop = loop
            self._scrape.look_at(session, loop)
            self._onlookers.follow(setup.config, loop)
            loop.step()
            self._tell_ready(setup.config, loop)
            while self._turn(session, loop):
                loop.step()
            unfinished = self._end(session, loop)
            if unfinished:
                # What they use must not be closed under them.
                self._kept.append(stack.pop_all())
        return unfinished

    def _turn(self, session: Session, loop: Loop) -> bool:
        """Tell what is to be told, then wait for what comes; whether the session goes on."""
        wait_s = min(self._pulse.beat(session, loop), self._live.tell(loop), self._onlookers.turn(loop), loop.wait_s())
        for message in drain(self._inbox, wait_s):
            self._take(loop, message)
        if self._stopped_s is None and not self._succession.has_next and _has_lost_state(loop):
            self._begin_anew()
        return self._stopped_s is None and not self._succession.has_next

    def _begin_anew(self) -> None:
        """A damaged state is moved aside when it is closed: as after a reload, everything is opened again."""
        now_s = time.monotonic()
        if now_s >= self._rebuilt_s + _REBUILD_S:
            self._rebuilt_s = now_s
            self._succession.repeat()

    def _take(self, loop: Loop, message: object) -> None:
        if not isinstance(message, Signalled):
            if self._stopped_s is None:
                self._onlookers.take(message)
            loop.take(message)
        elif message.number != signal.SIGHUP:
            self._stop(message.number, loop)
        elif self._stopped_s is None:
            self._reload()

    def _stop(self, number: int, loop: Loop) -> None:
        if self._stopped_s is not None:
            self._grace_s = 0.0  # asked twice: at once
            return
        self._stopped_s = time.monotonic()
        self._succession.end()
        self._notifier.stopping()
        _log.info(Event.DAEMON_STOPPING, signal=signal.Signals(number).name, running=loop.unfinished())

    def _reload(self) -> None:
        self._notifier.reloading()
        try:
            self._succession.read_next()
        except BqsyncError as failure:
            self._refuse(failure)
            self._notifier.ready()

    def _refuse(self, failure: BqsyncError) -> None:
        count_failure(self._tally, failure)
        self._tally.note(Metric.RELOAD_SUCCESSFUL, 0)
        _log.error(Event.DAEMON_RELOAD_FAILED, **failure.as_dict())

    def _tell_ready(self, config: Config, loop: Loop) -> None:
        before, is_known = self._succession.before, self._succession.is_known
        if not is_known:
            self._tally.note(Metric.RELOAD_SUCCESSFUL, 1)
            self._tally.note(Metric.RELOAD_SUCCESS_TIMESTAMP, now_us() / 1_000_000)
        if before is None:
            _log.info(Event.DAEMON_READY, tables=len(config.tables), is_database_there=loop.lookout.lost is None,
                      duration_s=round(time.monotonic() - self._started_s, 2))
        elif not is_known:
            _log.info(Event.DAEMON_RELOADED, config=str(config.path), tables=len(config.tables),
                      changed=changed_sections(before.config, config))
        self._succession.prove()
        self._notifier.ready()

    def _end(self, session: Session, loop: Loop) -> list[str]:
        """
        Have the cycles come to their ends. For a reload that is waited for, however long; at the end of all, a moment.

        Returns:
            What is still running.
        """
        loop.begin_end()
        while unfinished := loop.unfinished():
            if self._stopped_s is not None and time.monotonic() >= self._stopped_s + self._grace_s:
                break
            self._pulse.beat(session, loop)
            self._live.tell(loop)
            self._onlookers.turn(loop)
            for message in drain(self._inbox, _ENDING_LOOK_S):
                self._take(loop, message)
        if self._stopped_s is not None:
            _log.info(Event.DAEMON_STOPPED, abandoned=unfinished,
                      duration_s=round(time.monotonic() - self._stopped_s, 2))
        return unfinished


def _has_lost_state(loop: Loop) -> bool:
    outage = loop.setbacks.outage
    return outage is not None and outage.kind is ErrorKind.STATE_DAMAGED

"""The life of the daemon: signals, the service manager, reloads, and the end."""

from __future__ import annotations

import math
import os
import queue
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from threading import Event as StopEvent

import msgspec

from bqsync.config import Config
from bqsync.deliver.clients import require_key
from bqsync.deliver.retry import RESIDENT_WAITS
from bqsync.engine.counting import count_failure
from bqsync.engine.live import LiveView
from bqsync.engine.loop import Loop, drain
from bqsync.engine.onlookers import Onlookers
from bqsync.engine.opening import locked_state, open_rooms, wanted_messages
from bqsync.engine.pulse import Pulse
from bqsync.engine.scrape import Scrape
from bqsync.engine.session import Messages, Session
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


@dataclass(frozen=True, slots=True)
class _Signalled:
    """A signal has come."""

    number: int


class Daemon:
    """
    Runs until it is told to end.

    Args:
        config: to begin with.
        load: reads the configuration anew, for a reload.
        environ: the environment, as `os.environ`.
        set_log: sets the log up as a configuration says that is in force from then on.
        on_outcome: told of every cycle that has ended well.
    """

    def __init__(
        self, config: Config, load: Callable[[], Config], environ: Mapping[str, str],
        set_log: Callable[[Config], None] = lambda _config: None,
        on_outcome: Callable[[CycleOutcome], None] = lambda _outcome: None,
    ) -> None:
        self._config = config
        self._load = load
        self._set_log = set_log
        self._notifier = Notifier(environ)
        self._inbox: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._started_s = time.monotonic()
        self._pulse = Pulse(self._notifier, self._started_s)
        self._on_outcome = on_outcome
        self._loop: Loop | None = None
        self._next: tuple[Config, Messages] | None = None
        """What a reload has read."""
        self._fallback: tuple[Config, Messages] | None = None
        """What was in force before, until the new one has proved itself."""
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
        config, messages = self._config, wanted_messages(self._config)
        _log.info(Event.DAEMON_STARTED, version=version("bqsync"), config=str(config.path), db=str(config.source.db),
                  tables=len(config.tables), pid=os.getpid())
        with _signals(self._inbox), ExitStack() as stack:
            held = stack.enter_context(locked_state(config))
            stack.callback(self._live.close)
            stack.callback(self._onlookers.close)
            while True:
                try:
                    unfinished = self._run_session(config, messages, held)
                except BqsyncError as failure:
                    if self._fallback is None or self._fallback[0] is config:
                        # The fallback itself can't be opened any more.
                        raise
                    self._refuse(failure)
                    config, messages = self._fallback
                    continue
                if self._next is None:
                    self._onlookers.close()
                    if unfinished:
                        self._kept.append(stack.pop_all())
                    return unfinished
                self._fallback = config, messages
                config, messages = self._next
                self._next = None

    def end(self) -> None:
        """Ask for the end, as a SIGTERM does. From any thread."""
        self._inbox.put(_Signalled(signal.SIGTERM))

    def is_settled(self) -> bool:
        """Whether the tables are as the file was at the last look, and nothing more is due. From any thread."""
        return self._loop is not None and self._loop.is_settled()

    def is_failing(self) -> bool:
        """Whether a table can't be synced, or none can. From any thread."""
        return self._loop is not None and self._loop.is_failing()

    def _count(self, outcome: CycleOutcome) -> None:
        self._pulse.count(outcome)
        self._on_outcome(outcome)

    def _run_session(self, config: Config, messages: Messages, held: StateLock) -> list[str]:
        """Work with one configuration, until another is to take its place or all is to end."""
        with ExitStack() as stack:
            self._set_log(config)
            session = stack.enter_context(open_rooms(
                config, messages, held=held, stop=StopEvent(), waits=RESIDENT_WAITS, tally=self._tally,
                keeps_warm=True))
            loop = Loop(session, self._inbox, self._count)
            if self._loop is not None:
                loop.agenda.take_over(self._loop.agenda)
            self._loop = loop
            self._scrape.look_at(session, loop)
            self._onlookers.follow(config, loop)
            loop.step()
            self._tell_ready(session, loop)
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
            self._take(session, loop, message)
        if self._stopped_s is None and self._next is None and _has_lost_state(loop):
            self._begin_anew(session)
        return self._stopped_s is None and self._next is None

    def _begin_anew(self, session: Session) -> None:
        """A damaged state is moved aside when it is closed: as after a reload, everything is opened again."""
        now_s = time.monotonic()
        if now_s >= self._rebuilt_s + _REBUILD_S:
            self._rebuilt_s = now_s
            self._next = session.config, session.messages

    def _take(self, session: Session, loop: Loop, message: object) -> None:
        if not isinstance(message, _Signalled):
            if self._stopped_s is None:
                self._onlookers.take(message)
            loop.take(message)
        elif message.number != signal.SIGHUP:
            self._stop(message.number, loop)
        elif self._stopped_s is None:
            self._reload(session.config)

    def _stop(self, number: int, loop: Loop) -> None:
        if self._stopped_s is not None:
            self._grace_s = 0.0  # asked twice: at once
            return
        self._stopped_s = time.monotonic()
        self._next = None
        self._notifier.stopping()
        _log.info(Event.DAEMON_STOPPING, signal=signal.Signals(number).name, running=loop.unfinished())

    def _reload(self, old: Config) -> None:
        self._notifier.reloading()
        try:
            new = self._load()
            _require_same_state(old, new)
            messages = wanted_messages(new)
            require_key(new.bigquery)
        except BqsyncError as failure:
            self._refuse(failure)
            self._notifier.ready()
        else:
            self._next = new, messages

    def _refuse(self, failure: BqsyncError) -> None:
        count_failure(self._tally, failure)
        self._tally.note(Metric.RELOAD_SUCCESSFUL, 0)
        _log.error(Event.DAEMON_RELOAD_FAILED, **failure.as_dict())

    def _tell_ready(self, session: Session, loop: Loop) -> None:
        config = session.config
        if self._fallback is None or self._fallback[0] is not config:
            self._tally.note(Metric.RELOAD_SUCCESSFUL, 1)
            self._tally.note(Metric.RELOAD_SUCCESS_TIMESTAMP, now_us() / 1_000_000)
        if self._fallback is None:
            _log.info(Event.DAEMON_READY, tables=len(config.tables), is_database_there=loop.lookout.lost is None,
                      duration_s=round(time.monotonic() - self._started_s, 2))
        elif self._fallback[0] is not config:
            _log.info(Event.DAEMON_RELOADED, config=str(config.path), tables=len(config.tables),
                      changed=changed_sections(self._fallback[0], config))
        self._fallback = None
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
                self._take(session, loop, message)
        if self._stopped_s is not None:
            _log.info(Event.DAEMON_STOPPED, abandoned=unfinished,
                      duration_s=round(time.monotonic() - self._stopped_s, 2))
        return unfinished


def _has_lost_state(loop: Loop) -> bool:
    outage = loop.setbacks.outage
    return outage is not None and outage.kind is ErrorKind.STATE_DAMAGED


@contextmanager
def _signals(inbox: queue.SimpleQueue[object]) -> Iterator[None]:
    """SIGTERM, SIGINT and SIGHUP become messages. Putting one is safe in a handler: the queue is made for it."""
    def tell(number: int, _frame: object) -> None:
        inbox.put(_Signalled(number))

    before = {number: signal.signal(number, tell) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _require_same_state(old: Config, new: Config) -> None:
    if new.state.file != old.state.file:
        raise BqsyncError(
            ErrorKind.CONFIG_INVALID, what=f"state.file is {new.state.file} now, and was {old.state.file}",
            why="a reload keeps the state and its lock", fix="restart the daemon: systemctl restart bqsync",
        )


def changed_sections(old: Config, new: Config) -> list[str]:
    """The sections whose values differ."""
    names = [name for name in Config.__struct_fields__ if name not in ("path", "origins")]
    return [name for name in names if msgspec.structs.asdict(old)[name] != msgspec.structs.asdict(new)[name]]

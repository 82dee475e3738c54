"""The life of the daemon: signals, the service manager, reloads, and the end."""

from __future__ import annotations

import os
import queue
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from threading import Event as StopEvent

import msgspec

from bqsync.config import Config
from bqsync.engine.loop import Loop, Woken, drain
from bqsync.engine.session import Session, locked_state, open_rooms, wanted_messages
from bqsync.engine.systemd import Notifier
from bqsync.errors import BqsyncError
from bqsync.model import CycleOutcome, ProtoField
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger
from bqsync.state.lock import StateLock

_log = get_logger()

GRACE_S = 3.0
"""For so long the cycles that are running may come to an end of their own, once the daemon is to end."""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

Messages = Mapping[str, tuple[ProtoField, ...]]


@dataclass(frozen=True, slots=True)
class _Signalled:
    """A signal has come."""

    number: int


class Daemon:
    """
    Runs until it is told to end.

    Args:
        config: to begin with.
        load: reads the configuration anew, for a reload, and sets the log up as it says.
        environ: the environment, as `os.environ`.
    """

    def __init__(self, config: Config, load: Callable[[], Config], environ: Mapping[str, str]) -> None:
        self._config = config
        self._load = load
        self._notifier = Notifier(environ)
        self._inbox: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._started_s = time.monotonic()
        self._pulse = _Pulse(self._notifier, self._started_s)
        self._next: tuple[Config, Messages] | None = None
        self._stopped_by: int | None = None

    def run(self) -> list[str]:
        """
        Live.

        Returns:
            The tables whose cycle had to be abandoned: their threads are still running, and the process is to end
            without waiting for them.

        Raises:
            BqsyncError: whatever keeps the daemon from starting.
        """
        config, messages = self._config, wanted_messages(self._config)
        _log.info(Event.DAEMON_STARTED, version=version("bqsync"), config=str(config.path), db=str(config.source.db),
                  tables=len(config.tables), pid=os.getpid())
        with _signals(self._inbox), ExitStack() as stack:
            held = stack.enter_context(locked_state(config))
            while True:
                abandoned = self._run_session(config, messages, held)
                if self._next is None or abandoned:
                    stack.pop_all() if abandoned else stack.close()
                    return abandoned
                config, messages = self._next
                self._next = None

    def _run_session(self, config: Config, messages: Messages, held: StateLock) -> list[str]:
        """Work with one configuration, until another is to take its place or all is to end."""
        stop = StopEvent()
        stack = ExitStack()
        session = stack.enter_context(open_rooms(config, messages, held=held, stop=stop))
        loop = Loop(session, self._inbox, self._pulse.count)
        self._config = config
        self._live(session, loop)
        began_s = time.monotonic()
        if self._stopped_by is not None:
            self._notifier.stopping()
            _log.info(Event.DAEMON_STOPPING, signal=signal.Signals(self._stopped_by).name,
                      running=sorted(table for _, table in loop.agenda.running()))
        abandoned = loop.stop(GRACE_S)
        if self._stopped_by is not None:
            _log.info(Event.DAEMON_STOPPED, abandoned=abandoned, duration_s=round(time.monotonic() - began_s, 2))
        if not abandoned:
            stack.close()
        return abandoned

    def _live(self, session: Session, loop: Loop) -> None:
        is_ready = False
        while self._stopped_by is None and self._next is None:
            loop.step()
            if not is_ready:
                is_ready = True
                self._notifier.ready()
                _log.info(Event.DAEMON_READY, tables=len(session.config.tables),
                          is_database_there=loop.lookout.lost is None,
                          duration_s=round(time.monotonic() - self._started_s, 2))
            wait_s = self._pulse.beat(session, loop)
            for message in drain(self._inbox, min(wait_s, loop.wait_s())):
                if isinstance(message, _Signalled):
                    self._obey(message.number)
                elif not isinstance(message, Woken):
                    loop.take(message)

    def _obey(self, number: int) -> None:
        if number != signal.SIGHUP:
            self._stopped_by = number
            return
        self._notifier.reloading()
        try:
            config = self._load()
            self._next = config, wanted_messages(config)
        except BqsyncError as failure:
            _log.error(Event.DAEMON_RELOAD_FAILED, **failure.as_dict())
            self._notifier.ready()


class _Pulse:
    """What is told at intervals: to the service manager, and to the log."""

    def __init__(self, notifier: Notifier, started_s: float) -> None:
        self._notifier = notifier
        self._started_s = started_s
        self._heartbeat_s = started_s
        self._ping_s = started_s
        self._cycles = self._upserted = self._deleted = 0

    def count(self, outcome: CycleOutcome) -> None:
        """A cycle has ended well."""
        self._cycles += 1
        self._upserted += outcome.rows_upserted
        self._deleted += outcome.rows_deleted

    def beat(self, session: Session, loop: Loop) -> float:
        """Tell what is to be told now; returns for how many seconds there is nothing to tell."""
        now_s = time.monotonic()
        self._notifier.status(_status(session, loop))
        if self._notifier.watchdog_s is not None and now_s >= self._ping_s:
            self._ping_s = now_s + self._notifier.watchdog_s / 3
            if loop.is_alive():
                self._notifier.ping()
        interval_s = session.config.log.heartbeat_interval_s
        if now_s >= self._heartbeat_s + interval_s:
            self._heartbeat_s = now_s
            self._tell(session, loop, now_s)
        next_s = self._heartbeat_s + interval_s
        return max(0.0, (next_s if self._notifier.watchdog_s is None else min(next_s, self._ping_s)) - now_s)

    def _tell(self, session: Session, loop: Loop, now_s: float) -> None:
        _log.info(Event.DAEMON_HEARTBEAT, tables=len(session.config.tables),
                  failing=sorted(table for _, table in loop.agenda.failing()), lag_s=_lag_s(session, loop),
                  cycles=self._cycles, rows_upserted=self._upserted, rows_deleted=self._deleted,
                  file_events=loop.lookout.events, uptime_s=round(now_s - self._started_s), rss_bytes=_rss_bytes())
        self._cycles = self._upserted = self._deleted = 0


def _status(session: Session, loop: Loop) -> str:
    tables = f"{len(session.config.tables)} tables"
    failure = loop.lookout.lost or loop.setbacks.outage
    if failure is not None:
        return f"{tables}, waiting: {failure.what} ({failure.rule.code})"
    failing = loop.agenda.failing()
    if failing:
        tables += f", failing: {', '.join(sorted(table for _, table in failing))}"
    lag_s = _lag_s(session, loop)
    return f"{tables}, up to date" if not lag_s else f"{tables}, lag {lag_s:.0f} s"


def _lag_s(session: Session, loop: Loop) -> float:
    """Seconds since the oldest change that may not be delivered; 0 where there is none."""
    changed_us = loop.agenda.oldest_change_us()
    return 0.0 if changed_us is None else round(max(0, session.now_us() - changed_us) / 1_000_000, 1)


def _rss_bytes() -> int:
    """Source: https://man7.org/linux/man-pages/man5/proc_pid_statm.5.html"""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES


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


def changed_keys(old: Config, new: Config) -> list[str]:
    """The sections whose values differ."""
    names = [name for name in Config.__struct_fields__ if name not in ("path", "origins")]
    return [name for name in names if msgspec.structs.asdict(old)[name] != msgspec.structs.asdict(new)[name]]

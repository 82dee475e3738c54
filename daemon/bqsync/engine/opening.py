"""What the stages need, opened in the right order and closed in the reverse one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from threading import Event as StopEvent
from zoneinfo import ZoneInfo

import msgspec

from bqsync.capture.schema import table_names
from bqsync.capture.source import Source
from bqsync.config import Config
from bqsync.deliver.clients import Destination, connect
from bqsync.deliver.retry import WAITS, Policy, Waits
from bqsync.deliver.warm import WarmStaging
from bqsync.embedded.process import EmbeddedBigQuery
from bqsync.encode.descriptors import load_messages
from bqsync.engine.arrival import distrust_what_is_older, see_dataset
from bqsync.engine.bills import settle_left_behind
from bqsync.engine.effects import Delivering
from bqsync.engine.session import Messages, Session
from bqsync.errors import BqsyncError, ErrorKind, Retry
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger
from bqsync.observe.metrics import Metric
from bqsync.observe.repeats import Repeats
from bqsync.observe.tally import Tally
from bqsync.state.lock import StateLock, make_folder
from bqsync.state.store import Store

_log = get_logger()

_RETRY_LINES_S = 60.0
_retry_lines = Repeats(_RETRY_LINES_S)


@contextmanager
def open_session(config: Config, *, lock: bool = True, stop: StopEvent | None = None) -> Iterator[Session]:
    """
    Open everything that a cycle needs, what is local first, and see that all of it is there.

    Args:
        config: checked configuration.
        lock: keep other bqsync processes out; a command that only reads the state does without.
        stop: ends waits and cycles early once it is set.

    Raises:
        BqsyncError: whatever keeps it from being opened.
    """
    with ExitStack() as stack:
        messages = wanted_messages(config)
        # What is wrong with the file as a whole is said once, and not by every table.
        Source(config.source.db, busy_timeout_s=config.source.busy_timeout_s).read(table_names)
        held = stack.enter_context(locked_state(config)) if lock else None
        session = stack.enter_context(open_rooms(config, messages, held=held, stop=stop or StopEvent()))
        see_dataset(config, session.destination)
        if lock:
            distrust_what_is_older(session)
            settle_left_behind(session)
        yield session


@contextmanager
def open_rooms(
    config: Config, messages: Messages, *, held: StateLock | None, stop: StopEvent,
    waits: Mapping[Retry, Waits] = WAITS, tally: Tally | None = None, keeps_warm: bool = False,
) -> Iterator[Session]:
    """
    Open what is on this machine. The database may be missing still, and BigQuery is not called.

    Args:
        config: checked configuration.
        messages: that its tables name.
        held: the lock on the state; None opens it to be read alone.
        stop: ends waits and cycles early once it is set.
        waits: for failed calls to BigQuery.
        tally: goes on counting; None begins anew.
        keeps_warm: somebody stays for further cycles: what they need is made in between.

    Raises:
        BqsyncError: of the state or the credentials; EMBEDDED_FAILED.
    """
    tally = tally or Tally()
    with ExitStack() as stack:
        store = stack.enter_context(_open_store(config, read_only=held is None))
        destination = stack.enter_context(connected(config, stop, waits, tally))
        warm = WarmStaging(destination) if keeps_warm else None
        if warm is not None:
            stack.callback(warm.close)
        yield Session(
            config=config, source=Source(config.source.db, busy_timeout_s=config.source.busy_timeout_s), store=store,
            source_id=0 if held is None else store.source_id(config.source.name), destination=destination,
            effects=Delivering(destination, warm), messages=messages, zone=ZoneInfo(config.source.time_zone), stop=stop,
            tally=tally,
        )


def wanted_messages(config: Config) -> Messages:
    """The proto messages that the tables name."""
    names = [table.message for table in config.tables if table.message is not None]
    if not names:
        return {}
    if config.protos.descriptor_set is None:
        raise BqsyncError(
            ErrorKind.PROTO_INVALID, what=f"a table names the message {names[0]}, and no descriptor set is configured",
            why="messages are looked up in a compiled descriptor set",
            fix="set `protos.descriptor_set` (and `protos.files`), and run `bqsync protos`",
        )
    return load_messages(config.protos.descriptor_set, names)


@contextmanager
def open_destination(config: Config, stop: StopEvent) -> Iterator[Destination]:
    """Start the embedded BigQuery if it is asked for, make the clients, and see that the dataset is there."""
    with connected(config, stop) as destination:
        see_dataset(config, destination)
        yield destination


@contextmanager
def connected(
    config: Config, stop: StopEvent, waits: Mapping[Retry, Waits] = WAITS, tally: Tally | None = None
) -> Iterator[Destination]:
    """Start the embedded BigQuery if it is asked for, and make the clients; nothing is called yet."""
    with ExitStack() as stack:
        section = config.bigquery
        if section.embedded:
            embedded = EmbeddedBigQuery(section.embedded_dir, section.project)
            stack.callback(embedded.stop)
            endpoints = embedded.start()
            section = msgspec.structs.replace(section, rest_endpoint=endpoints.rest, grpc_endpoint=endpoints.grpc)
            _log.info(Event.EMBEDDED_STARTED, rest_endpoint=endpoints.rest, grpc_endpoint=endpoints.grpc,
                      directory=str(section.embedded_dir))
        on_retry = partial(_report_retry, tally or Tally())
        destination = connect(section, Policy(stop=stop, on_retry=on_retry, waits=waits))
        stack.callback(destination.close)
        yield destination


@contextmanager
def locked_state(config: Config) -> Iterator[StateLock]:
    """
    Keep other bqsync processes away from the state.

    Raises:
        BqsyncError: STATE_LOCKED, STATE_UNWRITABLE.
    """
    make_folder(config.state.file)
    lock = StateLock(config.state.file)
    lock.acquire()
    try:
        yield lock
    finally:
        lock.release()


@contextmanager
def _open_store(config: Config, *, read_only: bool) -> Iterator[Store]:
    store = Store(config.state.file, read_only=read_only)
    _tell_rebuilt(store, None)
    moved_to = store.rebuilt_from
    try:
        yield store
    finally:
        store.close()
        _tell_rebuilt(store, moved_to)


def _tell_rebuilt(store: Store, told: Path | None) -> None:
    if store.rebuilt_from is not told:
        _log.warning(Event.STATE_REBUILT, file=str(store.path), moved_to=str(store.rebuilt_from),
                     why=f"{store.rebuilt_because}; every table is reconciled with its target")


def _report_retry(tally: Tally, failure: BqsyncError, attempt: int, wait_s: float) -> None:
    """Each table and each call meets the same outage: of one kind, one line a minute."""
    tally.add(Metric.RETRIES, kind=failure.kind.value)
    repeats = _retry_lines.admit(failure.kind)
    log = _log.debug if repeats is None else _log.warning
    log(Event.RETRY_SCHEDULED, attempt=attempt, wait_s=round(wait_s, 3), code=failure.rule.code,
        kind=failure.kind.value, what=failure.what, why=failure.why, **({"repeats": repeats} if repeats else {}))

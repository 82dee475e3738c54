"""What the stages need, opened in the right order and closed in the reverse one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from threading import Event as StopEvent
from zoneinfo import ZoneInfo

import msgspec

from bqsync.capture.schema import table_names
from bqsync.capture.source import FileState, Source
from bqsync.config import Config, TableSection
from bqsync.deliver.clients import Destination, connect
from bqsync.deliver.history import merges_since, target_mark
from bqsync.deliver.retry import Policy
from bqsync.deliver.target import check_dataset
from bqsync.embedded.process import EmbeddedBigQuery
from bqsync.encode.descriptors import load_messages
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import ProtoField, TargetRef
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger
from bqsync.state.clock import now_us
from bqsync.state.job_history import distrust_tables, newest_known_job_us
from bqsync.state.lock import StateLock, make_folder
from bqsync.state.store import Store
from bqsync.state.tables import TableState

_log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """An open source, an open state and a reachable destination."""

    config: Config
    source: Source
    store: Store
    source_id: int
    destination: Destination
    messages: Mapping[str, tuple[ProtoField, ...]]
    zone: ZoneInfo
    stop: StopEvent = field(default_factory=StopEvent)
    now_us: Callable[[], int] = now_us
    """The wall clock, in Unix microseconds."""
    looks: dict[tuple[str, str], FileState] = field(default_factory=dict)
    """How the file was when the last sweep or pass ("sweep", "pass") of a table began, that ended well."""


@contextmanager
def open_session(config: Config, *, lock: bool = True, stop: StopEvent | None = None) -> Iterator[Session]:
    """
    Open everything that a cycle needs, what is local first.

    Args:
        config: checked configuration.
        lock: keep other bqsync processes out; a command that only reads the state does without.
        stop: ends waits and cycles early once it is set.

    Raises:
        BqsyncError: whatever keeps it from being opened.
    """
    stop = stop or StopEvent()
    with ExitStack() as stack:
        messages = wanted_messages(config)
        source = Source(config.source.db, busy_timeout_s=config.source.busy_timeout_s)
        source.read(table_names)  # what is wrong with the file as a whole is said once, and not by every table
        store = stack.enter_context(_open_store(config, lock=lock))
        destination = stack.enter_context(open_destination(config, stop))
        source_id = store.source_id(config.source.name) if lock else 0
        session = Session(
            config=config, source=source, store=store, source_id=source_id, destination=destination,
            messages=messages, zone=ZoneInfo(config.source.time_zone), stop=stop,
        )
        if lock:
            distrust_what_is_older(session)
        yield session


def distrust_what_is_older(session: Session) -> None:
    """
    See whether BigQuery has run MERGEs that the state knows nothing of: then the state file is an older copy.

    A state file is old as a whole: one unknown MERGE of its own makes all its tables reconcile. A MERGE of another
    state concerns its target alone.
    """
    known_us = newest_known_job_us(session.store, session.source_id)
    if known_us is None:
        return
    states = {table.name: TableState(session.store, session.source_id, table.name) for table in session.config.tables}
    intended = {intent.job_id for intent in (state.intent() for state in states.values()) if intent is not None}
    unknown = [merge for merge in merges_since(session.destination, known_us) if merge.job_id not in intended]
    if any(merge.instance == session.store.instance for merge in unknown):
        outdated = set(states)
    else:
        marks = {merge.target_mark for merge in unknown}
        outdated = {table.name for table in session.config.tables if target_mark(_target(session, table)) in marks}
    if not outdated:
        return
    distrust_tables(session.store, session.source_id, outdated, max(merge.created_us for merge in unknown))
    for name in sorted(outdated):
        _log.warning(Event.STATE_OUTDATED, table=name, why="BigQuery has run a MERGE that this state knows nothing of; "
                     "the table is reconciled")


def _target(session: Session, table: TableSection) -> TargetRef:
    return TargetRef(project=session.destination.project, dataset=session.destination.dataset, table=table.target)


def wanted_messages(config: Config) -> Mapping[str, tuple[ProtoField, ...]]:
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
    with ExitStack() as stack:
        section = config.bigquery
        if section.embedded:
            embedded = EmbeddedBigQuery(section.embedded_dir, section.project)
            stack.callback(embedded.stop)
            endpoints = embedded.start()
            section = msgspec.structs.replace(section, rest_endpoint=endpoints.rest, grpc_endpoint=endpoints.grpc)
            _log.info(Event.EMBEDDED_STARTED, rest_endpoint=endpoints.rest, grpc_endpoint=endpoints.grpc,
                      directory=str(section.embedded_dir))
        destination = connect(section, Policy(stop=stop, on_retry=_report_retry))
        stack.callback(destination.close)
        # A local BigQuery starts empty; in a real project a missing dataset is more likely a wrong name.
        check_dataset(destination, create=section.rest_endpoint is not None)
        yield destination


@contextmanager
def _open_store(config: Config, *, lock: bool) -> Iterator[Store]:
    path = config.state.file
    with ExitStack() as stack:
        if lock:
            make_folder(path)
            state_lock = StateLock(path)
            state_lock.acquire()
            stack.callback(state_lock.release)
        store = Store(path, read_only=not lock)
        stack.callback(store.close)
        if store.rebuilt_from is not None:
            _log.warning(Event.STATE_REBUILT, file=str(path), moved_to=str(store.rebuilt_from),
                         why=f"{store.rebuilt_because}; every table is reconciled with its target")
        yield store


def _report_retry(failure: BqsyncError, attempt: int, wait_s: float) -> None:
    _log.warning(Event.RETRY_SCHEDULED, attempt=attempt, wait_s=round(wait_s, 3), code=failure.rule.code,
                 kind=failure.kind.value, what=failure.what, why=failure.why)


def chosen_tables(config: Config, names: Sequence[str]) -> list[str]:
    """
    The configured tables of those names, all of them where no name is given.

    Raises:
        BqsyncError: CONFIG_INVALID for a name that is not configured.
    """
    if not names:
        return [table.name for table in config.tables]
    chosen = []
    for name in names:
        table = config.table(name)
        if table is None:
            raise BqsyncError(
                ErrorKind.CONFIG_INVALID, what=f"table {name!r} is not in {config.path}",
                why=f"its tables are {', '.join(table.name for table in config.tables)}",
                fix="correct the name, or add a [[tables]] entry",
            )
        chosen.append(table.name)
    return chosen

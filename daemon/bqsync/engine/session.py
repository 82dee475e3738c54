"""What the stages need, opened in the right order and closed in the reverse one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
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
from bqsync.deliver.target import TargetState, check_dataset
from bqsync.embedded.process import EmbeddedBigQuery
from bqsync.encode.descriptors import load_messages
from bqsync.encode.rows import RowEncoder
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import ProtoField, TableSpec, TargetRef
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger
from bqsync.observe.repeats import Repeats
from bqsync.state.clock import now_us
from bqsync.state.job_history import distrust_tables, newest_known_job_us
from bqsync.state.lock import StateLock, make_folder
from bqsync.state.store import Store
from bqsync.state.tables import TableState

_log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedTarget:
    """A target that can be written to, and the encoder of its rows."""

    wanted: TableSpec
    """The mapping that it was prepared for."""
    encoder: RowEncoder
    found: TargetState
    until_s: float
    """The monotonic instant from which on it is to be looked at again."""


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
    prepared: dict[str, PreparedTarget] = field(default_factory=dict)
    """Targets that the last cycle of a table has left in order."""
    said: set[tuple[str, str]] = field(default_factory=set)
    """Warnings of a table that were logged already: once is enough, however many cycles follow."""

    def note_look(self, table: str, kind: str, found: FileState) -> None:
        """
        Remember how the file was when a sweep or pass began.

        A state in which something could still be written without showing is not remembered: the next look reads again.
        """
        if found.is_settled:
            self.looks[table, kind] = found
        else:
            self.looks.pop((table, kind), None)


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
        see_dataset(session)
        if lock:
            distrust_what_is_older(session)
        yield session


@contextmanager
def open_rooms(
    config: Config, messages: Mapping[str, tuple[ProtoField, ...]], *, held: StateLock | None, stop: StopEvent
) -> Iterator[Session]:
    """
    Open what is on this machine. The database may be missing still, and BigQuery is not called.

    Args:
        config: checked configuration.
        messages: that its tables name.
        held: the lock on the state; None opens it to be read alone.
        stop: ends waits and cycles early once it is set.

    Raises:
        BqsyncError: of the state or the credentials; EMBEDDED_FAILED.
    """
    with ExitStack() as stack:
        store = stack.enter_context(_open_store(config, read_only=held is None))
        destination = stack.enter_context(connected(config, stop))
        yield Session(
            config=config, source=Source(config.source.db, busy_timeout_s=config.source.busy_timeout_s), store=store,
            source_id=0 if held is None else store.source_id(config.source.name), destination=destination,
            messages=messages, zone=ZoneInfo(config.source.time_zone), stop=stop,
        )


def see_dataset(session: Session) -> None:
    """
    The first call to BigQuery: it answers, and the dataset is there.

    Raises:
        BqsyncError: BIGQUERY_UNREACHABLE and its like; BIGQUERY_DATASET_MISSING.
    """
    _see_dataset(session.config, session.destination)


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
    with connected(config, stop) as destination:
        _see_dataset(config, destination)
        yield destination


@contextmanager
def connected(config: Config, stop: StopEvent) -> Iterator[Destination]:
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
        destination = connect(section, Policy(stop=stop, on_retry=_report_retry))
        stack.callback(destination.close)
        yield destination


def _see_dataset(config: Config, destination: Destination) -> None:
    # A local BigQuery starts empty; in a real project a missing dataset is more likely a wrong name.
    is_local = config.bigquery.embedded or config.bigquery.rest_endpoint is not None
    check_dataset(destination, create=is_local)


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
    path = config.state.file
    with closing(Store(path, read_only=read_only)) as store:
        if store.rebuilt_from is not None:
            _log.warning(Event.STATE_REBUILT, file=str(path), moved_to=str(store.rebuilt_from),
                         why=f"{store.rebuilt_because}; every table is reconciled with its target")
        yield store


_RETRY_LINES_S = 60.0
_retry_lines = Repeats(_RETRY_LINES_S)


def _report_retry(failure: BqsyncError, attempt: int, wait_s: float) -> None:
    """Each table and each call meets the same outage: of one kind, one line a minute."""
    repeats = _retry_lines.admit(failure.kind)
    log = _log.debug if repeats is None else _log.warning
    log(Event.RETRY_SCHEDULED, attempt=attempt, wait_s=round(wait_s, 3), code=failure.rule.code,
        kind=failure.kind.value, what=failure.what, why=failure.why, **({"repeats": repeats} if repeats else {}))


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

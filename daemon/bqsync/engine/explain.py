"""What is known of one row, gathered from source, state and BigQuery: what `bqsync explain` shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from threading import Event as StopEvent
from zoneinfo import ZoneInfo

from bqsync.capture.schema import read_table, table_names
from bqsync.capture.source import Source
from bqsync.config import Config, TableSection
from bqsync.encode.key_words import key_value
from bqsync.engine.chosen_tables import chosen_tables
from bqsync.engine.evidence import Evidence, Inquiry, Subject
from bqsync.engine.explanation import RowFacts, conclude
from bqsync.engine.opening import connected, wanted_messages
from bqsync.engine.plan import plan_table
from bqsync.engine.rehearsal import Rehearsing
from bqsync.engine.run import REFUSALS
from bqsync.engine.sentences import TEXTS, Sentence
from bqsync.engine.session import PlannedTable, Session
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import Affinity, SqlValue
from bqsync.state.copy import StateCopy
from bqsync.state.health import TableHealth, table_health, table_ids
from bqsync.state.known import KnownTable
from bqsync.state.store import Store
from bqsync.state.tables import TableState


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a row is, or is not, in BigQuery."""

    table: str
    key: tuple[str, ...]
    """As it was typed."""
    sentence: Sentence
    text: str
    facts: RowFacts | None = None
    """None where the table as a whole is what keeps the row away."""
    evidence: Evidence | None = None
    error: BqsyncError | None = None
    """What kept part of it from being looked at: its code is that of the command."""


class KeyCountError(Exception):
    """Another number of key values was typed than the table has key columns."""

    def __init__(self, table: str, columns: Sequence[str], given: int) -> None:
        super().__init__(f"the key of table {table} is ({', '.join(columns)}): it takes {len(columns)} "
                         f"value{'s' * (len(columns) > 1)}, and {given} were given")


def explain_row(config: Config, table: str, words: Sequence[str], stop: StopEvent) -> Explanation:
    """
    Look at one row, and say why it is where it is. Nothing is written, and a daemon may go on meanwhile.

    Args:
        config: checked configuration.
        table: its name.
        words: the values of the key columns as they were typed; see `encode.key_words`.
        stop: ends waits early once it is set.

    Raises:
        KeyCountError: too few or too many words.
        BqsyncError: neither source nor state can be read, or no table has that name.
    """
    source = Source(config.source.db, busy_timeout_s=config.source.busy_timeout_s)
    names = source.read(table_names)
    section = config.table(table)
    if section is None:
        if table.lower() not in map(str.lower, names):
            chosen_tables(config, [table])
        return _of_table(table, words, Sentence.NOT_CONFIGURED, None)
    with _opened(config, source, section, stop) as (session, state, health):
        try:
            planned = plan_table(session, section, state)
            key = _typed_key(source, section, planned, words)
            facts, evidence = Inquiry(Subject(
                session=session, section=section, planned=planned, state=state, health=health, key=key,
            )).run()
        except BqsyncError as failure:
            if failure.kind not in REFUSALS:
                raise
            return _of_table(section.name, words, Sentence.TABLE_REFUSED, failure)
    sentence, text = conclude(facts)
    return Explanation(table=section.name, key=tuple(words), sentence=sentence, text=text, facts=facts,
                       evidence=evidence, error=evidence.bigquery_error)


def _of_table(table: str, words: Sequence[str], sentence: Sentence, failure: BqsyncError | None) -> Explanation:
    places = {"table": table, "code": "", "what": "", "remedy": ""}
    if failure is not None:
        places |= {"code": failure.rule.code, "what": failure.what, "remedy": failure.fix}
    return Explanation(table=table, key=tuple(words), sentence=sentence, text=TEXTS[sentence].format_map(places))


def _typed_key(
    source: Source, section: TableSection, planned: PlannedTable, words: Sequence[str]
) -> tuple[SqlValue, ...]:
    names = planned.spec.key
    if len(words) != len(names):
        raise KeyCountError(section.name, names, len(words))
    declared = source.read(lambda connection: read_table(connection, section.name))
    columns = [declared.column(name) for name in names]
    return tuple(key_value(word, Affinity.BLOB if column is None else column.affinity)
                 for word, column in zip(words, columns, strict=True))


@contextmanager
def _opened(
    config: Config, source: Source, section: TableSection, stop: StopEvent
) -> Iterator[tuple[Session, TableState, TableHealth | None]]:
    with ExitStack() as stack:
        messages = wanted_messages(config)
        store = stack.enter_context(closing(_read_state(config)))
        destination = stack.enter_context(connected(config, stop))
        session = Session(
            config=config, source=source, store=store, source_id=0, destination=destination,
            effects=Rehearsing(destination), messages=messages, zone=ZoneInfo(config.source.time_zone), stop=stop,
        )
        health = next(iter(table_health(store, config.source.name, [section.name])), None)
        if health is None:
            # A mapping can be made all the same, by a state of its own that nobody keeps.
            blank = stack.enter_context(closing(StateCopy(None)))
            session = replace(session, store=blank, source_id=blank.source_id(config.source.name))
            state = TableState(blank, session.source_id, section.name)
        else:
            state = KnownTable(store, table_ids(store, config.source.name)[health.name])
        yield session, state, health


def _read_state(config: Config) -> Store:
    try:
        return Store(config.state.file, read_only=True)
    except BqsyncError as failure:
        if failure.kind is not ErrorKind.STATE_MISSING:
            raise
        return StateCopy(None)

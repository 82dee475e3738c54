"""What the stages of all cycles share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Event as StopEvent
from threading import Lock
from zoneinfo import ZoneInfo

from bqsync.capture.pages import TableReader
from bqsync.capture.source import FileState, Source
from bqsync.config import Config
from bqsync.deliver.clients import Destination
from bqsync.deliver.target import TargetState
from bqsync.encode.rows import RowEncoder
from bqsync.engine.effects import Effects
from bqsync.model import ProtoField, TableSpec
from bqsync.observe.repeats import Repeats
from bqsync.observe.tally import Tally
from bqsync.state.clock import now_us
from bqsync.state.store import Store

Messages = Mapping[str, tuple[ProtoField, ...]]
"""Fields of proto messages, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedTarget:
    """A target that can be written to, and the encoder of its rows."""

    wanted: TableSpec
    """The mapping that it was prepared for."""
    encoder: RowEncoder
    found: TargetState
    known_by: int
    """By so many of the first columns its rows are known, where no key tells them apart."""
    until_s: float
    """The monotonic instant from which on it is to be looked at again."""
    warnings: tuple[str, ...] = ()
    """What is not as it is configured, though it works."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTable:
    """A table that can be synced: its mapping, and who reads it."""

    spec: TableSpec
    warnings: tuple[str, ...]
    reader: TableReader
    schema_cookie: int | None
    """The schema of the source was at least as new as this; None: nobody knows."""
    until_s: float
    """The monotonic instant from which on it is to be planned again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """An open source, an open state and a reachable destination."""

    config: Config
    source: Source
    store: Store
    source_id: int
    destination: Destination
    effects: Effects
    """What is done there beside reading."""
    messages: Messages
    zone: ZoneInfo
    stop: StopEvent = field(default_factory=StopEvent)
    now_us: Callable[[], int] = now_us
    """The wall clock, in Unix microseconds."""
    tally: Tally = field(default_factory=Tally)
    """What is counted for the metrics; a daemon has one for its whole life."""
    identity_lock: Lock = field(default_factory=Lock)
    """Held from a look at which file it is until that is noted."""
    looks: dict[tuple[str, str], FileState] = field(default_factory=dict)
    """How the file was when the last sweep or pass ("sweep", "pass") of a table began, that ended well."""
    planned: dict[str, PlannedTable] = field(default_factory=dict)
    """What the last cycle of a table has gone by."""
    prepared: dict[str, PreparedTarget] = field(default_factory=dict)
    """Targets that the last cycle of a table has left in order."""
    decide_again_s: dict[str, float] = field(default_factory=dict)
    """The monotonic instant at which the open watermark columns of a table that is not swept may be looked at again."""
    noted_s: dict[str, float] = field(default_factory=dict)
    """The monotonic instant at which the state was last told how a cycle of a table had ended."""
    unnoted: Repeats = field(default_factory=Repeats)
    """Lines about ends of cycles that the state could not be told."""
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

"""
Everything that the daemon shows of itself, at one moment: what the control socket and `/status.json` give.

docs/json.md lists the fields. `VERSION` moves when a field changes its meaning or goes; readers ignore what they don't
know.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from bqsync.observe.render import escape_json
from bqsync.observe.report import StatusReport

VERSION = 1
MAX_BYTES = 64 << 20
"""Five thousand tables that were all behind for the whole hour take a tenth of it."""


class PastCycle(msgspec.Struct, frozen=True, kw_only=True):
    """A cycle of a table that has sent something, or failed."""

    ended_us: int
    duration_s: float
    swept: bool
    """It has compared the whole table; else it read what the watermark tells."""
    rows_upserted: int
    rows_deleted: int
    rows_quarantined: int
    bytes_billed: int
    lag_s: float | None
    """Seconds from the first change that it delivered until all could be queried; None where nobody knows."""
    code: str | None
    """Of the failure; None where it ended well."""
    times: int
    """So many cycles in a row have failed so."""


class PastFailure(msgspec.Struct, frozen=True, kw_only=True):
    """Something that has failed within the last hour, once or many times."""

    table: str | None
    """None where it concerns all tables."""
    first_us: int
    last_us: int
    times: int
    code: str
    kind: str
    what: str
    why: str
    fix: str


class TableHistory(msgspec.Struct, frozen=True, kw_only=True):
    """The last hour of one table."""

    lag_s: tuple[float, ...] = ()
    """The worst lag in each step, the oldest first, the last one still running; empty where there was none."""
    cycles: tuple[PastCycle, ...] = ()
    """The newest first."""


class History(msgspec.Struct, frozen=True, kw_only=True):
    """The last hour, as far as the daemon was there."""

    step_s: float
    tables: Mapping[str, TableHistory]
    """By name; a table is left out of which there is nothing to tell."""
    failures: tuple[PastFailure, ...]
    """The newest first."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The whole."""

    version: int
    taken_us: int
    report: StatusReport
    """As `bqsync status --json` prints it."""
    history: History
    read_us: int | None = None
    """When the state was last read, in Unix microseconds; None where it never could be."""

    def table(self, name: str) -> TableHistory:
        """The last hour of a table."""
        return self.history.tables.get(name) or TableHistory()


def encode(snapshot: Snapshot) -> bytes:
    """One JSON document, in a line. Nothing in it steers a terminal."""
    document = {
        "version": snapshot.version, "taken_us": snapshot.taken_us, "read_us": snapshot.read_us,
        "report": snapshot.report.as_document(), "history": snapshot.history,
    }
    return escape_json(msgspec.json.encode(document).decode()).encode() + b"\n"


def decode(document: bytes) -> Snapshot | None:
    """What `encode` has made; None for what is none, or is of a later version."""
    try:
        found = msgspec.json.decode(document, type=Snapshot)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return found if found.version == VERSION else None

"""The quarantine as operators see it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from bqsync.config import Config
from bqsync.encode.keys import BrokenKeyError, key_text
from bqsync.encode.rejection import EXPLANATIONS
from bqsync.model import Reason, SweepPolicy
from bqsync.state.health import table_ids
from bqsync.state.quarantine import Quarantine, QuarantineEntry
from bqsync.state.store import Store
from bqsync.state.tables import TableState

_RETRY = "bqsync quarantine --retry"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinedRow:
    """One row that could not be delivered."""

    table: str
    key: tuple[str, ...]
    """The values of its key columns in the source, as text."""
    column: str
    reason: Reason
    why: str
    fix: str
    since_us: int
    """Unix microseconds."""
    delivered: bool
    """An earlier version of it stands in BigQuery."""
    awaits_retry: bool
    """An operator wants it to be tried again, though nothing has changed."""

    def as_dict(self) -> dict[str, object]:
        """For `--json`."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineList:
    """The rows in quarantine of some tables."""

    rows: list[QuarantinedRow]
    """So many of each table at most, those that wait longest first."""
    counts: dict[str, dict[Reason, int]]
    """By table and reason: all of them, listed or not."""

    @property
    def total(self) -> int:
        """How many rows wait."""
        return sum(self.by_reason.values())

    @property
    def by_reason(self) -> dict[Reason, int]:
        """The same of all tables together."""
        return dict(sum(map(Counter, self.counts.values()), Counter[Reason]()))


def list_quarantine(config: Config, names: Sequence[str], limit: int, reason: Reason | None = None) -> QuarantineList:
    """
    The rows in quarantine of some tables.

    Args:
        config: checked configuration.
        names: of the tables.
        limit: so many rows of each table at most.
        reason: rows that wait for this reason alone.

    Raises:
        BqsyncError: the state can't be read.
    """
    found = QuarantineList(rows=[], counts={})
    store = Store(config.state.file, read_only=True)
    try:
        for name, table_id in table_ids(store, config.source.name).items():
            if name in names:
                entries = [entry for entry in Quarantine(store, table_id).entries().values()
                           if reason in (None, entry.reason)]
                found.counts[name] = dict(Counter(entry.reason for entry in entries))
                entries.sort(key=lambda entry: entry.since_us)
                found.rows.extend(_row(name, entry) for entry in entries[:limit])
    except BrokenKeyError as broken:
        raise store.condemn(str(broken)) from broken
    finally:
        store.close()
    return found


def retry(config: Config, names: Sequence[str], reason: Reason | None = None) -> int:
    """
    Have the rows in quarantine of some tables tried again, those of one reason or all.

    A transaction for each table, safe beside a running sync; a daemon notices at its next look. Until a row is tried it
    stays listed.

    Returns:
        How many rows there are.

    Raises:
        BqsyncError: STATE_MISSING, where there is no state: nothing is made.
    """
    Store(config.state.file, read_only=True).close()
    store = Store(config.state.file, rebuild=False)
    try:
        rows = 0
        source_id, ids = store.source_id(config.source.name), table_ids(store, config.source.name)
        for name in names:
            found = Quarantine(store, ids[name]).retry(reason) if name in ids else 0
            if found:
                # What is older than the overlap is read by a sweep alone.
                TableState(store, source_id, name).ask_sweep(_RETRY)
            rows += found
    finally:
        store.close()
    return rows


def never_swept(config: Config, names: Sequence[str]) -> list[str]:
    """Those of some tables whose older rows are read by nothing."""
    return [table.name for table in config.tables if table.name in names and table.sweep is SweepPolicy.OFF]


def shown_key(entry: QuarantineEntry) -> tuple[str, ...]:
    """The values of a row's key columns in the source, as text."""
    key = key_text(entry.source_key)
    # What tells rows with the same NULLs apart is no part of their key.
    return key[:-1] if entry.reason is Reason.NULL_KEY else key


def _row(table: str, entry: QuarantineEntry) -> QuarantinedRow:
    why, fix = EXPLANATIONS[entry.reason]
    return QuarantinedRow(table=table, key=shown_key(entry), column=entry.column, reason=entry.reason, why=why, fix=fix,
                          since_us=entry.since_us, delivered=entry.delivered, awaits_retry=entry.awaits_retry)

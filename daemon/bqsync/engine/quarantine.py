"""The quarantine as operators see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from bqsync.config import Config
from bqsync.encode.keys import key_text
from bqsync.encode.rejection import EXPLANATIONS
from bqsync.model import Reason
from bqsync.state.health import table_ids
from bqsync.state.quarantine import Quarantine, QuarantineEntry
from bqsync.state.store import Store


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

    def as_dict(self) -> dict[str, object]:
        """For `--json`."""
        return asdict(self)


def list_quarantine(config: Config, names: Sequence[str], limit: int) -> tuple[list[QuarantinedRow], int]:
    """
    The rows in quarantine of some tables, so many of each at most, and how many there are in all.

    Raises:
        BqsyncError: the state can't be read.
    """
    store = Store(config.state.file, read_only=True)
    try:
        rows: list[QuarantinedRow] = []
        total = 0
        for name, table_id in table_ids(store, config.source.name).items():
            if name in names:
                found = [_row(name, entry) for entry in Quarantine(store, table_id).entries().values()]
                total += len(found)
                rows += found[:limit]
    finally:
        store.close()
    return rows, total


def forget(config: Config, names: Sequence[str]) -> int:
    """Drop the verdicts on some tables: one transaction, safe beside a running sync. Returns how many there were."""
    store = Store(config.state.file, rebuild=False)
    try:
        ids = table_ids(store, config.source.name)
        return sum(Quarantine(store, ids[name]).forget() for name in names if name in ids)
    finally:
        store.close()


def _row(table: str, entry: QuarantineEntry) -> QuarantinedRow:
    key = key_text(entry.source_key)
    if entry.reason is Reason.NULL_KEY:
        key = key[:-1]  # what tells rows with the same NULLs apart is no part of their key
    why, fix = EXPLANATIONS[entry.reason]
    return QuarantinedRow(table=table, key=key, column=entry.column, reason=entry.reason, why=why, fix=fix,
                          since_us=entry.since_us, delivered=entry.delivered)

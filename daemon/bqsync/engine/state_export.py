"""
The state file as records that a program can read and `diff` can compare: what `bqsync state export` writes.

Keys are data. Unless they are asked for, a digest stands in the place of each: the same key of the same table and state
has the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from hashlib import blake2b

from bqsync.config import Config
from bqsync.encode.keys import BrokenKeyError, key_text
from bqsync.engine.quarantine import shown_key
from bqsync.engine.state_file import chosen_of, opened
from bqsync.state.health import table_ids
from bqsync.state.ledger_pages import PageRow, pages
from bqsync.state.quarantine import Quarantine, QuarantineEntry
from bqsync.state.store import Store
from bqsync.state.survey import survey

FORMAT = 1
"""Of the records: counts up if a field changes its meaning."""
_DIGEST_BYTES = 12

Record = dict[str, object]
_Shown = Callable[[bytes], object]


def export(config: Config, names: Sequence[str], *, with_keys: bool, with_rows: bool) -> Iterator[Record]:
    """
    The records, one at a time.

    No transaction lasts longer than a page: beside a running daemon each record is true of the moment in which it was
    read.

    Args:
        config: checked configuration.
        names: of tables; none means all that the state knows of the source.
        with_keys: the values of keys instead of their digests.
        with_rows: one record for each row of the ledgers and the quarantines, too.

    Raises:
        BqsyncError: STATE_MISSING and its like; CONFIG_INVALID for a name that the state does not know.
    """
    with opened(config.state.file, read_only=True) as store:
        found = survey(store)
        tables = chosen_of(found, config, names)
        yield {"record": "state", "format": FORMAT, "version": found.version, "instance": found.instance,
               "keys": "plain" if with_keys else "digest", "rows": with_rows}
        yield from ({"record": "source", **asdict(source)} for source in found.sources)
        yield from ({"record": "table", **asdict(table)} for table in tables)
        ids = table_ids(store, config.source.name) if with_rows else {}
        try:
            for table in tables:
                if table.name in ids:
                    shown = _plain if with_keys else _digests(store.instance, table.name)
                    yield from _rows(store, ids[table.name], table.name, shown)
        except BrokenKeyError as broken:
            raise store.condemn(str(broken)) from broken


def _rows(store: Store, table_id: int, table: str, shown: _Shown) -> Iterator[Record]:
    for page in pages(store, table_id):
        yield from (_ledger_record(table, row, shown) for row in page)
    # Bounded: a table with too many of them is stopped.
    for _, entry in sorted(Quarantine(store, table_id).entries().items()):
        yield _quarantine_record(table, entry, shown)


def _ledger_record(table: str, row: PageRow, shown: _Shown) -> Record:
    return {"record": "ledger", "table": table, "key": shown(row.key),
            "source_key": None if row.source_key is None else shown(row.source_key),
            "fingerprint": _hexadecimal(row.fingerprint), "source_print": _hexadecimal(row.source_print),
            "instant_us": row.instant_us}


def _quarantine_record(table: str, entry: QuarantineEntry, shown: _Shown) -> Record:
    key = shown_key(entry) if shown is _plain else shown(entry.source_key)
    return {"record": "quarantine", "table": table, "source_key": key, "column": entry.column,
            "reason": entry.reason, "fingerprint": _hexadecimal(entry.fingerprint), "since_us": entry.since_us,
            "delivered": entry.delivered, "awaits_retry": entry.awaits_retry}


def _plain(key: bytes) -> object:
    return key_text(key)


def _digests(instance: str, table: str) -> _Shown:
    begun = blake2b(digest_size=_DIGEST_BYTES, key=instance.encode())
    begun.update(table.encode("utf-8", "surrogatepass") + b"\0")

    def digest(key: bytes) -> object:
        one = begun.copy()
        one.update(key)
        return one.hexdigest()

    return digest


def _hexadecimal(number: int | None) -> str | None:
    """As text: many readers of JSON cut numbers of 64 bits."""
    return None if number is None else f"{number & 0xFFFF_FFFF_FFFF_FFFF:016x}"

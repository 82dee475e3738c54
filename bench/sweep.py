"""A sweep in which nothing has changed, against a bare fetch of the same rows."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from bench.measure import Figure, median_s
from bench.source import SECTION, TABLE
from bqsync.capture.compare import Marks, unknown_rows
from bqsync.capture.pages import Page, PageBounds, TableReader
from bqsync.capture.schema import read_table
from bqsync.capture.source import Source
from bqsync.config import load
from bqsync.encode.mapping import draft, finish
from bqsync.encode.rows import RowEncoder
from bqsync.model import Delivery, EncodedRow
from bqsync.state.ledger import ChunkCommit, Ledger
from bqsync.state.store import Store
from bqsync.state.tables import TableState

_BOUNDS = PageBounds(rows=5_000, size_bytes=8 * 1024 * 1024)


class UnchangedSweep:
    """The stages of a sweep that need no BigQuery: read, look up, compare; and the encoding of what is not known."""

    def __init__(self, database: Path) -> None:
        config_path = database.with_name("bench.toml")
        config_path.write_text(
            f'[source]\ndb = "{database.name}"\n[bigquery]\nproject = "bench"\ndataset = "bench"\n{SECTION}',
            encoding="utf-8",
        )
        section = load(config_path, environ={}).tables[0]
        source = Source(database)
        table = source.read(lambda connection: read_table(connection, TABLE))
        self._store = Store(database.with_name("state.db"))
        state = TableState(self._store, self._store.source_id("bench"), TABLE)
        self._ledger = Ledger(self._store, state.table_id)
        spec = finish(draft(table, section, None), {}, state.allot_fields)
        self._encoder = RowEncoder(spec)
        self._reader = TableReader(source, TABLE, [column.source_name for column in spec.columns], spec.key, _BOUNDS)

    def fill_ledger(self) -> None:
        """Note every row as delivered."""
        for page in self._reader.pages():
            rows = zip(self._encode(page), page.prints, strict=True)
            chunk = ChunkCommit(delivered={
                row.key: Delivery(row.key, row.fingerprint, row.source_key, source_print) for row, source_print in rows
            })
            self._ledger.commit(chunk, "bench")

    def run(self) -> None:
        """Sweep; every row has to be found unchanged."""
        seen = Marks(self._ledger.next_slot())
        for page in self._reader.pages():
            keys = self._encoder.target_keys(page.rows)
            known = self._ledger.lookup(keys)
            if unknown_rows(keys, page.prints, 0, known, seen):
                raise AssertionError("a row that nobody has touched counts as changed")

    def encode_all(self, pages: list[Page]) -> None:
        """Encode rows that are in memory already."""
        for page in pages:
            self._encode(page)

    def pages(self) -> list[Page]:
        """The whole table, in memory."""
        return list(self._reader.pages())

    def close(self) -> None:
        """Close the state."""
        self._store.close()

    def _encode(self, page: Page) -> list[EncodedRow]:
        return [row for row in map(self._encoder.encode, page.rows) if isinstance(row, EncodedRow)]


def figures(database: Path, rows: int, runs: int) -> list[Figure]:
    """Measure sweep and encoding."""
    sweep = UnchangedSweep(database)
    sweep.fill_ledger()
    floor_s = median_s(lambda: _bare_fetch(database), runs)
    sweep_s = median_s(sweep.run, runs)
    pages = sweep.pages()
    encode_s = median_s(lambda: sweep.encode_all(pages), runs)
    sweep.close()
    floor = f"bare `fetchmany`: {rows / floor_s:,.0f} rows/s"
    return [
        Figure(name="sweep, nothing changed (time)", value=f"{rows / sweep_s:,.0f} rows/s", floor=floor,
               ratio=sweep_s / floor_s),
        Figure(name="encoding alone (time)", value=f"{rows / encode_s:,.0f} rows/s", floor=floor,
               ratio=encode_s / floor_s),
    ]


def _bare_fetch(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        cursor = connection.execute("SELECT * FROM events")
        while cursor.fetchmany(5_000):
            pass

"""Rows become bytes: what a row costs that the ledger does not have."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from bench.measure import Figure, median_s
from bench.source import SECTION, TABLE, make
from bqsync.capture.pages import Row
from bqsync.capture.schema import read_table
from bqsync.capture.source import Source
from bqsync.config import load
from bqsync.encode.mapping import draft, finish
from bqsync.encode.rows import RowEncoder
from bqsync.model import EncodedRow

_ROWS = 100_000


def figures(folder: Path, runs: int) -> list[Figure]:
    """Measure encoding against the bare fetch of the same rows."""
    database = folder / "encoding.db"
    make(database, _ROWS)
    encoder = _encoder(database)
    rows = _fetch(database)
    floor_s = median_s(lambda: _fetch(database), runs)
    encode_s = median_s(lambda: _encode(encoder, rows), runs)
    return [Figure(name="encoding alone (time)", value=f"{_ROWS / encode_s:,.0f} rows/s",
                   floor=f"bare `fetchmany`: {_ROWS / floor_s:,.0f} rows/s", ratio=encode_s / floor_s)]


def _encoder(database: Path) -> RowEncoder:
    config_path = database.with_name("encoding.toml")
    config_path.write_text(f'[source]\ndb = "{database.name}"\n[bigquery]\nproject = "bench"\ndataset = "bench"\n'
                           f'{SECTION}', encoding="utf-8")
    section = load(config_path, environ={}).tables[0]
    table = Source(database).read(lambda connection: read_table(connection, TABLE))
    return RowEncoder(finish(draft(table, section, None), {}, lambda columns: list(range(16, 16 + len(columns)))))


def _encode(encoder: RowEncoder, rows: list[Row]) -> None:
    if not all(isinstance(encoder.encode(row), EncodedRow) for row in rows):
        raise AssertionError("a row of the bench can't be encoded")


def _fetch(database: Path) -> list[Row]:
    rows: list[Row] = []
    with closing(sqlite3.connect(database)) as connection:
        cursor = connection.execute("SELECT * FROM events")
        while page := cursor.fetchmany(5_000):
            rows += page
    return rows

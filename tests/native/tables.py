"""Tables for compiled code, and what both ways make of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from bqsync.capture.order import read_orders
from bqsync.capture.pages import PageBounds, TableReader
from bqsync.capture.source import Source
from bqsync.encode.rows import RowEncoder
from bqsync.model import (
    ColumnSpec,
    EncodedPage,
    EncodedRow,
    FramedRows,
    RejectedRow,
    SqlValue,
    TableSpec,
    TargetType,
    TimestampFormat,
)
from bqsync.native.library import library
from bqsync.native.reader import NativeReader

ZONE = ZoneInfo("Europe/Vienna")
BOUNDS = PageBounds(rows=5_000, size_bytes=1 << 23)
Rows = Sequence[Sequence[SqlValue]]


def column(name: str, target_type: TargetType, number: int, *, timestamp_format: TimestampFormat | None = None,
           required: bool = False, zero_for_null: bool = False) -> ColumnSpec:
    return ColumnSpec(source_name=name, target_name=name, target_type=target_type, field_number=number,
                      timestamp_format=timestamp_format, required=required, zero_for_null=zero_for_null)


def specification(columns: Sequence[ColumnSpec], key: Sequence[str] = ("id",)) -> TableSpec:
    return TableSpec(source_name="t", target_name="t", columns=tuple(columns), key=tuple(key))


class Table:
    """One table, and compiled code that reads it."""

    def __init__(self, folder: Path, schema: str, spec: TableSpec) -> None:
        self.path = folder / "app.db"
        self.spec = spec
        self._names = [one.source_name for one in spec.columns]
        self.fill_schema(schema)
        self.source = Source(self.path)
        orders = self.source.read(lambda connection: read_orders(connection, "t", spec.key))
        self.reader = TableReader(self.source, "t", self._names, spec.key, BOUNDS, order=orders.pages)
        assert library() is not None, "the compiled part is not there: `python -m package.native` makes it"
        self.native = NativeReader(spec, ZONE, orders.pages)
        self.encoder = RowEncoder(spec, ZONE)

    def fill_schema(self, schema: str) -> None:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as db:
            db.executescript(schema)

    def fill(self, rows: Iterable[Sequence[SqlValue]]) -> None:
        """Replace all rows. A text with surrogate escapes is written as the bytes that it stands for."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as db:
            db.execute("BEGIN")
            db.execute("DELETE FROM t")
            for row in rows:
                places = ", ".join("CAST(? AS TEXT)" if _is_broken(value) else "?" for value in row)
                values = [value.encode("utf-8", "surrogateescape") if _is_broken(value) else value  # type: ignore[union-attr]
                          for value in row]
                names = ", ".join(f'"{name}"' for name in self._names)
                db.execute(f"INSERT OR IGNORE INTO t ({names}) VALUES ({places})", values)
            db.execute("COMMIT")

    def by_compiled_code(self, *, after: tuple[SqlValue, ...] | None = None, most_rows: int = 5_000,
                         first_sequence: int | None = 0) -> EncodedPage | None:
        """None where no row is left; raises UnfitError."""
        scan = partial(self.native.scan, after=after, most_rows=most_rows, most_bytes=BOUNDS.size_bytes)
        scanned = self.source.lend(scan, self.native.close)
        return None if scanned is None else self.native.encode(first_sequence)

    def by_rows(self) -> list[EncodedRow | RejectedRow]:
        return [self.encoder.encode(row) for page in self.reader.pages() for row in page.rows]

    def staged(self, rows: Sequence[EncodedRow], first: int) -> list[bytes]:
        return self.encoder.stage_upserts(rows, first)


def unframed(rows: FramedRows) -> list[bytes]:
    """The rows of a request, taken apart by Google's own message."""
    from google.cloud.bigquery_storage_v1.types import ProtoRows

    return list(ProtoRows.pb(ProtoRows.deserialize(rows.body)).serialized_rows)


def _is_broken(value: SqlValue) -> bool:
    if not isinstance(value, str):
        return False
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False

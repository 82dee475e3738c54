"""The watermarks of a table: what each of its watermark columns is, and up to where it has been dealt with."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from bqsync.failpoints import reached
from bqsync.model import SqlValue, TimestampFormat, Watermark
from bqsync.state.store import Store, driver_cursor

COUNTED = "autoincrement"
"""In place of a timestamp format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatermarkColumn:
    """What was decided about a column, once, from all its values."""

    column: str
    timestamp_format: TimestampFormat | None
    """None where it can't be a watermark, or is a number that SQLite counts up."""
    is_counted: bool = False
    """Its numbers are given by SQLite, in the order of the commits, and none twice: AUTOINCREMENT."""
    form: str | None
    """The one form of its texts, where it holds texts."""
    unfit: str | None
    """Why it can't be a watermark; None where it can."""
    reached: Watermark | None
    """None before anything was dealt with."""


class Watermarks:
    """The watermark columns of one table."""

    def __init__(self, store: Store, table_id: int) -> None:
        self._store = store
        self._table_id = table_id

    def columns(self) -> dict[str, WatermarkColumn]:
        """Every column that was decided about."""
        with self._store.transaction() as connection:
            rows = driver_cursor(connection).execute(
                'SELECT "column", timestamp_format, form, unfit, source_value, instant_us FROM watermarks'
                " WHERE table_id = ?", (self._table_id,),
            ).fetchall()
        return {name: WatermarkColumn(
            column=name, timestamp_format=TimestampFormat(fmt) if fmt not in (None, COUNTED) else None,
            is_counted=fmt == COUNTED, form=form, unfit=unfit,
            reached=None if instant_us is None else Watermark(column=name, source_value=value, instant_us=instant_us),
        ) for name, fmt, form, unfit, value, instant_us in rows}

    def decide(self, column: WatermarkColumn) -> None:
        """Fix what a column is, and where it begins."""
        value: SqlValue = None if column.reached is None else column.reached.source_value
        with self._store.transaction() as connection:
            driver_cursor(connection).execute(
                'INSERT OR REPLACE INTO watermarks (table_id, "column", timestamp_format, form, unfit, source_value,'
                " instant_us) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (self._table_id, column.column, COUNTED if column.is_counted else column.timestamp_format,
                 column.form, column.unfit, value,
                 None if column.reached is None else column.reached.instant_us),
            )
        reached("watermark.noted")

    def set_back(self, watermark: Watermark) -> None:
        """Move one watermark without anything else, backwards: more is read again, nothing is missed."""
        with self._store.transaction() as connection:
            move(driver_cursor(connection), self._table_id, [watermark])

    def forget(self, column: str | None = None) -> None:
        """Decide anew, about one column or about all."""
        with self._store.transaction() as connection:
            connection.exec_driver_sql(
                'DELETE FROM watermarks WHERE table_id = ? AND ("column" = ? OR ? IS NULL)',
                (self._table_id, column, column))


def move(cursor: sqlite3.Cursor, table_id: int, watermarks: Iterable[Watermark]) -> None:
    """Within a transaction: move watermarks."""
    cursor.executemany(
        'UPDATE watermarks SET source_value = ?, instant_us = ? WHERE table_id = ? AND "column" = ?',
        [(mark.source_value, mark.instant_us, table_id, mark.column) for mark in watermarks],
    )

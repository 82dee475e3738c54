"""
A page as columns: SQLite's rows into Arrow, by the ADBC driver, which carries an SQLite of its own.

The driver takes the type of a column from the values that it meets: integers, else doubles, else texts, else blobs,
each with those before it, converted. So integers are surely integers; behind doubles and texts something else may hide.
What must not hide behind a text is asked of SQLite, in a column of its own.

Source: https://arrow.apache.org/adbc/current/driver/sqlite.html#type-inference
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import adbc_driver_manager
import adbc_driver_sqlite
import pyarrow as pa
import pyarrow.compute as pc

from bqsync.capture.page_sql import Query, cell, page_query
from bqsync.columnar.messages import Assignment, PageWanted, UnfitError
from bqsync.columnar.wires import is_text
from bqsync.model import ColumnSpec, SqlValue, TargetType

_BATCH_ROWS = "adbc.sqlite.query.batch_rows"
_SETTINGS = ("PRAGMA busy_timeout = 0", "PRAGMA query_only = ON", "PRAGMA cell_size_check = ON", "PRAGMA mmap_size = 0")
"""As `capture.connections` has them."""
_DRIVER = adbc_driver_sqlite._driver_path()  # noqa: SLF001 - the way that its own `connect` goes


class Columns(NamedTuple):
    """What was read of a page."""

    columns: list[Any]
    """Arrays of Arrow, one for each column of the mapping."""
    place: tuple[SqlValue, ...]
    """Of the last row, by its values of the order."""


class Scan:
    """
    Reads pages of one table.

    Args:
        assignment: the table.
    """

    def __init__(self, assignment: Assignment) -> None:
        spec = assignment.spec
        self._table, self._key, self._order = spec.source_name, spec.key, assignment.order
        names = [column.source_name for column in spec.columns]
        self._width = len(names)
        places = [term.name for term in assignment.order]
        self._columns = (*names, *(name for name in places if name not in names))
        self._places = tuple(self._columns.index(name) for name in places)
        self._place_names = tuple(places)
        doubts = [doubt for column in spec.columns if (doubt := _doubt(column))]
        self._extra = (" OR ".join(doubts),) if doubts else ()

    def read(self, wanted: PageWanted) -> Columns | None:
        """
        Read a page in one transaction.

        Returns:
            None where no row is left.

        Raises:
            UnfitError: texts and blobs of it are not what they seem to be, or the order leads nowhere.
            adbc_driver_manager.Error, pyarrow.ArrowException, OSError: it can't be read.
        """
        with ExitStack() as stack:
            database = stack.enter_context(adbc_driver_manager.AdbcDatabase(driver=_DRIVER, uri=wanted.uri))
            connection = stack.enter_context(adbc_driver_manager.AdbcConnection(database))
            for setting in _SETTINGS:
                _run(connection, Query(setting), 1)
            _run(connection, Query("BEGIN"), 1)
            try:
                return self._read(connection, wanted)
            finally:
                _run(connection, Query("ROLLBACK"), 1)

    def _read(self, connection: Any, wanted: PageWanted) -> Columns | None:  # noqa: ANN401 - the driver has no types
        # One row more, in one batch, so that all rows have a part in what is taken for the types.
        rows = wanted.limit_rows + 1
        query = page_query(self._table, self._columns, self._key, wanted.after, rows, order=self._order,
                           extra=self._extra)
        found = _run(connection, query, rows)
        if not found.num_rows:
            return None
        columns = [_single(column) for column in found.columns]
        if self._extra and pc.any(pc.cast(columns.pop(), pa.bool_())).as_py():
            raise UnfitError("a text or a blob is expected, and another value stands there")
        count = min(found.num_rows, wanted.limit_rows)
        place = self._place(columns, count - 1)
        if found.num_rows > count:
            behind = page_query(self._table, self._place_names, self._key, place, 1, order=self._order)
            again = _run(connection, behind, 1)
            if not again.num_rows or again.to_pylist() != [dict(zip(again.column_names, self._place(columns, count),
                                                                    strict=True))]:
                raise UnfitError("a page ends at a row that is not found again")
        return Columns([column.slice(0, count) for column in columns[: self._width]], place)

    def _place(self, columns: Sequence[Any], at: int) -> tuple[SqlValue, ...]:
        return tuple(columns[position][at].as_py() for position in self._places)


def _doubt(column: ColumnSpec) -> str | None:
    """
    Whether a value would be read as the text, or as the blob, that it is not. Behind a number, only numbers can hide.

    By the order of SQLite's classes: numbers, texts, blobs. The plus takes the column's affinity away.
    Source: https://www.sqlite.org/datatype3.html#sort_order
    """
    value = f"+{cell(column.source_name)}"
    if column.target_type is TargetType.BYTES:
        return f"{value} < x''"
    return f"{value} NOT BETWEEN '' AND x''" if is_text(column) else None


def _run(connection: Any, query: Query, rows: int) -> pa.Table:  # noqa: ANN401 - the driver has no types
    with adbc_driver_manager.AdbcStatement(connection) as statement:
        statement.set_options(**{_BATCH_ROWS: str(rows)})
        statement.set_sql_query(query.sql)
        if query.parameters:
            names = [str(number) for number in range(len(query.parameters))]
            bound = pa.record_batch([pa.array([value]) for value in query.parameters], names=names)
            statement.bind(bound)
        handle, _ = statement.execute_query()
        return pa.RecordBatchReader._import_from_c(handle.address).read_all()  # noqa: SLF001 - as its own cursor does


def _single(column: Any) -> Any:  # noqa: ANN401 - pyarrow's own types are unknown to the checker
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()

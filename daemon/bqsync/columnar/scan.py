"""
A page as columns: SQLite's rows into Arrow, by the ADBC driver, which carries an SQLite of its own.

The driver takes the type of a column from the values that it meets: integers, else doubles, else texts, else blobs,
each with those before it, converted. So integers are surely integers; behind doubles and texts something else may hide.
What must not hide behind a text is asked of SQLite, in a column of its own; of texts only where one looks like a
number, for the asking takes a tenth of the time.

Source: https://arrow.apache.org/adbc/current/driver/sqlite.html#type-inference
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import adbc_driver_manager
import adbc_driver_sqlite
import numpy as np
import pyarrow as pa

from bqsync.capture.page_sql import Query, cell, page_query
from bqsync.columnar import kernels as pc
from bqsync.columnar.messages import Assignment, PageWanted, UnfitError
from bqsync.columnar.wires import is_text
from bqsync.model import ColumnSpec, SqlValue, TargetType

_BATCH_ROWS = "adbc.sqlite.query.batch_rows"
_SETTINGS = ("PRAGMA busy_timeout = 0", "PRAGMA query_only = ON", "PRAGMA cell_size_check = ON", "PRAGMA mmap_size = 0")
"""As `capture.connections` has them."""
_DRIVER = adbc_driver_sqlite._driver_path()  # noqa: SLF001 - the way that its own `connect` goes


_HEADS = np.zeros(256, np.bool_)
_HEADS[list(b"0123456789-iI")] = True
"""How numbers begin that were made texts, infinities included."""


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
        # Where only the asking tells. What looks like a number in a column of texts makes it one of them.
        self._asked = {at: _is_no_blob(column) for at, column in enumerate(spec.columns)
                       if column.target_type is TargetType.BYTES}
        self._texts = {at: _is_no_text(column) for at, column in enumerate(spec.columns) if is_text(column)}

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

    def _read(self, connection: Any, wanted: PageWanted) -> Columns | None:
        columns = self._columns_of(connection, wanted)
        if self._ask_for_more(columns):
            columns = self._columns_of(connection, wanted)
        if not columns:
            return None
        count = min(len(columns[0]), wanted.limit_rows)
        place = self._place(columns, count - 1)
        if len(columns[0]) > count:
            behind = page_query(self._table, self._place_names, self._key, place, 1, order=self._order)
            again = _run(connection, behind, 1)
            if not again.num_rows or again.to_pylist() != [dict(zip(again.column_names, self._place(columns, count),
                                                                    strict=True))]:
                raise UnfitError("a page ends at a row that is not found again")
        return Columns([column.slice(0, count) for column in columns[: self._width]], place)

    def _columns_of(self, connection: Any, wanted: PageWanted) -> list[Any]:
        """Nothing where no row is left."""
        # One row more, in one batch, so that all rows have a part in what is taken for the types.
        rows = wanted.limit_rows + 1
        extra = (" OR ".join(self._asked.values()),) if self._asked else ()
        found = _run(connection, page_query(self._table, self._columns, self._key, wanted.after, rows,
                                            order=self._order, extra=extra), rows)
        if not found.num_rows:
            return []
        columns = [_single(column) for column in found.columns]
        if extra and pc.any(pc.cast(columns.pop(), pa.bool_())).as_py():
            raise UnfitError("a text or a blob is expected, and another value stands there")
        return columns

    def _ask_for_more(self, columns: Sequence[Any]) -> bool:
        """Whether SQLite is to be asked about more columns than it was."""
        found = {at: asking for at, asking in self._texts.items()
                 if columns and at not in self._asked and _may_hide_numbers(columns[at])}
        self._asked |= found
        return bool(found)

    def _place(self, columns: Sequence[Any], at: int) -> tuple[SqlValue, ...]:
        return tuple(columns[position][at].as_py() for position in self._places)


def _is_no_blob(column: ColumnSpec) -> str:
    """
    Whether a value would be read as the blob that it is not.

    By the order of SQLite's classes: numbers, texts, blobs. The plus takes the column's affinity away.
    Source: https://www.sqlite.org/datatype3.html#sort_order
    """
    return f"+{cell(column.source_name)} < x''"


def _is_no_text(column: ColumnSpec) -> str:
    """Whether a value would be read as the text that it is not, by the same order."""
    return f"+{cell(column.source_name)} NOT BETWEEN '' AND x''"


def _may_hide_numbers(values: Any) -> bool:
    """Whether one of the texts of a page begins as a number does that was made a text."""
    if not pa.types.is_string(values.type):
        return False
    bounds = np.frombuffer(values.buffers()[1], np.int32, len(values) + 1, 4 * values.offset)
    begins = bounds[:-1][np.diff(bounds) > 0]
    return begins.size > 0 and bool(_HEADS[np.frombuffer(values.buffers()[2], np.uint8)[begins]].any())


def _run(connection: Any, query: Query, rows: int) -> pa.Table:
    with adbc_driver_manager.AdbcStatement(connection) as statement:
        statement.set_options(**{_BATCH_ROWS: str(rows)})
        statement.set_sql_query(query.sql)
        if query.parameters:
            names = [str(number) for number in range(len(query.parameters))]
            bound = pa.record_batch([pa.array([value]) for value in query.parameters], names=names)
            statement.bind(bound)
        handle, _ = statement.execute_query()
        return pa.RecordBatchReader._import_from_c(handle.address).read_all()  # noqa: SLF001 - as its own cursor does


def _single(column: Any) -> Any:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()

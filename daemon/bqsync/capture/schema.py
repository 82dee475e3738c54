"""What SQLite declares of a table: columns, affinities, keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from bqsync.capture.page_sql import quote
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import Affinity, SourceColumn, SourceTable, folded

_HIDDEN_IN_VIRTUAL_TABLE = 1
_GENERATED = (2, 3)
"""Values of `hidden` in table_xinfo. Source: https://www.sqlite.org/pragma.html#pragma_table_xinfo"""


def table_names(connection: Connection) -> list[str]:
    """The ordinary tables of the database, in the order of their creation."""
    rows = connection.exec_driver_sql(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    )
    return [row[0] for row in rows]


def virtual_tables(connection: Connection) -> set[str]:
    """Tables whose rows are kept by a module, and the tables that such a module keeps them in."""
    rows = connection.exec_driver_sql("PRAGMA table_list").fetchall()
    return {row.name for row in rows if row.schema == "main" and row.type in ("virtual", "shadow")}


def trigger_texts(connection: Connection, table: str) -> list[str]:
    """The triggers of a table, as they were created."""
    rows = connection.exec_driver_sql(
        "SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND lower(tbl_name) = lower(?)", (table,))
    return [str(row[0]) for row in rows]


def read_table(connection: Connection, name: str) -> SourceTable:
    """
    The declaration of one table.

    Raises:
        BqsyncError: SOURCE_TABLE_INVALID, where there is no such table, or it is a virtual one.
    """
    found = connection.exec_driver_sql(
        "SELECT name, type, rootpage FROM sqlite_schema WHERE lower(name) = lower(?) AND type IN ('table', 'view')",
        (name,),
    ).fetchone()
    if found is None or found[1] != "table":
        raise _no_such_table(connection, name, is_view=found is not None)
    if not found[2]:  # https://www.sqlite.org/schematab.html: only virtual tables have no pages of their own
        raise BqsyncError(ErrorKind.SOURCE_TABLE_INVALID, what=f"{name} is a virtual table",
                          why="a module of SQLite makes its rows up, and nothing says what identifies one for good",
                          fix="name the table that it is made of, or copy its rows to a table with a key")
    columns = connection.exec_driver_sql(f"PRAGMA table_xinfo({quote(found[0])})").fetchall()
    # A name that is no UTF-8 stops here, before it is noted anywhere: see `faults.name_error`.
    "".join(row.name for row in columns).encode("utf-8")
    return SourceTable(
        name=found[0],
        columns=tuple(_column(row) for row in columns if row.hidden != _HIDDEN_IN_VIRTUAL_TABLE),
        primary_key=tuple(row.name for row in sorted(columns, key=_key_ordinal) if row.pk),
        unique_keys=_unique_keys(connection, found[0], {row.name for row in columns if row.notnull}),
    )


def index_starting_with(connection: Connection, table: str, column: str) -> bool:
    """Whether an index over all rows has that column first."""
    indexes = connection.exec_driver_sql(f"PRAGMA index_list({quote(table)})").fetchall()
    first = [_index_columns(connection, row.name)[:1] for row in indexes if not row.partial]
    return any(names and folded(names[0]) == folded(column) for names in first)


def affinity(declared_type: str) -> Affinity:
    """SQLite's own rules, in their order. Source: https://www.sqlite.org/datatype3.html#determination_of_column_affinity"""
    declared = folded(declared_type)
    if "int" in declared:
        return Affinity.INTEGER
    if any(word in declared for word in ("char", "clob", "text")):
        return Affinity.TEXT
    if not declared or "blob" in declared:
        return Affinity.BLOB
    if any(word in declared for word in ("real", "floa", "doub")):
        return Affinity.REAL
    return Affinity.NUMERIC


def _column(row: Any) -> SourceColumn:  # noqa: ANN401 - a row of a PRAGMA
    return SourceColumn(name=row.name, declared_type=row.type or "", affinity=affinity(row.type or ""),
                        not_null=bool(row.notnull), generated=row.hidden in _GENERATED)


def _key_ordinal(row: Any) -> int:  # noqa: ANN401 - a row of a PRAGMA
    return int(row.pk)


def _unique_keys(connection: Connection, table: str, not_null: set[str]) -> tuple[tuple[str, ...], ...]:
    """UNIQUE constraints and whole unique indexes over NOT NULL columns; expressions and partial ones are no keys."""
    indexes = connection.exec_driver_sql(f"PRAGMA index_list({quote(table)})").fetchall()
    keys = [_index_columns(connection, row.name) for row in indexes if row.unique and not row.partial]
    return tuple(sorted((key for key in keys if key and not_null.issuperset(key)), key=lambda key: (len(key), key)))


def _index_columns(connection: Connection, index: str) -> tuple[str, ...]:
    rows: Sequence[Any] = connection.exec_driver_sql(f"PRAGMA index_info({quote(index)})").fetchall()
    names = tuple(row.name for row in rows)
    return () if None in names else names


def _no_such_table(connection: Connection, name: str, *, is_view: bool) -> BqsyncError:
    if is_view:
        return BqsyncError(ErrorKind.SOURCE_TABLE_INVALID, what=f"{name} is a view",
                           why="a view has no rows of its own to compare", fix="name the tables that it reads instead")
    known = ", ".join(sorted(table_names(connection))) or "none"
    return BqsyncError(ErrorKind.SOURCE_TABLE_INVALID, what=f"the database has no table {name!r}",
                       why=f"its tables are: {known}",
                       fix=f"correct the [[tables]] entry {name!r}, or create the table")

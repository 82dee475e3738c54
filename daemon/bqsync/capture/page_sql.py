"""
The text of every SELECT that reads rows of the user's database. Pure: no connection, no clock.

Every column is named behind the alias of its table. SQLite takes a quoted name that is no column for a string: a column
that has just been dropped or renamed would be read as its own name.
Source: https://www.sqlite.org/quirks.html#double_quoted_string_literals_are_accepted
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bqsync.model import SqlValue

ALIAS = "s"


@dataclass(frozen=True, slots=True)
class Query:
    """SQL text and its bound values."""

    sql: str
    parameters: tuple[SqlValue, ...] = ()


def quote(identifier: str) -> str:
    """An identifier of SQLite, whatever characters it holds."""
    return '"' + identifier.replace('"', '""') + '"'


def cell(column: str) -> str:
    """A column of the table in hand."""
    return f"{ALIAS}.{quote(column)}"


def rows_of(table: str) -> str:
    """The table in hand, as FROM names it."""
    return f"{quote(table)} AS {ALIAS}"


@dataclass(frozen=True, slots=True)
class OrderTerm:
    """One column, or the rowid, that rows are read in the order of."""

    name: str
    collation: str | None = None
    """None: that of the column."""
    is_rowid: bool = False
    """The place of the row in the table itself, found without any index."""

    @property
    def sql(self) -> str:
        """The term in ORDER BY and in comparisons."""
        return cell(self.name) if self.collation is None else f"{cell(self.name)} COLLATE {quote(self.collation)}"


def page_query(
    table: str, columns: Sequence[str], key: Sequence[str], after: Sequence[SqlValue] | None, limit_rows: int,
    *, order: Sequence[OrderTerm] = (), extra: Sequence[str] = (),
) -> Query:
    """
    The rows that follow another one, in a unique order.

    Rows with a NULL in the key are left out: no comparison finds their place, see `null_key_query`.

    Args:
        table: the table.
        columns: what is read of each row.
        key: the key columns; none where rows are known by their contents.
        after: the last row of the page before, by its values of the order; None for the first page.
        limit_rows: how many rows at most.
        order: unique for the table's rows; empty where the key is.
        extra: expressions that are read behind the columns.
    """
    conditions = [f"{cell(name)} IS NOT NULL" for name in key]
    terms = ", ".join(term.sql for term in order) or _list(key)
    parameters: list[SqlValue] = []
    if after is not None:
        places, parameters = _bind(after)
        conditions.append(f"({terms}) > ({places})")
    # An index that disagrees with its table, as damage leaves it, must neither hide a row nor change one.
    rows = rows_of(table) + (" NOT INDEXED" if order and order[0].is_rowid else "")
    what = ", ".join((*map(cell, columns), *extra))
    sql = f"SELECT {what} FROM {rows} WHERE {' AND '.join(conditions) or '1'} ORDER BY {terms} LIMIT ?"
    return Query(sql, (*parameters, limit_rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The rows of a table from a value of one column onward."""

    column: str
    is_text: bool
    """Its values are texts; else they are numbers. Values of another class are no part of the range."""
    least: SqlValue
    """None: from the beginning."""
    is_indexed: bool
    """SQLite finds the range by an index, and reads it in its order; else the table is read, and the range picked."""

    @property
    def condition(self) -> str:
        """What tells the values that count."""
        classes = "'text'" if self.is_text else "'integer', 'real'"
        return f"typeof({cell(self.column)}) IN ({classes})"

    def __contains__(self, value: SqlValue) -> bool:
        """Whether a value lies in the range."""
        if self.is_text:
            return isinstance(value, str) and (not isinstance(self.least, str) or value >= self.least)
        if not isinstance(value, int | float):
            return False
        return not isinstance(self.least, int | float) or value >= self.least


def range_query(
    table: str, columns: Sequence[str], key: Sequence[str], part: Range, *, after: Sequence[SqlValue] | None,
    limit_rows: int, order: Sequence[OrderTerm],
) -> Query:
    """
    The next rows of an indexed range; those with a NULL in the key are left out.

    Args:
        table: the table.
        columns: what is read of each row.
        key: the key columns.
        part: the range.
        after: the last row of the page before, by its values of the order; None for the first page.
        limit_rows: how many rows at most.
        order: unique for the table's rows; the column of the range comes first.
    """
    conditions = [part.condition, *(f"{cell(name)} IS NOT NULL" for name in key)]
    select = f"SELECT {_list(columns)} FROM {rows_of(table)} WHERE {' AND '.join(conditions)}"
    terms = [term.sql for term in order]
    parameters: list[SqlValue] = []
    if part.least is not None:
        select += f" AND {cell(part.column)} >= ?"
        parameters.append(part.least)
    if after is None:
        return Query(f"{select} ORDER BY {', '.join(terms)} LIMIT ?", (*parameters, limit_rows))
    return _next_of_index(select, parameters, terms, after, limit_rows)


def _next_of_index(
    select: str, parameters: Sequence[SqlValue], terms: Sequence[str], after: Sequence[SqlValue], limit_rows: int
) -> Query:
    """
    The rest of the rows that share the last value, then those of greater values, each found by the index.

    A comparison of rows, (value, rowid) > (?, ?), says the same, but SQLite takes only its first half to the index: of
    a million rows of one value, every page would then pass over all that were read before.
    """
    first, rest = terms[0], ", ".join(terms[1:])
    place, value = _bind_one(after[0])
    places, others = _bind(after[1:])
    sql = (
        f"SELECT * FROM ({select} AND {first} = {place} AND ({rest}) > ({places}) ORDER BY {rest} LIMIT ?) UNION ALL"
        f" SELECT * FROM ({select} AND {first} > {place} ORDER BY {first}, {rest} LIMIT ?) LIMIT ?"
    )
    return Query(sql, (*parameters, value, *others, limit_rows, *parameters, value, limit_rows, limit_rows))


def newest_query(table: str, part: Range, greatest: SqlValue, look: str | None) -> Query:
    """
    The greatest value of a column that counts as a watermark.

    Args:
        table: the table.
        part: names the column and the class of its values.
        greatest: no greater ones count.
        look: a GLOB pattern that texts have to match.
    """
    name = cell(part.column)
    glob = "" if look is None else f" AND {name} GLOB '{look}'"
    condition = f"{part.condition} AND {name} <= ?{glob}"
    return Query(f"SELECT {name} FROM {rows_of(table)} WHERE {condition} ORDER BY {name} DESC LIMIT 1", (greatest,))


def null_key_query(
    table: str, columns: Sequence[str], key: Sequence[str], after: Sequence[SqlValue] | None, limit_rows: int,
    *, order: Sequence[OrderTerm],
) -> Query:
    """The next rows that no key finds: a NULL stands in theirs. The order is one that needs no key."""
    condition = " OR ".join(f"{cell(name)} IS NULL" for name in key)
    select = f"SELECT {_list(columns)} FROM {rows_of(table)} WHERE ({condition})"
    terms = ", ".join(term.sql for term in order)
    parameters: list[SqlValue] = []
    if after is not None:
        places, parameters = _bind(after)
        select += f" AND ({terms}) > ({places})"
    return Query(f"{select} ORDER BY {terms} LIMIT ?", (*parameters, limit_rows))


def plan_query(query: Query) -> Query:
    """How SQLite would run a query."""
    return Query(f"EXPLAIN QUERY PLAN {query.sql}", query.parameters)


def lookup_query(table: str, columns: Sequence[str], key: Sequence[str], values: Sequence[SqlValue]) -> Query:
    """The row of one key, if it is there."""
    terms: list[str] = []
    parameters: list[SqlValue] = []
    for name, value in zip(key, values, strict=True):
        place, bound = _bind_one(value)
        terms.append(f"{cell(name)} = {place}")
        parameters.append(bound)
    return Query(f"SELECT {_list(columns)} FROM {rows_of(table)} WHERE {' AND '.join(terms)}", tuple(parameters))


def _list(names: Sequence[str]) -> str:
    return ", ".join(map(cell, names))


def _bind(values: Sequence[SqlValue]) -> tuple[str, list[SqlValue]]:
    pairs = [_bind_one(value) for value in values]
    return ", ".join(place for place, _ in pairs), [bound for _, bound in pairs]


def _bind_one(value: SqlValue) -> tuple[str, SqlValue]:
    """A text that is no UTF-8 can't be bound as text: its bytes are, and SQLite takes them for the text they were."""
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            return "CAST(? AS TEXT)", value.encode("utf-8", "surrogateescape")
    return "?", value

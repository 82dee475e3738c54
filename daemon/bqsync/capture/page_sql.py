"""The text of every SELECT that is run on the user's database. Pure: no connection, no clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bqsync.model import SqlValue, TimestampFormat

_SEVEN_DIGITS_LOOK = "*." + "[0-9]" * 7 + "*"
_ISO_LOOK = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*"


Ranges = Mapping[TimestampFormat, tuple[float, float]]
"""From where to where (excluded) a number of each unit lies; the ranges don't overlap."""


@dataclass(frozen=True, slots=True)
class Query:
    """SQL text and its bound values."""

    sql: str
    parameters: tuple[SqlValue, ...] = ()


def quote(identifier: str) -> str:
    """An identifier of SQLite, whatever characters it holds."""
    return '"' + identifier.replace('"', '""') + '"'


@dataclass(frozen=True, slots=True)
class OrderTerm:
    """One column, or the rowid, that rows are read in the order of."""

    name: str
    collation: str | None = None
    """None: that of the column."""

    @property
    def sql(self) -> str:
        """The term in ORDER BY and in comparisons."""
        return quote(self.name) if self.collation is None else f"{quote(self.name)} COLLATE {quote(self.collation)}"


def page_query(
    table: str, columns: Sequence[str], key: Sequence[str], after: Sequence[SqlValue] | None, limit_rows: int,
    *, order: Sequence[OrderTerm] = (),
) -> Query:
    """
    The rows that follow another one, in a unique order.

    Rows with a NULL in the key are left out: no comparison finds their place, see `null_key_query`.

    Args:
        table: the table.
        columns: what is read of each row.
        key: the key columns.
        after: the last row of the page before, by its values of the order; None for the first page.
        limit_rows: how many rows at most.
        order: unique for the table's rows; empty where the key is.
    """
    conditions = [f"{quote(name)} IS NOT NULL" for name in key]
    terms = ", ".join(term.sql for term in order) or _list(key)
    parameters: list[SqlValue] = []
    if after is not None:
        places, parameters = _bind(after)
        conditions.append(f"({terms}) > ({places})")
    sql = f"SELECT {_list(columns)} FROM {quote(table)} WHERE {' AND '.join(conditions)} ORDER BY {terms} LIMIT ?"
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
    """An index begins with the column: the range is read in its order; else in that of the table."""

    @property
    def condition(self) -> str:
        """What tells the values that count."""
        classes = "'text'" if self.is_text else "'integer', 'real'"
        return f"typeof({quote(self.column)}) IN ({classes})"


def range_query(
    table: str, columns: Sequence[str], key: Sequence[str], part: Range, *, after: Sequence[SqlValue] | None,
    limit_rows: int, order: Sequence[OrderTerm],
) -> Query:
    """
    The next rows of a range; those with a NULL in the key are left out.

    Args:
        table: the table.
        columns: what is read of each row.
        key: the key columns.
        part: the range.
        after: the last row of the page before, by its values of the order; None for the first page.
        limit_rows: how many rows at most.
        order: unique for the table's rows; where the range is indexed, its column comes first.
    """
    conditions = [part.condition, *(f"{quote(name)} IS NOT NULL" for name in key)]
    select = f"SELECT {_list(columns)} FROM {quote(table)} WHERE {' AND '.join(conditions)}"
    terms = [term.sql for term in order]
    parameters: list[SqlValue] = []
    if part.least is not None:
        select += f" AND {quote(part.column)} >= ?"
        parameters.append(part.least)
    if after is None:
        return Query(f"{select} ORDER BY {', '.join(terms)} LIMIT ?", (*parameters, limit_rows))
    if part.is_indexed:
        return _next_of_index(select, parameters, terms, after, limit_rows)
    places, bound = _bind(after)
    sql = f"{select} AND ({', '.join(terms)}) > ({places}) ORDER BY {', '.join(terms)} LIMIT ?"
    return Query(sql, (*parameters, *bound, limit_rows))


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
    name = quote(part.column)
    glob = "" if look is None else f" AND {name} GLOB '{look}'"
    sql = f"SELECT {name} FROM {quote(table)} WHERE {part.condition} AND {name} <= ?{glob} ORDER BY {name} DESC LIMIT 1"
    return Query(sql, (greatest,))


def text_forms_query(table: str, column: str) -> Query:
    """One text of each look that the texts of a column have, and how many there are of it."""
    name = quote(column)
    return Query(
        f"SELECT min({name}), count(*) FROM {quote(table)} WHERE typeof({name}) = 'text' GROUP BY length({name}),"
        f" substr({name}, 11, 1), substr({name}, 20, 1), ltrim(substr({name}, 20), '.,0123456789')"
    )


def null_key_query(table: str, columns: Sequence[str], key: Sequence[str], limit_rows: int) -> Query:
    """The rows that no key finds: a NULL stands in theirs."""
    conditions = " OR ".join(f"{quote(name)} IS NULL" for name in key)
    return Query(f"SELECT {_list(columns)} FROM {quote(table)} WHERE {conditions} LIMIT ?", (limit_rows,))


def lookup_query(table: str, columns: Sequence[str], key: Sequence[str], values: Sequence[SqlValue]) -> Query:
    """The row of one key, if it is there."""
    terms: list[str] = []
    parameters: list[SqlValue] = []
    for name, value in zip(key, values, strict=True):
        place, bound = _bind_one(value)
        terms.append(f"{quote(name)} = {place}")
        parameters.append(bound)
    return Query(f"SELECT {_list(columns)} FROM {quote(table)} WHERE {' AND '.join(terms)}", tuple(parameters))


def kinds_query(table: str, column: str, ranges: Ranges) -> Query:
    """
    How many values of a column look like what: one row (kind, count) for each kind that occurs.

    Args:
        table: the table.
        column: the column.
        ranges: what numbers are told by. Texts that look like a date are `iso8601`; everything else goes by its
            storage class.
    """
    return Query(
        f"SELECT {_kind(column, ranges)} AS kind, count(*) FROM {quote(table)} WHERE {quote(column)} IS NOT NULL"
        " GROUP BY kind ORDER BY count(*) DESC, kind"
    )


def places_query(table: str, column: str, ranges: Ranges, expected: str) -> str:
    """A SELECT for an operator: the rows whose value is not of the expected kind."""
    kind = _kind(column, ranges)
    return f"SELECT {kind} AS kind, * FROM {quote(table)} WHERE {quote(column)} IS NOT NULL AND kind <> '{expected}'"


def rounded_query(table: str, column: str, fmt: TimestampFormat) -> Query | None:
    """How many instants of a column are written finer than a microsecond; None for formats that never mean it."""
    name = quote(column)
    if fmt is TimestampFormat.UNIX_NANOS:
        condition = f"typeof({name}) = 'integer' AND {name} % 1000 <> 0"
    elif fmt is TimestampFormat.ISO8601:
        condition = f"{name} GLOB '{_SEVEN_DIGITS_LOOK}'"
    else:
        return None
    return Query(f"SELECT count(*) FROM {quote(table)} WHERE {condition}")


def _kind(column: str, ranges: Ranges) -> str:
    name = quote(column)
    units = " ".join(
        f"WHEN {name} >= {low!r} AND {name} < {high!r} THEN '{unit}'" for unit, (low, high) in ranges.items()
    )
    return (
        f"CASE WHEN typeof({name}) IN ('integer', 'real') THEN CASE {units} ELSE typeof({name}) END"
        f" WHEN typeof({name}) = 'text' AND {name} GLOB '{_ISO_LOOK}' THEN 'iso8601' ELSE typeof({name}) END"
    )


def _list(names: Sequence[str]) -> str:
    return ", ".join(map(quote, names))


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

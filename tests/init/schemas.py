"""Random databases: declared types, keys, collations, names, and values of any storage class in any column."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_TYPES = [
    "", "INTEGER", "BIGINT", "TEXT", "NVARCHAR(160)", "CHAR(3) COLLATE NOCASE", "TEXT COLLATE RTRIM", "REAL", "FLOAT",
    "DOUBLE PRECISION", "NUMERIC(10,2)", "DECIMAL", "MONEY", "DATE", "DATETIME", "TIMESTAMP", "TIME", "YEAR", "BOOLEAN",
    "JSON", "UUID", "BLOB", "BLOB SUB_TYPE TEXT", "INTEGER_OR_TEXT", "STRING", "ANY",
]
_NAMES = st.one_of(
    st.sampled_from(["updated_at", "created_at", "updatedAt", "page_start", "select", "name", "order", "_table_x"]),
    st.sampled_from(["1st", "_bqsync_key", "message", "Größe", "名前", "住所", "a b", "a-b", "a_b"]),
    st.sampled_from(["fooBar", "foo_bar", "_fooBar"]),
    st.text(alphabet="aA_1 -é'\".[名", min_size=1, max_size=5),
)
_MOMENTS = ["2024-02-29", "2024-02-29 12:00:00", "2024-02-29T12:00:00Z", "1969-12-31 23:59:59.123", "12:30",
            "0000-00-00"]
_TEXTS = st.one_of(st.sampled_from([*_MOMENTS, "", "1", "1.5", "{}", '{"a": [1, null]}', "true", "a", "A", "a "]),
                   st.text(st.characters(exclude_categories=["Cs"]), max_size=5))
_INTEGERS = st.one_of(st.sampled_from([0, 1, 2, 1_700_000_000, 1_700_000_000_000, -(1 << 63), (1 << 63) - 1]),
                      st.integers(-(1 << 63), (1 << 63) - 1), st.integers(1_600_000_000, 1_700_000_000))
_REALS = st.one_of(st.sampled_from([0.5, -0.0, 0.1, 1e300, float("inf"), 1_700_000_000.25, 2_460_000.5]),
                   st.floats(allow_nan=False))
_BLOBS = st.binary(max_size=4)
_TWINS = st.sampled_from([1, "1", 2, "2", 1.5, "1.5", "2024-02-29", "2024-02-29 00:00:00"])
"""Keys of their own in SQLite, and the same ones in BigQuery."""
_CLASSES = [_TEXTS, _INTEGERS, _REALS, _BLOBS, st.sampled_from(_MOMENTS[:2]), st.sampled_from([0, 1]), _TWINS]
_ANYTHING = st.one_of(st.none(), _TEXTS, _INTEGERS, _REALS, _BLOBS)
_MAX_ROWS = 12


@dataclass(frozen=True)
class RandomTable:
    """A table that can be made."""

    name: str
    statement: str
    rows: Sequence[Sequence[object]]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@st.composite
def tables(draw: st.DrawFn, name: str) -> RandomTable:
    """One table with a key of any kind."""
    columns = draw(st.lists(_NAMES, min_size=1, max_size=6, unique_by=str.lower))
    types = [draw(st.sampled_from(_TYPES)) for _ in columns]
    kind = draw(st.sampled_from(["rowid", "primary", "without rowid", "unique"]))
    width = 1 if kind == "rowid" else draw(st.integers(1, min(3, len(columns))))
    values = [_mostly(draw(st.sampled_from(_CLASSES)), rare=draw(st.booleans()), null=at >= width)
              for at in range(len(columns))]
    if draw(st.integers(0, 3)) == 0:
        types[0], values[0] = "", _TWINS
    key = ", ".join(map(quoted, columns[:width]))
    declared = [f"{quoted(column)} {kind_of}" for column, kind_of in zip(columns, types, strict=True)]
    if kind == "rowid":
        declared[0] = f"{quoted(columns[0])} INTEGER PRIMARY KEY"
    elif kind == "unique":
        declared[:width] = [f"{column} NOT NULL" for column in declared[:width]]
        declared.append(f"UNIQUE ({key})")
    else:
        declared.append(f"PRIMARY KEY ({key})")
    end = " WITHOUT ROWID" if kind == "without rowid" else ""
    rows = draw(st.lists(st.tuples(*values), min_size=draw(st.sampled_from([0, 4, 8])), max_size=_MAX_ROWS))
    return RandomTable(name, f"CREATE TABLE {quoted(name)} ({', '.join(declared)}){end}", rows)


def _mostly(values: st.SearchStrategy[object], *, rare: bool, null: bool) -> st.SearchStrategy[object]:
    """Values of one class, and now and then, where asked for, any other, or NULL."""
    if rare:
        return st.one_of(values, values, values, _ANYTHING)
    return st.one_of(values, values, st.none()) if null else values


@st.composite
def databases(draw: st.DrawFn) -> list[RandomTable]:
    """One to three tables, and one that nothing is wrong with."""
    names = draw(st.lists(_NAMES, min_size=1, max_size=3,
                          unique_by=str.lower))
    sound = RandomTable("sound one", 'CREATE TABLE "sound one" (k INTEGER PRIMARY KEY, v)', [(1, "a")])
    return [sound, *(draw(tables(name)) for name in names)]


def write(path: Path, made: Sequence[RandomTable], *, encoding: str = "UTF-8") -> None:
    """Make the database; rows that SQLite refuses are left out."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA encoding = '{encoding}'")
        for table in made:
            db.execute(table.statement)
            for row in table.rows:
                places = ", ".join("?" * len(row))
                try:
                    db.execute(f"INSERT OR IGNORE INTO {quoted(table.name)} VALUES ({places})", row)
                except sqlite3.IntegrityError:  # a text for an INTEGER PRIMARY KEY
                    continue
        db.commit()

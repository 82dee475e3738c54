"""
The tables of the model: keys and watermarks of every kind, and what has to arrive of their rows.

What is expected is computed from SQLite's own rows by code of its own; nothing of the project has a part in it.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Cell = int | float | str | bytes | None
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of table."""

    name: str
    key: tuple[str, ...]
    ddl: str
    index: str = ""
    settings: str = ""
    keys: tuple[tuple[Cell, ...], ...]
    """The keys that rows of it may have."""
    key_text: bool = False
    """The key becomes a STRING whatever it was."""
    stamp: Callable[[int], Cell]
    """Microseconds as the application writes them."""
    marks: bool = False

    @property
    def toml(self) -> str:
        return f'[[tables]]\nname = "t"\n{self.settings}\n' + ('deletes = "mark"\n' if self.marks else "")


def _seconds(instant_us: int) -> int:
    return instant_us // 1_000_000


def _fraction(instant_us: int) -> float:
    return instant_us / 1_000_000


def _iso(instant_us: int) -> str:
    return datetime.fromtimestamp(instant_us / 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


_WATERMARK = 'watermark = ["ts"]\n'
_UNIX = 'timestamps = { ts = "unix_seconds" }'
_ISO = 'timestamps = { ts = "iso8601" }'
_INDEX = "CREATE INDEX t_ts ON t (ts)"
_SMALL = tuple((number,) for number in range(1, 9))
_WORDS = tuple((word,) for word in ("a", "b", "B", "bc", "ä", "z", "0", "10"))

KINDS = (
    Kind(name="integer key, indexed watermark", key=("id",), keys=_SMALL, stamp=_seconds, index=_INDEX,
         ddl="CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, v TEXT, ts INTEGER)", settings=_WATERMARK + _UNIX),
    Kind(name="text key, text watermark", key=("id",), keys=_WORDS, stamp=_iso, index=_INDEX,
         ddl="CREATE TABLE t (id TEXT PRIMARY KEY, n INTEGER, v TEXT, ts TEXT)", settings=_WATERMARK + _ISO),
    Kind(name="composite key without rowid, watermark without index", key=("a", "b"), stamp=_fraction,
         keys=tuple((word, number) for word in ("x", "y", "X") for number in (1, 2, 3)),
         ddl="CREATE TABLE t (a TEXT NOT NULL, b INTEGER NOT NULL, n INTEGER, v TEXT, ts REAL, PRIMARY KEY (b, a))"
             " WITHOUT ROWID", settings=_WATERMARK + _UNIX + '\nkey = ["a", "b"]'),
    Kind(name="key without regard to case, no watermark", key=("id",), keys=_WORDS, stamp=_seconds,
         ddl="CREATE TABLE t (id TEXT COLLATE NOCASE PRIMARY KEY, n INTEGER, v TEXT, ts INTEGER)", settings=_UNIX),
    Kind(name="real key, marked deletes", key=("id",), stamp=_seconds, marks=True,
         keys=tuple((value,) for value in (0.0, -1.5, 1e300, 0.1, 2.0, -1e-300, 3.5)),
         ddl="CREATE TABLE t (id REAL PRIMARY KEY, n INTEGER, v TEXT, ts INTEGER)", settings=_UNIX),
    Kind(name="keys of mixed classes, indexed watermark", key=("id",), stamp=_seconds, index=_INDEX, key_text=True,
         keys=((1,), ("1",), (2,), ("a",), ("A",), (10,), ("10",), (3.5,)),
         ddl="CREATE TABLE t (id PRIMARY KEY, n INTEGER, v TEXT, ts INTEGER)", settings=_WATERMARK + _UNIX),
    Kind(name="partitioned by its watermark, which moves", key=("id",), keys=_SMALL, stamp=_iso, index=_INDEX,
         ddl="CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, v TEXT, ts TEXT)",
         settings=_WATERMARK + _ISO + '\npartition_by = "ts"\npartition_unit = "hour"'),
    Kind(name="integer key, indexed watermark, marked deletes", key=("id",), keys=_SMALL, stamp=_fraction, index=_INDEX,
         ddl="CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, v TEXT, ts REAL)", settings=_WATERMARK + _UNIX,
         marks=True),
)


@dataclass(slots=True)
class Expectation:
    """What the target may hold under one key."""

    good: list[Row] = field(default_factory=list)
    """Rows of the source that can be delivered."""
    bad: int = 0
    """Rows of the source that wait: whatever was delivered of them before may stand there still."""


def expected(db: sqlite3.Connection, kind: Kind) -> dict[tuple[Cell, ...], Expectation]:
    """By target key, what the source asks for. Rows whose key can't be delivered ask for nothing."""
    names = [row[1] for row in db.execute("PRAGMA table_xinfo(t)")]
    wanted: dict[tuple[Cell, ...], Expectation] = defaultdict(Expectation)
    for values in db.execute("SELECT * FROM t"):
        row = dict(zip(names, values, strict=True))
        key = tuple(target_cell(row[name], kind) for name in kind.key)
        if None in key:
            continue
        arrived = {name: _cell(name, value, kind) for name, value in row.items()}
        if _BAD in arrived.values():
            wanted[key].bad += 1
        else:
            wanted[key].good.append(arrived)
    return wanted


_BAD = object()


def target_cell(value: Cell, kind: Kind) -> Cell:
    """What a cell of the key becomes."""
    if kind.key_text and isinstance(value, int | float):
        return repr(value)
    return value


def _cell(name: str, value: Cell, kind: Kind) -> Any:
    if value is None:
        return None
    if name in kind.key:
        return target_cell(value, kind)
    if name == "n":
        return value if isinstance(value, int) else _BAD
    if name == "ts":
        return _instant(value, kind)
    return value if isinstance(value, str) else _BAD


def _instant(value: Cell, kind: Kind) -> Any:
    if kind.stamp is _iso:
        if not isinstance(value, str):
            return _BAD
        try:
            return datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
        except ValueError:
            return _BAD
    if not isinstance(value, int | float):
        return _BAD
    return datetime.fromtimestamp(round(value * 1_000_000) // 1_000_000, UTC).replace(
        microsecond=round(value * 1_000_000) % 1_000_000)

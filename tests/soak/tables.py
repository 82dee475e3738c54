"""
The tables of a soak, and what has to arrive of their rows. Nothing of the project has a part in the latter.

More than half of the keys of a table are *kept*: their rows are there from the beginning and are never deleted. So they
have to be in the target at every moment, and the guard of deletes, which asks an operator only about more than half of
a table, lets all others pass.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.fidelity.expected import instant

Cell = int | float | str | bytes | None
Key = tuple[Cell, ...]
Row = dict[str, Any]

REFUSED = "refuse-me"
"""A text that a hostile BigQuery may refuse for a while."""
MARK = "_bqsync_deleted_at"
_LETTERS = "abcdefghij ÄöüßЖ中😀'\"\\\n\t,;{}"
_SMALL, _SMALL_KEPT = 200, 120
_LARGE, _LARGE_KEPT = 22_000, 18_000
_BAD = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One table."""

    name: str
    declared: str
    """Its key columns, and what follows all columns."""
    key: tuple[str, ...]
    keys: tuple[Key, ...]
    kept: int
    """So many of the first of these keys are never deleted."""
    stamp: Callable[[float], Cell]
    """Unix seconds as its application writes them."""
    stamp_type: str
    settings: str
    end: str = ""
    index: str = ""
    marks: bool = False

    @property
    def ddl(self) -> str:
        return (f"CREATE TABLE {self.name} ({self.declared}, n INTEGER, v TEXT, data BLOB, r REAL, "
                f"ts {self.stamp_type}, kept INTEGER NOT NULL DEFAULT 0{self.end}; {self.index}")

    @property
    def toml(self) -> str:
        return f'[[tables]]\nname = "{self.name}"\n{self.settings}\n' + ('deletes = "mark"\n' if self.marks else "")

    @property
    def where(self) -> str:
        """A condition for one key."""
        return " AND ".join(f"{name} = ?" for name in self.key)


def _seconds(now_s: float) -> Cell:
    return int(now_s)


def _iso(now_s: float) -> Cell:
    return datetime.fromtimestamp(now_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


_WATERMARK = 'watermark = ["ts"]\n'
_UNIX = 'timestamps = { ts = "unix_seconds" }'
_ISO = 'timestamps = { ts = "iso8601" }'
_NUMBERS = tuple((number,) for number in range(1, _SMALL + 1))
_WORDS = tuple((f"{letter}{number}",) for number in range(_SMALL // 5) for letter in ("a", "Ü", "z ", "中", "'"))
_PAIRS = tuple((word, number) for number in range(_SMALL // 4) for word in ("x", "Y", "ä", ""))

KINDS = (
    Kind(name="orders", declared="id INTEGER PRIMARY KEY", key=("id",), keys=_NUMBERS, kept=_SMALL_KEPT,
         stamp=_seconds, stamp_type="INTEGER", end=")", index="CREATE INDEX orders_ts ON orders (ts);",
         settings=_WATERMARK + _UNIX),
    Kind(name="notes", declared="id TEXT PRIMARY KEY", key=("id",), keys=_WORDS, kept=_SMALL_KEPT, stamp=_iso,
         stamp_type="TEXT", end=")", settings=_WATERMARK + _ISO),
    Kind(name="stock", declared="a TEXT NOT NULL, b INTEGER NOT NULL", key=("a", "b"), keys=_PAIRS, kept=_SMALL_KEPT,
         stamp=float, stamp_type="REAL", end=", PRIMARY KEY (b, a)) WITHOUT ROWID",
         index="CREATE INDEX stock_ts ON stock (ts);", settings=_WATERMARK + _UNIX + '\nkey = ["a", "b"]'),
    Kind(name="words", declared="id TEXT PRIMARY KEY", key=("id",), keys=_WORDS, kept=_SMALL_KEPT, stamp=_seconds,
         stamp_type="INTEGER", end=")", settings=_UNIX),
    Kind(name="marked", declared="id INTEGER PRIMARY KEY", key=("id",), keys=_NUMBERS, kept=_SMALL_KEPT, stamp=float,
         stamp_type="REAL", end=")", index="CREATE INDEX marked_ts ON marked (ts);",
         settings=_WATERMARK + _UNIX, marks=True),
    Kind(name="marked_plain", declared="id TEXT PRIMARY KEY", key=("id",), keys=_WORDS, kept=_SMALL_KEPT,
         stamp=float, stamp_type="REAL", end=") WITHOUT ROWID", settings=_UNIX, marks=True),
    Kind(name="large", declared="id INTEGER PRIMARY KEY", key=("id",), kept=_LARGE_KEPT,
         keys=tuple((number * 7,) for number in range(_LARGE)), stamp=_seconds, stamp_type="INTEGER", end=")",
         index="CREATE INDEX large_ts ON large (ts);", settings=_WATERMARK + _UNIX),
)
BY_NAME = {kind.name: kind for kind in KINDS}


def cells(rng: random.Random, kind: Kind, now_s: float) -> Row:
    """What a row holds beside its key."""
    length = rng.choice((0, 3, 20, 20, 200))
    text: Cell = "".join(rng.choices(_LETTERS, k=length)) if rng.random() > 0.02 else f"{REFUSED} {rng.random()}"
    return {
        "n": rng.choice((0, 1, -1, None, 2**53 + 1, -(2**63), 2**63 - 1, rng.randrange(1_000_000))),
        "v": rng.choice((text, text, text, None)),
        "data": rng.choice((None, b"", rng.randbytes(length))),
        "r": rng.choice((None, 0.1, -0.0, 1e300, rng.random())),
        "ts": kind.stamp(now_s),
    }


WRONG: tuple[tuple[str, Cell], ...] = (
    ("n", "many"), ("n", 2.5), ("v", b"\x00\xff"), ("data", "a text"), ("r", "much"), ("ts", "soon"), ("ts", b"x"),
)
"""Values that do not fit their column: their rows have to wait in quarantine."""


def create(db: sqlite3.Connection, rng: random.Random, kinds: Iterable[Kind] = KINDS) -> int:
    """Make the tables, and fill them with what is kept and some of the rest; the number of rows."""
    made = 0
    now_s = time.time() - 3600
    for kind in kinds:
        db.executescript(kind.ddl)
        db.execute("BEGIN")
        wanted = [(key, 1) for key in kind.keys[:kind.kept]]
        wanted += [(key, 0) for key in kind.keys[kind.kept:] if rng.random() < 0.5]
        for key, kept in wanted:
            row = dict(zip(kind.key, key, strict=True)) | cells(rng, kind, now_s) | {"kept": kept}
            db.execute(f"INSERT INTO {kind.name} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
                       tuple(row.values()))
        db.execute("COMMIT")
        made += len(wanted)
    return made


@dataclass(slots=True)
class Expected:
    """What the target of one table has to hold."""

    rows: dict[Key, Row] = field(default_factory=dict)
    waiting: set[Key] = field(default_factory=set)
    """Keys of rows that can't be delivered: of each of them an earlier version may stand in the target, or none."""


def expected(db: sqlite3.Connection, kind: Kind) -> Expected:
    """Computed from SQLite's own rows."""
    wanted = Expected()
    cursor = db.execute(f"SELECT * FROM {kind.name}")
    names = [column[0] for column in cursor.description]
    for values in cursor:
        row = {name: _arrived(name, value, kind) for name, value in zip(names, values, strict=True)}
        key = tuple(row[name] for name in kind.key)
        if _BAD in row.values():
            wanted.waiting.add(key)
        else:
            wanted.rows[key] = row
    return wanted


def _arrived(name: str, value: Cell, kind: Kind) -> Any:
    if value is None or name in kind.key:
        return value
    if name == "ts":
        return _instant(value, kind)
    wanted = {"n": int, "data": bytes, "r": float, "kept": int}.get(name, str)
    return value if type(value) is wanted else _BAD


def _instant(value: Cell, kind: Kind) -> Any:
    if kind.stamp is _iso:
        try:
            return datetime.strptime(str(value), "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
        except ValueError:
            return _BAD
    return instant(value) if isinstance(value, int | float) else _BAD

"""
Databases in UTF-16 with texts that few programs expect: nothing is lost, altered, or deleted wrongly.

The bytes as they stand in the file are the judge, decoded by Python.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from tests.fuzz.amounts import FUZZ

if TYPE_CHECKING:
    from tests.workbench import Workbench

ENCODINGS = {"UTF-16le": "utf-16-le", "UTF-16be": "utf-16-be"}
PIECES = ["a", "A", "b", " ", "é", "e\u0301", "\ufeff", "\ufffd", "\ufffe", "\uffff", "\ue000", "\U00010000",
          "\U0010ffff", "\U0001f600", "\u2028", "\x01", "\x7f", "'", "İ", "ß"]
"""U+E000 to U+FFFF sort behind the letters of two units in UTF-8, and before them as units of UTF-16."""
BROKEN = ["\ud800", "\udfff", "\udbff\ud800"]
TABLES = {
    "keyed": "(k TEXT PRIMARY KEY, v TEXT)",
    "folded": "(k TEXT COLLATE NOCASE PRIMARY KEY, v TEXT)",
    "clustered": "(k TEXT PRIMARY KEY, v TEXT) WITHOUT ROWID",
    "numbered": "(n INTEGER PRIMARY KEY, k TEXT NOT NULL UNIQUE, v TEXT)",
}
ROUNDS = 4 * FUZZ


class Application:
    """Writes whatever bytes it likes as texts."""

    def __init__(self, bench: Workbench, encoding: str, seed: int) -> None:
        self._db = bench.db
        self._codec = ENCODINGS[encoding]
        self._rng = random.Random(seed)
        self._db.execute(f"PRAGMA encoding = '{encoding}'")
        for name, declared in TABLES.items():
            self._db.execute(f"CREATE TABLE {name} {declared}")

    def work(self) -> None:
        """Some inserts, updates, new keys and deletes in each table."""
        for name in TABLES:
            for _ in range(12):
                self._change(name)

    def _change(self, name: str) -> None:
        # A walk in the order of broken keys is refused for that table (E206), and tested in tests/capture.
        key = self._text(may_be_broken=name != "clustered")
        value = self._text()
        match self._rng.randrange(5):
            case 0:
                self._db.execute(f"UPDATE {name} SET v = CAST(? AS TEXT) WHERE k = CAST(? AS TEXT)", (value, key))
            case 1:
                self._db.execute(f"DELETE FROM {name} WHERE k IN (SELECT k FROM {name} ORDER BY random() LIMIT 1)")
            case _:
                self._db.execute(f"INSERT OR REPLACE INTO {name} (k, v) VALUES (CAST(? AS TEXT), CAST(? AS TEXT))",
                                 (key, value))

    def _text(self, *, may_be_broken: bool = True) -> bytes:
        letters = [*PIECES, "\0", *(BROKEN if may_be_broken else [])]
        text = "".join(self._rng.choices(letters, k=self._rng.choice((0, 1, 1, 2, 3))))
        odd_byte = b"\x41" if may_be_broken and self._rng.randrange(20) == 0 else b""
        return text.encode(self._codec, "surrogatepass") + odd_byte

    def readable(self, name: str) -> dict[str, str]:
        """Value by key of the rows whose texts are texts, and whose key is no other one up to its NUL."""
        found = {}
        for key, value in self._db.execute(f"SELECT CAST(k AS BLOB), CAST(v AS BLOB) FROM {name}"):
            try:
                found[key.decode(self._codec)] = value.decode(self._codec)
            except UnicodeDecodeError:
                continue
        # Of a table whose key is a number, NUL is an ordinary letter.
        return found if name == "numbered" else {key: value for key, value in found.items() if "\0" not in key}

    def count(self, name: str) -> int:
        """All rows."""
        return int(self._db.execute(f"SELECT count(*) FROM {name}").fetchone()[0])


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("encoding", "page_rows"), [("UTF-16le", 1), ("UTF-16be", 7)])
def test_texts_in_utf_16_arrive_as_they_are_or_wait(workbench: Workbench, encoding: str, page_rows: int) -> None:
    application = Application(workbench, encoding, seed=page_rows)
    workbench.configure("\n".join(f'[[tables]]\nname = "{name}"' for name in TABLES), sync=f"page_rows = {page_rows}")
    waiting = 0
    for number in range(ROUNDS):
        application.work()
        outcomes = workbench.sync(confirmed_deletes=1_000)  # small tables often lose half of their rows
        for name, outcome in outcomes.items():
            assert outcome.error is None, (number, name)
            expected = application.readable(name)
            held = {row["k"]: row["v"] for row in workbench.rows(name, "k")}
            stale = held.keys() - expected.keys()
            # A row whose new text can't be delivered keeps its earlier version, and is in quarantine.
            assert len(stale) <= outcome.quarantine_total, (number, name)
            assert {key: held.get(key) for key in expected} == expected, (number, name)
            assert len(expected) + outcome.quarantine_total == application.count(name), (number, name)
            waiting += outcome.quarantine_total
    assert waiting
    assert {name: workbench.verify(name).rows_different for name in TABLES} == dict.fromkeys(TABLES, 0)

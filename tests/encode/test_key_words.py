"""What an operator types for a key is the value that SQLite has stored."""

from __future__ import annotations

import sqlite3

import pytest

from bqsync.encode.key_words import key_value
from bqsync.encode.keys import encode_key, key_text
from bqsync.model import Affinity, SqlValue

WORDS = ("7", "-7", "007", "7.0", "2.5", "1e3", "-0", "9223372036854775807", "9223372036854775808", "abc", "1 2", "",
         "+5", "0x10", "1_000", "inf", "nan", ".5", "5.", "٣")
DECLARED = {Affinity.INTEGER: "INTEGER", Affinity.REAL: "REAL", Affinity.NUMERIC: "NUMERIC", Affinity.TEXT: "TEXT"}


@pytest.mark.parametrize("affinity", DECLARED)
@pytest.mark.parametrize("word", WORDS)
def test_a_word_is_what_sqlite_makes_of_it(affinity: Affinity, word: str) -> None:
    with sqlite3.connect(":memory:") as db:
        db.execute(f"CREATE TABLE t (k {DECLARED[affinity]})")
        db.execute("INSERT INTO t VALUES (?)", (word,))
        (stored,) = db.execute("SELECT k FROM t").fetchone()
    found = key_value(word, affinity)
    assert (found, type(found)) == (stored, type(stored))


@pytest.mark.parametrize(("word", "value"), [
    ("x'00ff'", b"\0\xff"), ("X''", b""), ("x'0'", "x'0'"), ("'7'", "7"), ("'it''s'", "it's"), ("''", ""),
    ("NULL", None), ("null", None), ("'NULL'", "NULL"), ("7", 7), ("2.5", 2.5), ("abc", "abc"), ("'", "'"),
])
def test_in_a_column_without_a_type_a_word_says_what_it_is(word: str, value: SqlValue) -> None:
    found = key_value(word, Affinity.BLOB)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("value", [7, -1, 2.5, "abc", b"\0\xff"])
def test_what_the_quarantine_prints_can_be_typed(value: SqlValue) -> None:
    (word,) = key_text(encode_key([value]))
    assert key_value(word, Affinity.BLOB) == value

"""A type that changes in the source: the target follows where it can, or its table stops with ways that lead on."""

from __future__ import annotations

import re

import pytest
from tests.engine.application import PLAIN
from tests.evolution.steps import alter, fields, follows, refused, settles, synced
from tests.workbench import Workbench

OTHER = '[[tables]]\nname = "other"\n'
BEFORE = "id INTEGER PRIMARY KEY, a INTEGER, b TEXT, c REAL, d TEXT, e INTEGER"
AFTER = "id INTEGER PRIMARY KEY, a TEXT, b INTEGER, c INTEGER, d BLOB, e BOOLEAN"


def declare(bench: Workbench, columns: str, selected: str = "*") -> None:
    """The table as SQLite's documentation rebuilds one: a new one takes the rows and the name."""
    bench.fill(f"CREATE TABLE new_t ({columns}); INSERT INTO new_t SELECT {selected} FROM t; DROP TABLE t;"
               "ALTER TABLE new_t RENAME TO t")


def rebuilt(bench: Workbench, tables: str = PLAIN) -> None:
    """Two tables, delivered; then every column of one of them has another type."""
    bench.fill(f"CREATE TABLE other (id INTEGER PRIMARY KEY); CREATE TABLE t ({BEFORE});"
               "INSERT INTO t VALUES (1, 12, '34', 5.0, 'text', 1), (2, NULL, NULL, NULL, NULL, NULL)")
    bench.configure(tables + OTHER)
    follows(bench)
    declare(bench, AFTER, "id, a, b, c, CAST(d AS BLOB), e")
    bench.fill("INSERT INTO other VALUES (7)")


def test_types_that_have_nothing_in_common_stop_the_table_and_the_fix_makes_room(workbench: Workbench) -> None:
    """The columns that were there keep what they hold, under another name; and once more, when all is taken back."""
    rebuilt(workbench)
    outcomes = workbench.sync()
    assert [row["id"] for row in workbench.rows("other", "id")] == [7], outcomes["other"].error
    error = refused(workbench)
    assert [f"{name} is {old} there and {new} here" in error["why"] for name, old, new in (
        ("a", "INT64", "STRING"), ("b", "STRING", "INT64"), ("c", "FLOAT64", "INT64"), ("d", "STRING", "BYTES"),
        ("e", "INT64", "BOOL"))] == [True] * 5, error
    alter(workbench, error["fix"])
    kept = tuple(f"{name}_old" for name in "abcde")
    follows(workbench, kept=kept)
    settles(workbench)
    first = workbench.rows("t", "id")[0]
    assert [first[name] for name in kept] == [12, "34", 5.0, "text", 1]
    assert [kind for _, kind, _ in fields(workbench)][-5:] == ["STRING", "INT64", "INT64", "BYTES", "BOOL"]
    declare(workbench, BEFORE, "id, a, b, c, CAST(d AS TEXT), e")
    alter(workbench, refused(workbench)["fix"])
    follows(workbench, kept=(*kept, *(f"{name}_old1" for name in "abcde")))
    settles(workbench)


def test_the_other_fix_keeps_the_types_that_are_there(workbench: Workbench) -> None:
    """A STRING takes numbers and a FLOAT64 whole ones; what a type does not take waits in quarantine, as everywhere."""
    rebuilt(workbench)
    error = refused(workbench)
    (kept,) = re.findall(r"types = \{[^}]*\}", error["fix"])
    workbench.configure(PLAIN + kept + "\n" + OTHER)
    assert synced(workbench).quarantine_total == 1
    assert [(table, reason) for table, _, reason in workbench.quarantine()] == [("t", "wrong_type")]
    workbench.fill("UPDATE t SET a = NULL, d = NULL WHERE id = 1")
    assert synced(workbench).quarantine_total == 0
    assert workbench.rows("t", "id")[0] == {"id": 1, "a": None, "b": "34", "c": 5.0, "d": None, "e": 1}
    settles(workbench)


def test_integers_that_become_fractions_are_followed(workbench: Workbench) -> None:
    """INTEGER to REAL, and to a declaration of decimals: FLOAT64 by the table of types."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, m INTEGER);"
                   "INSERT INTO t VALUES (1, 7, 8), (2, NULL, -9)")
    workbench.configure(PLAIN)
    follows(workbench)
    declare(workbench, "id INTEGER PRIMARY KEY, n REAL, m DECIMAL(10, 2)")
    workbench.fill("UPDATE t SET n = 0.5, m = 0.25 WHERE id = 2")
    follows(workbench)
    settles(workbench)


@pytest.mark.parametrize("name", ["made_at", "amount"])
def test_a_type_that_was_tried_and_taken_back_leaves_the_table_as_it_was(workbench: Workbench, name: str) -> None:
    """What was found of a column stays found: a refused attempt is not taken for what was delivered."""
    workbench.fill(f"CREATE TABLE t (id INTEGER PRIMARY KEY, {name} INTEGER);"
                   "INSERT INTO t VALUES (1, 1700000000), (2, 1700000001)")
    workbench.configure(PLAIN)
    synced(workbench)
    before = fields(workbench)
    workbench.configure(PLAIN + f'types = {{ {name} = "STRING" }}')
    refused(workbench)
    workbench.configure(PLAIN + f'types = {{ {name} = "INT64" }}')
    assert (workbench.sync()["t"].error is None) is (name == "amount")
    workbench.configure(PLAIN)
    assert synced(workbench).rows_upserted == 0
    assert fields(workbench) == before
    workbench.fill("INSERT INTO t VALUES (3, 300000000000)")
    assert synced(workbench).quarantine_total == (1 if name == "made_at" else 0), "its unit is fixed"


def test_seconds_that_become_texts_are_followed_once_the_type_is_named(workbench: Workbench) -> None:
    """INTEGER to TEXT in a column of instants: the format that was fixed is not that of the new values."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, made_at INTEGER);"
                   "INSERT INTO t VALUES (1, 1700000000), (2, NULL)")
    workbench.configure(PLAIN)
    synced(workbench)
    declare(workbench, "id INTEGER PRIMARY KEY, made_at TEXT",
            "id, strftime('%Y-%m-%dT%H:%M:%SZ', made_at, 'unixepoch')")
    (kept,) = re.findall(r"types = \{[^}]*\}", refused(workbench)["fix"])
    workbench.configure(PLAIN + kept)
    outcome = synced(workbench)
    assert (outcome.quarantine_total, workbench.rows("t", "id")[0]["made_at"].timestamp()) == (0, 1700000000)
    settles(workbench)

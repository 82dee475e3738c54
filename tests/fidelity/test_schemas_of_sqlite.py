"""Tables without a message: whatever SQLite lets a user declare arrives under BigQuery's nearest type."""

from __future__ import annotations

import pytest
from tests.fidelity.expected import assert_equal, by_key, expected_rows, instant
from tests.workbench import Workbench


def sync_alone(bench: Workbench, table: str, settings: str = "") -> None:
    bench.configure(f"[[tables]]\nname = '{table}'\n{settings}")
    (outcome,) = bench.sync().values()
    assert (outcome.error, outcome.quarantine_total) == (None, 0)


def types_of(bench: Workbench, table: str) -> dict[str, str]:
    # The emulator keeps the name that it was given, BigQuery answers with the older one.
    older = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN"}
    schema = bench.rest.get_table(f"{bench.dataset}.{table}").schema
    return {field.name: older.get(field.field_type, field.field_type) for field in schema}


DECLARED = {
    "i": ("INTEGER", 7, "INTEGER"), "i8": ("UNSIGNED BIG INT", 2**63 - 1, "INTEGER"), "tiny": ("TINYINT", 0, "INTEGER"),
    "t": ("TEXT", "ä", "STRING"), "vc": ("VARCHAR(3)", "longer than three", "STRING"), "cl": ("CLOB", "", "STRING"),
    "r": ("REAL", 0.1, "FLOAT"), "dp": ("DOUBLE PRECISION", 1e-300, "FLOAT"), "fl": ("FLOAT", 2.0, "FLOAT"),
    "n": ("NUMERIC", 0.5, "FLOAT"), "dec": ("DECIMAL(10,2)", 12.34, "FLOAT"), "b": ("BLOB", b"\0\xff", "BYTES"),
    "flag": ("BOOLEAN", 1, "BOOLEAN"), "d": ("DATE", "2024-02-29", "STRING"), "none": ("", "text", "STRING"),
}


def test_every_declared_type_has_a_column_that_keeps_its_values(workbench: Workbench) -> None:
    columns = ", ".join(f"{name} {declared}" for name, (declared, _, _) in DECLARED.items())
    values = [value for _, value, _ in DECLARED.values()]
    places = ", ".join("?" * len(values))
    workbench.fill(f"CREATE TABLE t (id INTEGER PRIMARY KEY, {columns})",
                   (f"INSERT INTO t VALUES (?, {places})", [(1, *values), (2, *[None] * len(values))]))
    sync_alone(workbench, "t")
    assert types_of(workbench, "t") == {"id": "INTEGER", **{name: kind for name, (_, _, kind) in DECLARED.items()}}
    assert_equal(expected_rows(workbench.db, "t", ["id"], {"flag": bool}), by_key(workbench.rows("t", "id"), ["id"]))


def test_a_column_of_epoch_numbers_becomes_a_timestamp_and_one_of_small_numbers_does_not(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, made_at REAL, page_start INTEGER, seen DATETIME)",
                   ("INSERT INTO t VALUES (?, ?, ?, ?)", [(1, 1_700_000_000.25, 12, 1.7e9), (2, None, 1, None)]))
    sync_alone(workbench, "t")
    assert types_of(workbench, "t") == {
        "id": "INTEGER", "made_at": "TIMESTAMP", "page_start": "INTEGER", "seen": "TIMESTAMP"}
    expected = expected_rows(workbench.db, "t", ["id"], {"made_at": instant, "seen": instant})
    assert_equal(expected, by_key(workbench.rows("t", "id"), ["id"]))


@pytest.mark.parametrize("page_rows", [1, 5000])
def test_a_composite_key_without_rowid_is_followed_through_updates_and_deletes(
    workbench: Workbench, page_rows: int,
) -> None:
    rows = [(a, b, c, f"{a}{b}{c!r}") for a in (-1, 0, 2**62) for b in ("", "x", "é") for c in (b"", b"\0", b"\0\xff")]
    workbench.fill("CREATE TABLE t (a INTEGER, b TEXT, c BLOB, v TEXT, PRIMARY KEY (b, c, a)) WITHOUT ROWID",
                   ("INSERT INTO t VALUES (?, ?, ?, ?)", rows))
    workbench.configure('[[tables]]\nname = "t"', sync=f"page_rows = {page_rows}")
    assert workbench.sync()["t"].rows_upserted == 27
    workbench.fill("DELETE FROM t WHERE a = 0; UPDATE t SET v = 'new' WHERE b = ''; UPDATE t SET a = 5 WHERE a = -1")
    outcome = workbench.sync()["t"]
    assert (outcome.rows_deleted, outcome.rows_upserted) == (18, 12)
    key = ["a", "b", "c"]
    assert_equal(expected_rows(workbench.db, "t", key, {}), by_key(workbench.rows("t", "v"), key))


def test_a_nocase_key_that_changes_its_case_leaves_no_old_row_behind(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (k TEXT COLLATE NOCASE PRIMARY KEY, v INTEGER)",
                   ("INSERT INTO t VALUES (?, ?)", [("Apple", 1), ("banana", 2), ("CHERRY", 3)]))
    sync_alone(workbench, "t")
    workbench.fill("UPDATE t SET k = 'APPLE' WHERE v = 1; DELETE FROM t WHERE v = 3")
    sync_alone(workbench, "t")
    assert_equal(expected_rows(workbench.db, "t", ["k"], {}), by_key(workbench.rows("t", "v"), ["k"]))


@pytest.mark.parametrize("page_rows", [1, 2, 5000])
def test_keys_that_the_column_takes_for_equal_and_its_index_does_not_all_arrive(
    workbench: Workbench, page_rows: int,
) -> None:
    workbench.fill("CREATE TABLE t (k TEXT COLLATE NOCASE NOT NULL, v INTEGER);"
                   "CREATE UNIQUE INDEX i ON t (k COLLATE BINARY);",
                   ("INSERT INTO t VALUES (?, ?)", [(k, n) for n, k in enumerate(["a", "A", "b", "Ab", "aB", "AB"])]))
    workbench.configure('[[tables]]\nname = "t"', sync=f"page_rows = {page_rows}")
    assert workbench.sync()["t"].rows_upserted == 6
    workbench.db.execute("DELETE FROM t WHERE v IN (1, 4)")
    assert workbench.sync()["t"].rows_deleted == 2
    assert_equal(expected_rows(workbench.db, "t", ["k"], {}), by_key(workbench.rows("t", "v"), ["k"]))


def test_an_untyped_key_that_changes_its_type_leaves_no_old_row_behind(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (k PRIMARY KEY, v INTEGER)", ("INSERT INTO t VALUES (?, ?)", [(1, 1), (2, 2)]))
    sync_alone(workbench, "t")
    workbench.fill("UPDATE t SET k = 1.0 WHERE v = 1")
    sync_alone(workbench, "t")
    assert [(row["k"], row["v"]) for row in workbench.rows("t", "v")] == [("1.0", 1), ("2", 2)]


def test_names_that_bigquery_refuses_are_spelled_with_underscores(workbench: Workbench) -> None:
    workbench.fill("""CREATE TABLE "odd ""table"" §1" ("the id" INTEGER PRIMARY KEY, "select" TEXT, "a-b" TEXT,
                   "1st" TEXT, "back`tick" TEXT, "größe" REAL, "quo""te" TEXT)""")
    workbench.db.execute("""INSERT INTO "odd ""table"" §1" VALUES (1, 's', 'ab', 'f', 'b', 1.5, 'q')""")
    sync_alone(workbench, 'odd "table" §1', 'target = "odd_table"')
    assert workbench.rows("odd_table", "the_id") == [
        {"the_id": 1, "select": "s", "a_b": "ab", "_1st": "f", "back_tick": "b", "gr__e": 1.5, "quo_te": "q"}]


def test_generated_columns_are_delivered_as_values(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, twice INTEGER AS (a * 2) STORED,"
                   " label TEXT GENERATED ALWAYS AS ('n' || a) VIRTUAL)",
                   ("INSERT INTO t (id, a) VALUES (?, ?)", [(1, 21), (2, None)]))
    sync_alone(workbench, "t")
    workbench.db.execute("UPDATE t SET a = 4 WHERE id = 2")
    sync_alone(workbench, "t")
    assert_equal(expected_rows(workbench.db, "t", ["id"], {}), by_key(workbench.rows("t", "id"), ["id"]))


@pytest.mark.parametrize(("declared", "keys"), [
    ("BLOB", [b"", b"\0", b"\0\0", b"\xff", bytes(range(256))]), ("REAL", [0.1, -0.5, 1e300, 5e-324, 3.0]),
    ("TEXT", ["", " ", "a", "A", "é", "e\u0301", "👩🏽‍🚀", "a\tb"]), ("INTEGER", [0, -1, 2**63 - 1, -(2**63)]),
    ("BOOLEAN", [0, 1]),
])
@pytest.mark.parametrize("page_rows", [1, 5000])
def test_keys_of_every_type_are_told_apart_and_deleted_one_by_one(
    workbench: Workbench, declared: str, keys: list[object], page_rows: int,
) -> None:
    workbench.fill(f"CREATE TABLE t (k {declared} NOT NULL PRIMARY KEY, v INTEGER) WITHOUT ROWID",
                   ("INSERT INTO t VALUES (?, ?)", [(key, n) for n, key in enumerate(keys)]))
    workbench.configure('[[tables]]\nname = "t"', sync=f"page_rows = {page_rows}")
    assert workbench.sync()["t"].rows_upserted == len(keys)
    workbench.db.execute("DELETE FROM t WHERE v = 0")
    outcome = workbench.sync()["t"]
    assert (outcome.rows_deleted, outcome.rows_upserted, outcome.rows_unchanged) == (1, 0, len(keys) - 1)
    conversions = {"k": bool} if declared == "BOOLEAN" else {}
    assert_equal(expected_rows(workbench.db, "t", ["k"], conversions), by_key(workbench.rows("t", "v"), ["k"]))


def test_a_unique_constraint_serves_as_key_where_no_primary_key_is_declared(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (code TEXT NOT NULL UNIQUE, v INTEGER)",
                   ("INSERT INTO t VALUES (?, ?)", [("a", 1), ("b", 2)]))
    sync_alone(workbench, "t")
    workbench.fill("DELETE FROM t WHERE code = 'a'; VACUUM; UPDATE t SET v = 3")
    sync_alone(workbench, "t")
    assert [tuple(row.values()) for row in workbench.rows("t", "code")] == [("b", 3)]


def test_a_table_without_any_key_is_refused_with_the_setting_that_helps(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (a TEXT, b TEXT)", ("INSERT INTO t VALUES (?, ?)", [("a", "b")]))
    workbench.configure('[[tables]]\nname = "t"')
    error = workbench.sync()["t"].error
    assert error is not None
    assert (error["kind"], "key = [...]" in error["fix"]) == ("source_table_invalid", True)
    sync_alone(workbench, "t", 'key = ["a"]')


def test_strict_tables_keep_their_values(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, i INT, r REAL, b BLOB, t TEXT) STRICT",
                   ("INSERT INTO t VALUES (?, ?, ?, ?, ?)", [(1, "12", 1, b"x", "t"), (2, None, 0.3, None, "")]))
    sync_alone(workbench, "t")
    assert [tuple(row.values()) for row in workbench.rows("t", "id")] == [
        (1, 12, 1.0, b"x", "t"), (2, None, 0.3, None, "")]

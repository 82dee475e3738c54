"""Rows that can't be delivered: kept, told once, tried again when they change, and gone with their row."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.engine.application import NOW, PLAIN, execute, ids
from tests.engine.places import at_place
from tests.workbench import Workbench

from bqsync.engine.quarantine import list_quarantine

TABLE = '[[tables]]\nname = "t"\n'


@pytest.fixture
def bench(workbench: Workbench) -> Workbench:
    """One row that can be delivered, and one that can't."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)",
                   ("INSERT INTO t VALUES (?, ?)", [(1, 10), (2, "abc")]))
    workbench.configure(TABLE)
    return workbench


def target(bench: Workbench) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in bench.rows("t", "1, 2")]


def logged(bench: Workbench, event: str) -> list[dict[str, Any]]:
    """The lines of one event that a cycle logs."""
    with capture_logs() as lines:
        assert bench.sync()["t"].error is None
    return [dict(line) for line in lines if line["event"] == event]


def entries(bench: Workbench) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(bench.state_path)) as state:
        return state.execute("SELECT source_key, fingerprint, mapping_version, since_us FROM quarantine").fetchall()


def test_a_row_in_quarantine_stays_there_and_is_told_once(bench: Workbench) -> None:
    (line,) = logged(bench, "row.quarantined")
    assert (line["column"], line["reason"], line["rows"]) == ("n", "wrong_type", 1)
    assert "abc" not in str(line)
    before = entries(bench)
    assert logged(bench, "row.quarantined") == []
    assert (entries(bench), bench.quarantine()) == (before, [("t", "n", "wrong_type")])


def test_a_row_in_quarantine_costs_no_merge_until_it_changes(bench: Workbench) -> None:
    bench.sync()
    again = bench.sync()["t"]
    assert (again.merges, again.rows_quarantined, again.quarantine_total, again.bytes_sent) == (0, 0, 1, 0)


def test_a_row_that_changes_and_is_still_bad_is_told_again(bench: Workbench) -> None:
    bench.sync()
    bench.db.execute("UPDATE t SET n = 2.5 WHERE id = 2")
    (line,) = logged(bench, "row.quarantined")
    assert (line["reason"], bench.quarantine()) == ("would_change", [("t", "n", "would_change")])


def test_a_mended_row_is_delivered_and_leaves_the_quarantine(bench: Workbench) -> None:
    bench.sync()
    bench.db.execute("UPDATE t SET n = 20 WHERE id = 2")
    (line,) = logged(bench, "quarantine.recovered")
    assert (line["rows"], target(bench), bench.quarantine()) == (1, [(1, 10), (2, 20)], [])


def test_a_mapping_that_takes_the_row_frees_it(bench: Workbench) -> None:
    bench.sync()
    bench.configure(TABLE + 'types = { n = "STRING" }\ntarget = "t_of_texts"')
    assert bench.sync()["t"].quarantine_total == 0
    assert [row["n"] for row in bench.rows("t_of_texts", "id")] == ["10", "abc"]


def test_a_row_that_leaves_the_source_leaves_the_quarantine(bench: Workbench) -> None:
    bench.sync()
    bench.db.execute("DELETE FROM t WHERE id = 2")
    outcome = bench.sync()["t"]
    assert (outcome.quarantine_total, outcome.rows_deleted, bench.quarantine()) == (0, 0, [])


@pytest.mark.parametrize("full", [False, True])
def test_the_earlier_version_of_a_row_in_quarantine_stays_in_the_target(bench: Workbench, full: bool) -> None:
    bench.sync()
    bench.db.execute("UPDATE t SET n = 'bad now' WHERE id = 1")
    outcome = bench.sync(full=full)["t"]
    assert (outcome.error, outcome.rows_deleted, outcome.quarantine_total) == (None, 0, 2)
    assert target(bench) == [(1, 10)]
    found = bench.verify("t")
    assert (found.rows_different, found.rows_quarantined) == (0, 2)

    bench.db.execute("DELETE FROM t WHERE id = 1")
    assert bench.sync()["t"].rows_deleted == 1
    assert (target(bench), len(bench.quarantine())) == ([], 1)


def test_rows_with_a_null_in_their_key_wait_one_by_one(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (k TEXT PRIMARY KEY, v INTEGER)",
                   ("INSERT INTO t VALUES (?, ?)", [(None, 1), ("a", 2), (None, 3), (None, 4)]))
    workbench.configure(TABLE)
    assert workbench.sync()["t"].rows_quarantined == 3
    assert workbench.quarantine() == [("t", "k", "null_key")] * 3
    again = workbench.sync()["t"]
    assert (again.rows_quarantined, again.merges) == (0, 0)
    workbench.fill("DELETE FROM t WHERE v = 1; UPDATE t SET k = 'b' WHERE v = 3; UPDATE t SET v = 5 WHERE v = 4")
    assert workbench.sync()["t"].quarantine_total == 1
    assert target(workbench) == [("a", 2), ("b", 3)]


def test_a_delivered_row_whose_key_becomes_null_leaves_the_target(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (a TEXT, b TEXT, PRIMARY KEY (a, b))",
                   ("INSERT INTO t VALUES (?, ?)", [("x", "1"), ("x", "2"), (None, "3")]))
    workbench.configure(TABLE)
    workbench.sync()
    workbench.db.execute("UPDATE t SET b = NULL WHERE b = '1'")
    outcome = workbench.sync()["t"]
    assert (outcome.rows_deleted, outcome.quarantine_total, target(workbench)) == (1, 2, [("x", "2")])


@pytest.mark.parametrize("sync", ["", "page_rows = 1\nchunk_rows = 1"])
def test_rows_that_meet_in_one_key_never_take_turns(workbench: Workbench, sync: str) -> None:
    # SQLite tells 1 from '1' in a column without a type; the STRING of the target does not.
    workbench.fill("CREATE TABLE t (k PRIMARY KEY, v TEXT)",
                   ("INSERT INTO t VALUES (?, ?)", [(1, "number"), ("1", "text"), (2, "two"), ("3", "three")]))
    workbench.configure(TABLE, sync=sync)
    assert workbench.sync()["t"].error is None
    assert {reason for _, _, reason in workbench.quarantine()} == {"key_collision"}
    settled = target(workbench)
    assert settled[-2:] == [("2", "two"), ("3", "three")]
    for _ in range(2):
        again = workbench.sync()["t"]
        assert (again.merges, again.rows_quarantined, target(workbench)) == (0, 0, settled)


@pytest.mark.parametrize("sync", ["", "page_rows = 1"])
@pytest.mark.parametrize(("gone", "left"), [("typeof(k) = 'integer'", "text"), ("typeof(k) = 'text'", "number")])
def test_the_last_of_the_rows_that_met_in_one_key_arrives(
    workbench: Workbench, sync: str, gone: str, left: str,
) -> None:
    workbench.fill("CREATE TABLE t (k PRIMARY KEY, v TEXT)",
                   ("INSERT INTO t VALUES (?, ?)", [(1, "number"), ("1", "text")]))
    workbench.configure(TABLE, sync=sync)
    workbench.sync()
    workbench.db.execute(f"DELETE FROM t WHERE {gone}")
    outcome = workbench.sync()["t"]
    assert (outcome.quarantine_total, target(workbench)) == (0, [("1", left)])
    assert workbench.verify("t").rows_different == 0


def test_instants_that_differ_by_less_than_a_microsecond_meet_in_one_key(workbench: Workbench) -> None:
    rows = [(0.5, 1), (0.5 + 2**-30, 2), (1.0, 3)]
    workbench.fill("CREATE TABLE t (made_at REAL PRIMARY KEY, v INTEGER)", ("INSERT INTO t VALUES (?, ?)", rows))
    workbench.configure(TABLE + 'timestamps = { made_at = "unix_seconds" }')
    assert workbench.sync()["t"].error is None
    assert {reason for _, _, reason in workbench.quarantine()} == {"key_collision"}
    workbench.db.execute("DELETE FROM t WHERE v IN (1, 3)")
    assert workbench.sync()["t"].quarantine_total == 0
    assert [row["v"] for row in workbench.rows("t", "v")] == [2]


def test_a_flood_of_bad_rows_stops_its_table_and_no_other(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); CREATE TABLE u (id INTEGER PRIMARY KEY)",
                   ("INSERT INTO t VALUES (?, ?)", [(n, "x" if n <= 1000 else 0) for n in range(1100)]),
                   ("INSERT INTO u VALUES (?)", [(1,)]))
    workbench.configure(TABLE + '[[tables]]\nname = "u"')
    outcomes = workbench.sync()
    assert outcomes["t"].error is not None
    assert (outcomes["t"].error["kind"], outcomes["u"].rows_upserted) == ("quarantine_flood", 1)
    workbench.db.execute("UPDATE t SET n = 1 WHERE id = 0")
    outcome = workbench.sync()["t"]
    assert (outcome.error, outcome.quarantine_total) == (None, 1000), "1,000 bad rows are no flood"


def test_a_flood_is_refused_and_its_first_rows_are_listed(workbench: Workbench) -> None:
    rows = [(number, "text" if number < 1_100 else number) for number in range(1_200)]
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)", ("INSERT INTO t VALUES (?, ?)", rows))
    workbench.configure('[[tables]]\nname = "t"\n')
    outcome = workbench.sync()["t"]
    assert outcome.error is not None
    assert outcome.error["code"] == "E502"
    assert list_quarantine(workbench.config, ["t"], 10).total == 1_000
    workbench.fill("UPDATE t SET n = id")
    assert workbench.sync()["t"].rows_upserted == 1_200
    assert list_quarantine(workbench.config, ["t"], 10).total == 0


def test_verify_counts_rows_that_collide_as_quarantined(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (k PRIMARY KEY, n INTEGER); INSERT INTO t VALUES (1, 1), ('1', 2), ('b', 3)")
    workbench.configure('[[tables]]\nname = "t"\n')
    workbench.sync()
    compared = workbench.verify("t")
    assert (compared.rows_source, compared.rows_target, compared.rows_quarantined) == (3, 2, 1)
    assert compared.rows_different == 0


def test_delivered_rows_that_wait_count_as_present(workbench: Workbench) -> None:
    """All rows of two tables go bad at once: to the guard, not one of them is gone."""
    for name in "tu":
        workbench.fill(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, n INTEGER);"
                       f"INSERT INTO {name} VALUES (1, 1), (2, 2)")
    workbench.configure(TABLE + '[[tables]]\nname = "u"')
    workbench.sync()
    workbench.fill("UPDATE t SET n = 'bad'; UPDATE u SET n = 'bad'")
    outcomes = workbench.sync()
    assert {name: (outcome.error, outcome.deletes_deferred, outcome.quarantine_total)
            for name, outcome in outcomes.items()} == {"t": (None, 0, 2), "u": (None, 0, 2)}
    assert target(workbench) == [(1, 1), (2, 2)]


def test_a_row_that_waits_is_present_whatever_its_key_is_in_the_source(workbench: Workbench) -> None:
    """A ledger made anew from the target knows '1'; in the source it is a number, which no look for '1' finds."""
    workbench.fill("CREATE TABLE t (k PRIMARY KEY, n INTEGER); INSERT INTO t VALUES (1, 10), (2, 20)")
    workbench.configure(TABLE)
    workbench.sync()
    workbench.db.execute("UPDATE t SET n = 'bad' WHERE n = 10")
    outcome = workbench.sync(full=True)["t"]
    assert (outcome.error, outcome.rows_deleted, outcome.quarantine_total) == (None, 0, 1)
    assert target(workbench) == [("1", 10), ("2", 20)]
    workbench.db.execute("UPDATE t SET n = 11 WHERE n = 'bad'")
    assert workbench.sync()["t"].quarantine_total == 0
    assert target(workbench) == [("1", 11), ("2", 20)]


def test_rows_that_are_bad_at_the_beginning_of_a_large_table_are_no_flood(workbench: Workbench) -> None:
    """A flood is judged by the whole table, not by the part that was read so far."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)",
                   ("INSERT INTO t VALUES (?, ?)", [(n, "bad" if n < 1_200 else n) for n in range(20_000)]))
    workbench.configure(PLAIN, sync="page_rows = 500\nchunk_rows = 2000")
    outcome = workbench.sync()["t"]
    assert outcome.error is None, outcome.error
    assert len(ids(workbench)) == 18_800


def test_a_stopped_sweep_is_no_flood(workbench: Workbench) -> None:
    """After a stop in the middle nothing is judged."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)",
                   ("INSERT INTO t VALUES (?, ?)", [(n, "bad" if n < 1_200 else n) for n in range(20_000)]))
    workbench.configure(PLAIN, sync="page_rows = 500")
    with at_place("sweep.page_read", workbench.stop.set, time=4):
        outcome = workbench.sync()["t"]
    assert outcome.error is None, outcome.error


def test_rows_with_null_keys_are_all_listed(workbench: Workbench) -> None:
    """However many pages they are."""
    workbench.fill("CREATE TABLE t (id TEXT PRIMARY KEY, v TEXT)",
                   ("INSERT INTO t VALUES (?, ?)", [(None, f"{n}" + "x" * 20_000) for n in range(20)]))
    workbench.configure(PLAIN, sync='page_bytes = "64KiB"')
    assert workbench.sync()["t"].error is None
    assert len(workbench.quarantine()) == 20


def test_a_row_that_a_pass_quarantined_during_a_sweep_stays_listed(workbench: Workbench) -> None:
    table = PLAIN + 'watermark = ["at"]\ntimestamps = { at = "unix_seconds" }\n'
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, at INTEGER); CREATE INDEX t_at ON t (at)",
                   ("INSERT INTO t VALUES (?, ?, ?)", [(n, n, NOW - 10_000 - 100 * n) for n in range(10)]))
    workbench.clock_us = NOW * 1_000_000
    workbench.configure(table, sync="page_rows = 3\nchunk_rows = 3")
    with at_place("sweep.page_read",
                  lambda: execute(workbench, "INSERT INTO t VALUES (-1, 'bad', ?)", NOW - 1), time=2):
        assert workbench.sync()["t"].error is None
    assert workbench.quarantine() == [("t", "n", "wrong_type")]

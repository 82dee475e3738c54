"""Whatever was done to a target by hand is found by name, and repaired."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs
from tests.verify.queries import asked

from bqsync.engine.opening import open_session
from bqsync.engine.repair import RepairOrder
from bqsync.engine.sides import Surroundings
from bqsync.engine.verification import Verification, verify_all
from bqsync.engine.verify import DifferenceKind as Kind
from bqsync.engine.verify import verify_table

if TYPE_CHECKING:
    from tests.workbench import Workbench

ROWS = 3_000


@pytest.fixture
def bench(workbench: Workbench) -> Workbench:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, amount REAL)",
                   ("INSERT INTO t VALUES (?, ?, ?)", [(at, f"name {at}", at / 7) for at in range(ROWS)]))
    workbench.configure('[[tables]]\nname = "t"\n')
    assert workbench.sync()["t"].rows_upserted == ROWS
    return workbench


def verified(bench: Workbench, *, repair: bool = False, name: str = "t") -> Verification:
    config = bench.config
    section = config.table(name)
    assert section is not None
    with open_session(config, stop=bench.stop) as session:
        return verify_all(session, [section], beside=False, repair=repair)


def damage(bench: Workbench) -> None:
    bench.query("UPDATE {d}.t SET amount = amount + 1e-12 WHERE id IN (10, 11)")
    bench.query("UPDATE {d}.t SET name = NULL, amount = 0 WHERE id = 12")
    bench.query("UPDATE {d}.t SET name = '' WHERE id = 13")
    bench.query("DELETE FROM {d}.t WHERE id IN (20, 21, 22)")
    bench.query("INSERT INTO {d}.t (id, name, amount) VALUES (-1, 'by hand', 1), (9000, 'by hand', 2), (9001, NULL, 3)")


FOUND = {
    ("10",): (Kind.DIFFERENT, ("amount",)), ("11",): (Kind.DIFFERENT, ("amount",)),
    ("12",): (Kind.DIFFERENT, ("name", "amount")), ("13",): (Kind.DIFFERENT, ("name",)),
    ("20",): (Kind.MISSING, ()), ("21",): (Kind.MISSING, ()), ("22",): (Kind.MISSING, ()),
    ("-1",): (Kind.EXTRA, ()), ("9000",): (Kind.EXTRA, ()), ("9001",): (Kind.EXTRA, ()),
}


def test_ten_rows_are_named_repaired_and_equal_again(bench: Workbench) -> None:
    outcome, queries = asked(bench, "t")
    assert (outcome.rows_source, outcome.rows_target, outcome.rows_different, len(queries)) == (ROWS, ROWS, 0, 1)
    damage(bench)
    outcome, queries = asked(bench, "t")
    assert {one.key: (one.kind, one.columns) for one in outcome.differences} == FOUND
    assert (outcome.rows_different, len(queries)) == (10, 2)
    assert len(list(bench.rest.query(queries[1]).result())) < ROWS / 5, "those in the buckets of the ten, and no others"
    assert bench.sync()["t"].merges == 0, "to look repairs nothing"

    with capture_logs() as lines:
        (again,) = verified(bench, repair=True).outcomes
    assert (again.rows_different, again.rows_repaired, len(again.differences)) == (0, 10, 10)
    (line,) = [line for line in lines if line["event"] == "verify.repaired"]
    assert (line["rows"], line["rows_upserted"], line["rows_deleted"]) == (10, 7, 3), "these rows, and no others"
    assert bench.rows("t", "id") == [
        {"id": at, "name": f"name {at}", "amount": at / 7} for at in range(ROWS)]
    assert bench.sync()["t"].merges == 0
    assert bench.verify("t").rows_different == 0


def test_a_row_that_came_back_is_not_deleted_as_extra(bench: Workbench) -> None:
    """What is extra is looked up once more by the sweep that would delete it."""
    bench.query("INSERT INTO {d}.t (id, name, amount) VALUES (9000, 'by hand', 2)")
    config = bench.config
    with open_session(config, stop=bench.stop) as session:
        order = RepairOrder(session, config.tables[0])
        assert verify_table(session, config.tables[0], Surroundings(damage=order)).rows_different == 1
        order.place()
    bench.db.execute("INSERT INTO t VALUES (9000, 'of the application', 3)")
    outcome = bench.sync()["t"]
    assert (outcome.error, outcome.rows_upserted, outcome.rows_deleted) == (None, 1, 0)
    assert bench.verify("t").rows_different == 0


def test_a_row_that_stands_there_twice_is_told_and_left_to_somebody(bench: Workbench) -> None:
    bench.query("INSERT INTO {d}.t (id, name, amount) SELECT id, name, amount FROM {d}.t WHERE id = 1")
    bench.query("INSERT INTO {d}.t (id, name, amount) VALUES (2, 'another', 0)")
    (outcome,) = verified(bench, repair=True).outcomes
    assert sorted((one.kind, one.key) for one in outcome.differences) == [
        (Kind.DUPLICATE, ("1",)), (Kind.DUPLICATE, ("2",))]
    assert (outcome.rows_different, outcome.rows_repaired) == (2, 0)


def test_an_emptied_target_is_filled_again(bench: Workbench) -> None:
    bench.query("DELETE FROM {d}.t WHERE TRUE")
    (outcome,) = verified(bench, repair=True).outcomes
    assert (outcome.rows_different, outcome.rows_repaired, outcome.rows_target) == (0, ROWS, ROWS)
    assert len(outcome.differences) == 100


def test_more_rows_than_the_guard_lets_pass_are_not_deleted_by_a_repair(bench: Workbench) -> None:
    bench.query("INSERT INTO {d}.t (id, name, amount) SELECT id + 100000, name, amount FROM {d}.t")
    bench.query("INSERT INTO {d}.t (id, name, amount) SELECT -1 - id, name, amount FROM {d}.t WHERE id < 50000")
    done = verified(bench, repair=True)
    assert done.failures["t"].rule.code == "E501"
    assert bench.verify("t").rows_different == 2 * ROWS
    assert bench.sync(confirmed_deletes=2 * ROWS)["t"].rows_deleted == 2 * ROWS
    assert bench.verify("t").rows_different == 0


def test_what_was_not_synced_yet_differs_and_a_repair_delivers_it(bench: Workbench) -> None:
    bench.fill("UPDATE t SET name = 'new' WHERE id = 5; DELETE FROM t WHERE id = 6;"
               "INSERT INTO t VALUES (5000, 'more', 1)")
    assert bench.verify("t").rows_different == 3
    (outcome,) = verified(bench, repair=True).outcomes
    assert (outcome.rows_different, outcome.rows_repaired) == (0, 3)


def test_rows_in_quarantine_are_equal_to_what_is_there(bench: Workbench) -> None:
    bench.fill("UPDATE t SET name = x'ff' WHERE id = 7; INSERT INTO t VALUES (6000, x'ff', 1)")
    assert bench.sync()["t"].quarantine_total == 2
    outcome = bench.verify("t")
    assert (outcome.rows_different, outcome.rows_quarantined, outcome.rows_source) == (0, 2, ROWS + 1)


def test_a_table_without_a_key_is_repaired(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE log (n INTEGER, line TEXT)", (
        "INSERT INTO log VALUES (?, ?)", [(at // 3, "alike") for at in range(300)]))
    workbench.configure('[[tables]]\nname = "log"\nmode = "append"\n')
    workbench.sync()
    workbench.query("DELETE FROM {d}.log WHERE n = 5")
    workbench.query("UPDATE {d}.log SET line = 'edited' WHERE n = 7")
    workbench.db.execute("DELETE FROM log WHERE n = 9")  # pruned: it stays in the target
    (outcome,) = verified(workbench, repair=True, name="log").outcomes
    assert (outcome.rows_different, outcome.rows_repaired, outcome.rows_target) == (0, 6, 300)


def test_a_table_that_is_not_swept_is_compared_and_left_to_full(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, updated_at INTEGER);"
                   "CREATE INDEX t_at ON t (updated_at)",
                   ("INSERT INTO t VALUES (?, 'x', ?)", [(at, 1_700_000_000 + at * 1000) for at in range(50)]))
    workbench.configure('[[tables]]\nname = "t"\nwatermark = ["updated_at"]\nsweep = "off"\n')
    workbench.sync()
    workbench.query("UPDATE {d}.t SET v = 'edited' WHERE id = 3")
    (outcome,) = verified(workbench, repair=True).outcomes
    assert (outcome.rows_different, outcome.rows_repaired) == (1, 0)
    assert workbench.sync(full=True)["t"].error is None
    assert workbench.verify("t").rows_different == 0

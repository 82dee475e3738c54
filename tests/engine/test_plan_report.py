"""What a plan says, the sync that follows does; and the plan itself leaves everything as it is."""

from __future__ import annotations

from threading import Event
from typing import Any

from google.cloud import bigquery
from tests.engine.places import at_place
from tests.engine.traces import traces
from tests.evolution.steps import fields, make_target
from tests.workbench import Workbench

from bqsync.engine.cycle_options import CycleOptions
from bqsync.engine.plan_report import Plan, TablePlan, make_plan
from bqsync.errors import ExitCode
from bqsync.model import CycleOutcome

NOW = 1_750_000_000
MANY = 1_100
TABLES = """
[[tables]]
name = "plain"
[[tables]]
name = "marking"
deletes = "mark"
[[tables]]
name = "keeping"
deletes = "ignore"
[[tables]]
name = "odd"
[[tables]]
name = "log"
mode = "append"
[[tables]]
name = "timed"
watermark = ["at"]
timestamps = { at = "unix_seconds" }
[[tables]]
name = "window"
watermark = ["at"]
sweep = "off"
timestamps = { at = "unix_seconds" }
[[tables]]
name = "many"
"""
SCHEMA = """
CREATE TABLE plain (id INTEGER PRIMARY KEY, v TEXT);
CREATE TABLE marking (id INTEGER PRIMARY KEY, v TEXT);
CREATE TABLE keeping (id INTEGER PRIMARY KEY, v TEXT);
CREATE TABLE odd (id TEXT PRIMARY KEY, n INTEGER);
CREATE TABLE log (v TEXT);
CREATE TABLE timed (id INTEGER PRIMARY KEY, at INTEGER);
CREATE INDEX timed_at ON timed (at);
CREATE TABLE window (id INTEGER PRIMARY KEY, at INTEGER);
CREATE INDEX window_at ON window (at);
CREATE TABLE many (id INTEGER PRIMARY KEY, v TEXT);
"""
CHANGES = f"""
UPDATE plain SET v = 'changed' WHERE id < 3; DELETE FROM plain WHERE id = 9; INSERT INTO plain VALUES (20, 'new');
ALTER TABLE plain ADD COLUMN note TEXT; UPDATE plain SET note = 'noted' WHERE id = 5;
DELETE FROM marking WHERE id > 7; DELETE FROM keeping WHERE id > 7;
UPDATE odd SET n = 3 WHERE id = 'bad'; UPDATE odd SET n = 'x' WHERE id = 'good'; INSERT INTO odd VALUES (NULL, 1);
INSERT INTO log VALUES ('a'), ('a'), ('z'); INSERT INTO timed VALUES (100, {NOW}), (101, {NOW - 86_400});
INSERT INTO window VALUES (100, {NOW}), (101, {NOW - 86_400}); DELETE FROM many WHERE id >= 10;
"""


def fill(bench: Workbench) -> None:
    rows = [(n, f"v{n}") for n in range(1, 10)]
    bench.fill(
        SCHEMA, *[(f"INSERT INTO {name} VALUES (?, ?)", rows) for name in ("plain", "marking", "keeping")],
        ("INSERT INTO odd VALUES (?, ?)", [("good", 1), ("bad", "no number"), (None, 1)]),
        ("INSERT INTO log VALUES (?)", [("a",), ("a",), ("b",)]),
        ("INSERT INTO timed VALUES (?, ?)", [(n, NOW - 10 * n) for n in range(50)]),
        ("INSERT INTO window VALUES (?, ?)", [(n, NOW - 10 * n) for n in range(50)]),
        ("INSERT INTO many VALUES (?, 'x')", [(n,) for n in range(MANY)]),
    )


def planned(bench: Workbench, *tables: str, **options: Any) -> Plan:
    """A plan; what could be touched is as it was."""
    before = traces(bench)
    plan = make_plan(bench.config, tables, CycleOptions(**options), stop=Event())
    assert traces(bench) == before
    return plan


def foreseen(bench: Workbench, *tables: str, **options: Any) -> dict[str, TablePlan]:
    """The plan of a sync, which is then run and does just that."""
    plan = planned(bench, *tables, **options)
    columns = {name: described(bench, name) for name in bench.tables()} if not plan.would_create_dataset else {}
    outcomes = bench.sync(*tables, **options)
    for table in plan.tables:
        assert numbers_of_plan(table) == numbers_of_sync(outcomes[table.table]), table
        if table.error is None:
            added = [one.split()[0] for one in table.columns_to_add]
            assert [*columns.get(table.table, []), *added] == described(bench, table.table)
            assert table.would_create is (table.table not in columns)
    return {table.table: table for table in plan.tables}


def described(bench: Workbench, table: str) -> list[str]:
    return [field.name for field in bench.rest.get_table(f"{bench.dataset}.{table}").schema]


def numbers_of_plan(table: TablePlan) -> tuple[object, ...]:
    return (table.rows_read, table.rows_to_upsert, table.rows_to_delete, table.rows_to_quarantine,
            table.rows_unchanged, table.quarantine_total, table.deletes_to_hold, table.bytes_to_append, table.merges,
            table.error)


def numbers_of_sync(outcome: CycleOutcome) -> tuple[object, ...]:
    return (outcome.rows_read, outcome.rows_upserted, outcome.rows_deleted, outcome.rows_quarantined,
            outcome.rows_unchanged, outcome.quarantine_total, outcome.deletes_deferred, outcome.bytes_sent,
            outcome.merges, outcome.error)


def test_a_sync_does_what_its_plan_has_said(workbench: Workbench) -> None:
    fill(workbench)
    workbench.configure(TABLES, sync="chunk_rows = 400\npage_rows = 100")
    assert not workbench.state_path.parent.exists()
    first = planned(workbench)
    assert (first.would_create_dataset, first.exit_code) == (True, ExitCode.FAILED)
    by_name = foreseen(workbench)
    assert by_name["many"].merges > 1
    assert by_name["odd"].rows_to_quarantine == 2

    nothing = planned(workbench)
    assert (nothing.exit_code, [table.is_something for table in nothing.tables]) == (ExitCode.OK, [False] * 8)
    assert {table.merge_sql for table in nothing.tables} == {None}

    workbench.fill(CHANGES)
    by_name = foreseen(workbench)
    plain, many = by_name["plain"], by_name["many"]
    assert (plain.columns_to_add, plain.rows_to_delete) == (("note STRING",), 1)
    assert (by_name["marking"].rows_to_delete, by_name["keeping"].rows_to_delete) == (2, 0)
    assert (by_name["log"].rows_to_upsert, by_name["timed"].rows_to_upsert) == (3, 2)
    assert many.error is not None
    assert (many.error["code"], many.deletes_to_hold, many.rows_to_delete) == ("E501", MANY - 10, 0)
    assert plain.dry_run_note == "the target, or one of its columns, is not there yet"

    assert planned(workbench, "many").exit_code == ExitCode.FAILED
    confirmed = foreseen(workbench, "many", confirmed_deletes=MANY)["many"]
    assert (confirmed.rows_to_delete, confirmed.error) == (MANY - 10, None)


def test_of_lost_states_and_torn_syncs_too(workbench: Workbench) -> None:
    workbench.fill(SCHEMA, ("INSERT INTO plain VALUES (?, ?)", [(n, "v") for n in range(10)]),
                   ("INSERT INTO marking VALUES (?, ?)", [(n, "v") for n in range(10)]))
    workbench.configure('[[tables]]\nname = "plain"\n[[tables]]\nname = "marking"\ndeletes = "mark"\n')
    workbench.sync()
    workbench.lose_state()
    workbench.fill("DELETE FROM plain WHERE id = 3; DELETE FROM marking WHERE id = 3;")
    by_name = foreseen(workbench)
    assert by_name["plain"].would_read_keys
    assert (by_name["plain"].rows_to_upsert, by_name["plain"].rows_to_delete) == (9, 1)

    workbench.fill("UPDATE plain SET v = 'torn' WHERE id = 1")
    with at_place("merge.ended", _fail):
        workbench.sync("plain")
    torn = foreseen(workbench)["plain"]
    assert (torn.unsettled_end, torn.rows_to_upsert) == ("done", 1)
    everything = foreseen(workbench, full=True)
    assert [table.rows_to_upsert for table in everything.values()] == [9, 9]

    # Two small tables that lose most of their rows at once are held together, and one alone is not.
    workbench.fill("DELETE FROM plain WHERE id > 2; DELETE FROM marking WHERE id > 2")
    assert [table.deletes_to_hold for table in foreseen(workbench).values()] == [6, 6]


def test_a_target_of_somebody_else_is_taken_over_only_if_asked(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'one'), (2, 'two')")
    workbench.configure('[[tables]]\nname = "t"\n')
    workbench.rest.create_dataset(workbench.dataset)
    workbench.rest.create_table(bigquery.Table(f"{workbench.rest.project}.{workbench.dataset}.t", [
        bigquery.SchemaField("id", "INT64"), bigquery.SchemaField("theirs", "STRING")]))
    workbench.query("INSERT INTO {d}.t (id, theirs) VALUES (1, 'x'), (7, 'y')")
    refused = foreseen(workbench)["t"]
    assert refused.error is not None
    assert refused.error["code"] == "E315"
    adopted = foreseen(workbench, adopt=True)["t"]
    assert (adopted.would_adopt, adopted.columns_to_add, adopted.rows_to_delete) == (True, ("v STRING",), 1)


def test_the_text_of_a_merge_is_the_one_that_runs(workbench: Workbench) -> None:
    """But for what is different each time in the name of the staging table."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'one')")
    workbench.configure('[[tables]]\nname = "t"\n')
    workbench.sync()
    workbench.fill("INSERT INTO t VALUES (2, 'two')")
    (table,) = planned(workbench).tables
    workbench.sync()
    assert table.merge_sql is not None
    assert table.dry_run_bytes is not None or table.dry_run_note == "the service gives no figure"
    before, _, after = table.merge_sql.partition("TIME_RANDOM")
    assert any(text.startswith(before) and text.endswith(after) for text in workbench.merges())


def _fail() -> None:
    raise OSError("the power is gone")


def test_what_becomes_of_an_existing_target_is_foreseen(workbench: Workbench) -> None:
    """Types that are widened, columns that take NULL from then on, a primary key that is no longer true."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO t VALUES (1, 5)")
    make_target(workbench, bigquery.SchemaField("id", "INT64", "REQUIRED"),
                bigquery.SchemaField("n", "INT64", "REQUIRED"))
    workbench.query("ALTER TABLE {d}.t ADD PRIMARY KEY (n) NOT ENFORCED")
    workbench.configure('[[tables]]\nname = "t"\ntypes = { n = "NUMERIC" }\n')
    told = foreseen(workbench)["t"]
    assert (told.columns_to_widen, told.columns_to_relax, told.primary_key_to_set) == (("n NUMERIC",), ("n",), ("id",))
    table = workbench.rest.get_table(f"{workbench.dataset}.t")
    assert fields(workbench) == [("id", "INT64", "REQUIRED"), ("n", "NUMERIC", "NULLABLE")]
    assert table.table_constraints is not None
    assert table.table_constraints.primary_key is not None
    assert list(table.table_constraints.primary_key.columns) == ["id"]
    after = foreseen(workbench)["t"]
    assert (after.columns_to_widen, after.columns_to_relax, after.primary_key_to_set) == ((), (), None)

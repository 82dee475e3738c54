"""A message that changes, or is out of step with its table: it works and is told, or the table stops with the fix."""

from __future__ import annotations

import re

import pytest
from structlog.testing import capture_logs
from tests.engine.application import PLAIN
from tests.evolution.steps import alter, fields, follows, refused, settles, synced
from tests.workbench import Workbench

from bqsync.encode.compiler import compile_protos
from bqsync.engine.cycle_options import CycleOptions
from bqsync.engine.opening import open_session
from bqsync.engine.sync import sync_tables

PROTOS = '[protos]\nfiles = ["t.proto"]\ndescriptor_set = "t.binpb"\n'


def describe(bench: Workbench, *fields: str, table: str = PLAIN) -> None:
    """The message of the table: its fields without their numbers, which count on from 1."""
    numbered = [f"  {name} = {number} {bracket}{options};" for number, (name, bracket, options) in enumerate(
        (field.partition("[") for field in fields), 1)]
    (bench.folder / "t.proto").write_text(
        "\n".join(['syntax = "proto3";', 'import "bq_field.proto";', "message T {", *numbered, "}"]), encoding="utf-8")
    compile_protos([bench.folder / "t.proto"], bench.folder / "t.binpb")
    bench.configure(table + 'message = "T"\n', extra=PROTOS)


def option(field: str, text: str) -> str:
    """A field with an option."""
    return f"{field} [(gen_bq_schema.bigquery).{text}]"


@pytest.fixture
def bench(workbench: Workbench) -> Workbench:
    """Two rows, and a message that has all columns."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT, n INTEGER);"
                   "INSERT INTO t VALUES (1, 'a1', 'b1', 1), (2, 'a2', 'b2', 2)")
    describe(workbench, "int64 id", "string a", "string b", "int64 n")
    follows(workbench)
    return workbench


def told(bench: Workbench, cycles: int) -> list[str]:
    """The warnings about the schema of so many cycles of one daemon."""
    with capture_logs() as lines, open_session(bench.config) as session:
        for _ in range(cycles):
            (outcome,) = sync_tables(session, (), CycleOptions())
            assert outcome.error is None, outcome.error
    return [line["what"] for line in lines if line["event"] == "schema.warning"]


def test_a_message_and_a_table_that_are_out_of_step_work_and_are_told_once(bench: Workbench) -> None:
    """Each column that the message lacks, each field that the table lacks: once in the life of a process."""
    describe(bench, "int64 id", "string a", "string ghost", "string spectre")
    lacks = [f"message T lacks column {name}: its type is taken from SQLite" for name in ("b", "n")]
    extra = [f"message T has a field {name} that table t lacks: not delivered" for name in ("ghost", "spectre")]
    assert told(bench, 3) == lacks + extra
    follows(bench)
    bench.fill("ALTER TABLE t ADD COLUMN ghost TEXT DEFAULT 'boo'; ALTER TABLE t DROP COLUMN a")
    assert told(bench, 2) == [*lacks, "message T has a field a that table t lacks: not delivered", extra[1]]
    follows(bench)
    settles(bench)


def test_numbers_and_the_order_of_fields_mean_nothing(bench: Workbench) -> None:
    describe(bench, "int64 n", "string b", "string a", "int64 id")
    assert synced(bench).merges == 0


def test_a_field_that_is_renamed_leaves_its_column_to_the_declaration(bench: Workbench) -> None:
    """A column is found by its name: what the field said of it is said of it no more, and that is told."""
    describe(bench, "int64 id", "string a", "string other", "int64 n")
    assert [line.split(":")[0] for line in told(bench, 1)] == [
        "message T lacks column b", "message T has a field other that table t lacks"]
    assert follows(bench).rows_upserted == 0
    describe(bench, "int64 id", "string a", 'string other [json_name = "b"]', "int64 n")
    follows(bench)


def test_columns_that_swap_their_names_in_the_target_take_their_values_along(bench: Workbench) -> None:
    """Not a byte of a row changes with that; nor where a column gets the place of one that is gone."""
    describe(bench, "int64 id", option("string a", 'name = "b"'), option("string b", 'name = "a"'), "int64 n")
    synced(bench)
    assert [(row["a"], row["b"]) for row in bench.rows("t", "id")] == [("b1", "a1"), ("b2", "a2")]
    settles(bench)
    describe(bench, "int64 id", "string a", option("string b", "ignore = true"), "int64 n")
    synced(bench)
    assert [(row["a"], row["b"]) for row in bench.rows("t", "id")] == [("a1", None), ("a2", None)]
    describe(bench, "int64 id", option("string a", 'name = "b"'), option("string b", "ignore = true"), "int64 n")
    synced(bench)
    assert [(row["a"], row["b"]) for row in bench.rows("t", "id")] == [(None, "a1"), (None, "a2")]
    settles(bench)


def test_a_field_of_another_type_stops_the_table_and_the_fixes_lead_on(bench: Workbench) -> None:
    describe(bench, "int64 id", "string a", "string b", "string n")
    error = refused(bench)
    assert "n is INT64 there and STRING here" in error["why"]
    (kept,) = re.findall(r"types = \{[^}]*\}", error["fix"])
    describe(bench, "int64 id", "string a", "string b", "string n", table=PLAIN + kept + "\n")
    assert synced(bench).merges == 0
    describe(bench, "int64 id", "string a", "string b", "string n")
    alter(bench, error["fix"])
    synced(bench)
    assert [row["n"] for row in bench.rows("t", "id")] == ["1", "2"]
    settles(bench)


def test_a_field_of_a_wider_type_widens_its_column(bench: Workbench) -> None:
    describe(bench, "int64 id", "string a", "string b", option("string n", 'type_override = "NUMERIC"'))
    follows(bench)
    assert fields(bench)[-1] == ("n", "NUMERIC", "NULLABLE")
    describe(bench, "int64 id", "string a", "string b", "int64 n")
    assert "n is NUMERIC there and INT64 here" in refused(bench)["why"], "nothing is narrowed"


def test_a_required_field_is_required_whether_its_column_is_or_not(workbench: Workbench) -> None:
    """BigQuery makes nothing REQUIRED of what is NULLABLE; what is REQUIRED refuses NULL, whatever a message says."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT);"
                   "INSERT INTO t VALUES (1, 'a', NULL), (2, NULL, 'b')")
    describe(workbench, "int64 id", option("string a", "require = true"), "string b")
    assert synced(workbench).quarantine_total == 1
    assert fields(workbench)[1:] == [("a", "STRING", "REQUIRED"), ("b", "STRING", "NULLABLE")]
    describe(workbench, "int64 id", "string a", option("string b", "require = true"))
    assert synced(workbench).quarantine_total == 2
    assert fields(workbench)[1:] == [("a", "STRING", "REQUIRED"), ("b", "STRING", "NULLABLE")]
    describe(workbench, "int64 id", "string a", "string b")
    assert synced(workbench).quarantine_total == 1
    workbench.query("ALTER TABLE {d}.t ALTER COLUMN a DROP NOT NULL")
    assert follows(workbench).quarantine_total == 0
    settles(workbench)


@pytest.mark.parametrize("is_ignored", [False, True], ids=["dropped", "ignored"])
def test_a_required_column_whose_source_is_gone_may_be_null_by_then(workbench: Workbench, *, is_ignored: bool) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    describe(workbench, "int64 id", option("string a", "require = true"))
    synced(workbench)
    if is_ignored:
        describe(workbench, "int64 id", option("string a", "ignore = true"))
    else:
        workbench.fill("ALTER TABLE t DROP COLUMN a")
    with capture_logs() as lines:
        synced(workbench)
    assert [line["relaxed"] for line in lines if line["event"] == "target.altered"] == [["a"]]
    assert workbench.rows("t", "id") == [{"id": 1, "a": None}, {"id": 2, "a": None}]
    settles(workbench)

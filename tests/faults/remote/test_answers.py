"""What BigQuery refuses a running daemon, and what somebody else does to its targets."""

from __future__ import annotations

import pytest
from google.cloud import bigquery
from tests.daemon.conftest import Start
from tests.daemon.life import PATIENCE_S, Life
from tests.daemon.tables import MARKED, PLAIN, QUICK, SCHEMA, fill, target, wait_equal
from tests.hostile.actions import FailJob, Method, RestFailure
from tests.hostile.calls import Call
from tests.hostile.proxy import HostileBigQuery
from tests.workbench import PROJECT, Workbench

from bqsync.config import BigQuerySection
from bqsync.deliver.clients import connect
from bqsync.deliver.retry import Policy
from bqsync.deliver.target import check_dataset
from bqsync.errors import BqsyncError

DENIED = RestFailure(status=403, reason="accessDenied", message=(
    "Access Denied: Table demo:d.denied: Permission bigquery.tables.updateData denied on table demo:d.denied"))
TWICE = FailJob(reason="invalidQuery", message="UPDATE/MERGE must match at most one source row for each target row")
CONTESTED = FailJob(reason="invalidQuery",
                    message="Could not serialize access to table demo:d.contested due to concurrent update")
OTHERS = ("denied", "twice", "contested")


def failures(life: Life) -> list[tuple[str, str]]:
    return [(line["table"], line["code"]) for line in life.events("sync.failed")]


def assert_streams_nothing(hostile: HostileBigQuery) -> None:
    """No row goes through the streaming buffer of tabledata.insertAll, whose rows no MERGE may touch for a while."""
    assert [call.path for call in hostile.calls if "insertAll" in call.path] == []
    unknown = [call.path for call in hostile.matching(Method.OTHER_REST) if not call.path.startswith("GET ")]
    assert unknown == [], "whatever writes is known by its name"


def test_what_bigquery_refuses_one_table_stops_no_other_and_is_told_once(
    hostile_bench: Workbench, hostile: HostileBigQuery, start: Start,
) -> None:
    bench = hostile_bench
    script = SCHEMA + "".join(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, v TEXT);" for name in OTHERS)
    fill(bench, script=script + "".join(f"INSERT INTO {name} VALUES (1, 'a'), (2, 'b');" for name in OTHERS))
    bench.configure(PLAIN + "".join(f'[[tables]]\nname = "{name}"\n' for name in OTHERS), extra=QUICK)
    life = start(bench).ready()
    wait_equal(life, bench, "plain", *OTHERS)

    hostile.rule(Method.JOBS_INSERT, DENIED, holding=".`denied`")
    hostile.rule(Method.JOBS_INSERT, TWICE, holding=".`twice`")
    contested = hostile.rule(Method.JOBS_INSERT, CONTESTED, holding=".`contested`", times=1)
    bench.fill("BEGIN;" + "".join(
        f"UPDATE {name} SET v = 'changed' WHERE id = 1; DELETE FROM {name} WHERE id = 2;"
        for name in ("plain", *OTHERS)) + "COMMIT;")
    denied, twice = life.wait("sync.failed", table="denied"), life.wait("sync.failed", table="twice")
    assert (denied["code"], twice["code"]) == ("E306", "E312")
    assert [role for role in ("bigquery.jobUser", "bigquery.dataEditor") if role not in denied["fix"]] == []
    assert "at most one source row" in twice["why"]
    wait_equal(life, bench, "plain", "contested")
    assert contested.fired == 1
    bench.db.execute("INSERT INTO plain VALUES (50, 'meanwhile')")
    wait_equal(life, bench, "plain")
    assert target(bench, "denied") == target(bench, "twice") == [(1, "a"), (2, "b")]
    assert sorted(failures(life)) == [("denied", "E306"), ("twice", "E312")]

    assert_streams_nothing(hostile)
    hostile.reset()
    life.reload()
    wait_equal(life, bench, "plain", *OTHERS)
    assert life.end(within_s=PATIENCE_S) == 0
    assert life.errors == ""


def test_a_target_that_is_dropped_is_made_again_and_a_dataset_that_is_gone_is_waited_for(
    hostile_bench: Workbench, hostile: HostileBigQuery, start: Start,
) -> None:
    bench = hostile_bench
    fill(bench)
    bench.configure(MARKED + PLAIN, extra=QUICK)
    life = start(bench).ready()
    wait_equal(life, bench, "marked", "plain")

    bench.rest.delete_table(f"{PROJECT}.{bench.dataset}.plain")
    bench.db.execute("UPDATE plain SET v = 'changed' WHERE id = 1")
    wait_equal(life, bench, "plain")
    life.wait("sync.recovered", table="plain")
    assert failures(life) == [("plain", "E308")], "the MERGE finds out, and the next cycle makes it"

    gone = hostile.rule(Method.ANY, RestFailure(
        status=404, reason="notFound", message=f"Not found: Dataset demo:{bench.dataset}"), holding=bench.dataset)
    bench.db.execute("DELETE FROM plain WHERE id = 2")
    failed = life.wait("sync.failed", code="E309")
    assert bench.dataset in failed["why"]
    assert "`bigquery.dataset`" in failed["fix"]
    life.wait_until(lambda: "(E309)" in life.status(), "a status that says so")
    bench.db.execute("UPDATE marked SET v = 'changed', at = at + 100 WHERE id = 1")
    hostile.drop(gone)
    wait_equal(life, bench, "marked", "plain")
    life.wait("sync.recovered", code="E309")
    assert len(life.events("sync.failed", code="E309")) == 1
    assert life.end(within_s=PATIENCE_S) == 0
    assert life.errors == ""


def test_a_target_that_somebody_alters_between_two_cycles_or_during_one_is_mended_or_told(
    hostile_bench: Workbench, hostile: HostileBigQuery, start: Start,
) -> None:
    bench = hostile_bench
    fill(bench)
    bench.configure(MARKED + PLAIN, extra=QUICK)
    life = start(bench).ready()
    wait_equal(life, bench, "marked", "plain")

    name = f"{PROJECT}.{bench.dataset}.plain"
    dropped: list[Call] = []

    def drop_column(call: Call) -> None:
        if not dropped and call.method is Method.JOBS_INSERT and call.holds("MERGE") and call.holds(".`plain`"):
            dropped.append(call)
            bench.query("ALTER TABLE {d}.`plain` DROP COLUMN v")
            # BigQuery's resource follows its DDL; that of the emulator has to be told.
            table = bench.rest.get_table(name)
            table.schema = [field for field in table.schema if field.name != "v"]
            bench.rest.update_table(table, ["schema"])

    hostile.on_call(drop_column)
    bench.db.execute("INSERT INTO plain VALUES (50, 'during')")
    life.wait("sync.failed", table="plain", code="E312")
    assert dropped
    life.wait("sync.recovered", table="plain")
    wait_equal(life, bench, "plain")

    bench.rest.delete_table(name)
    bench.rest.create_table(bigquery.Table(name, schema=[
        bigquery.SchemaField("id", "INTEGER"), bigquery.SchemaField("v", "INTEGER")]))
    bench.db.execute("UPDATE plain SET v = 'changed' WHERE id = 1")
    refused = life.wait("table.refused", table="plain", code="E314")
    assert refused["why"] == "v is INT64 there and STRING here"
    bench.db.execute("UPDATE marked SET v = 'changed', at = at + 100 WHERE id = 1")
    wait_equal(life, bench, "marked")
    bench.rest.delete_table(name)
    wait_equal(life, bench, "plain")
    assert len(life.events("table.refused")) == 1
    assert set(failures(life)) == {("plain", "E312")}, "what was looked at a moment ago is found out by the MERGE"
    assert_streams_nothing(hostile)
    assert life.end(within_s=PATIENCE_S) == 0
    assert life.errors == ""


def test_a_project_that_is_not_there_is_told_with_its_name(workbench: Workbench, hostile: HostileBigQuery) -> None:
    hostile.rule(Method.DATASETS_GET, RestFailure(status=404, reason="notFound", message="Not found: Project wrong"))
    destination = connect(BigQuerySection(
        project="wrong", dataset=workbench.dataset, rest_endpoint=hostile.endpoints.rest,
        grpc_endpoint=hostile.endpoints.grpc), Policy())
    with pytest.raises(BqsyncError, match=f"wrong.{workbench.dataset}") as raised:
        check_dataset(destination, create=False)
    destination.close()
    assert (raised.value.rule.code, raised.value.rule.exit_code) == ("E309", 78)
    assert "`bigquery.project`" in raised.value.fix

"""A MERGE reads the partitions of its rows alone, and rows that move between partitions stand in the target once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from google.cloud import bigquery
from structlog.testing import capture_logs
from tests.engine.places import at_place
from tests.workbench import PROJECT, Workbench

from bqsync.engine.check import run_checks
from bqsync.errors import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Sequence

DAY_S, HOUR_S = 86_400, 3_600
JANUARY_S = 1_767_225_600
"""2026-01-01, midnight UTC: day 20454."""
TABLE = '[[tables]]\nname = "t"\npartition_by = "at"\ntimestamps = {{ at = "unix_seconds" }}\n{}'
DDL = "CREATE TABLE t (id INTEGER PRIMARY KEY, at INTEGER, v TEXT)"


def day(number: int) -> int:
    """Noon of that day of January 2026."""
    return JANUARY_S + (number - 1) * DAY_S + DAY_S // 2


def fill(bench: Workbench, rows: Sequence[tuple[object, ...]], settings: str = "", **more: str) -> None:
    bench.fill(DDL, ("INSERT INTO t VALUES (?, ?, ?)", rows))
    bench.configure(TABLE.format(settings), **more)


def change(bench: Workbench, script: str) -> None:
    bench.db.executescript(script)


def assert_equal(bench: Workbench) -> None:
    """Each row stands in the target once, as it is in the source."""
    found = [(row["id"], None if row["at"] is None else int(row["at"].timestamp()), row["v"])
             for row in bench.rows("t", "id")]
    assert found == bench.db.execute("SELECT id, at, v FROM t ORDER BY id").fetchall()


def pruned(statement: str) -> list[str] | None:
    """The days of January that a MERGE reads, with NULL; None for all."""
    line = next((line for line in statement.splitlines() if line.startswith("  AND (")), None)
    if line is None:
        return None
    days: list[str] = ["NULL"] if "IS NULL" in line else []
    for low, high in re.findall(r"TIMESTAMP '2026-01-(\d\d)[^']*' AND T.`at` < TIMESTAMP '2026-01-(\d\d)", line):
        days += [str(number) for number in range(int(low), int(high))]
    return sorted(days)


def merged(bench: Workbench, *, known: int = 0, **options: Any) -> list[list[str] | None]:
    """What the MERGEs of a cycle read; `known` is how many there were before."""
    assert bench.sync(**options)["t"].error is None
    fresh = bench.merges()
    return [pruned(statement) for statement in fresh[: len(fresh) - known]][::-1]


def step(bench: Workbench, script: str, **options: Any) -> list[str] | None:
    """Change the source, and have one MERGE deliver it."""
    before = len(bench.merges())
    change(bench, script)
    (found,) = merged(bench, known=before, **options)
    assert_equal(bench)
    return found


def test_a_merge_reads_the_partitions_where_its_rows_were_and_where_they_go(workbench: Workbench) -> None:
    bench = workbench
    fill(bench, [(1, day(1), "a"), (2, day(1), "a"), (3, day(5), "a"), (4, None, "a")])
    assert merged(bench) == [["1", "5", "NULL"]]
    table = bench.rest.get_table(f"{bench.dataset}.t")
    assert (table.time_partitioning.type_, table.time_partitioning.field) == ("DAY", "at")

    assert step(bench, "UPDATE t SET v = 'b' WHERE id = 3") == ["5"]
    assert step(bench, f"UPDATE t SET at = {day(9)} WHERE id = 1") == ["1", "9"], "it moves, and stands there once"
    assert step(bench, f"UPDATE t SET at = NULL WHERE id = 1; INSERT INTO t VALUES (5, {day(12)}, 'a')") == [
        "12", "9", "NULL"]
    assert step(bench, f"UPDATE t SET at = {day(2)} WHERE id = 4") == ["2", "NULL"]
    assert step(bench, "DELETE FROM t WHERE id = 3; DELETE FROM t WHERE id = 1") == ["5", "NULL"]
    assert step(bench, f"INSERT INTO t VALUES (3, {day(6)}, 'again')") == ["6"]
    assert bench.verify("t").rows_different == 0


def test_after_a_lost_state_partitions_are_read_with_the_keys(workbench: Workbench) -> None:
    bench = workbench
    fill(bench, [(1, day(1), "a"), (2, day(3), "a"), (3, None, "a")])
    assert merged(bench) == [["1", "3", "NULL"]]
    bench.lose_state()
    assert step(bench, f"UPDATE t SET at = {day(8)} WHERE id = 2") == ["1", "3", "8", "NULL"]
    assert step(bench, f"UPDATE t SET at = {day(1)} WHERE id = 2") == ["1", "8"]


class _Died(Exception):  # noqa: N818 - the process, as far as the cycle can tell
    pass


def test_a_row_whose_partition_nobody_knows_is_looked_for_in_all(workbench: Workbench) -> None:
    """As after a MERGE that had run and was not noted: where its rows stand now, the ledger can't tell."""
    bench = workbench
    fill(bench, [(1, day(1), "a"), (2, day(2), "a")])
    assert merged(bench) == [["1", "2"]]

    def die() -> None:
        raise _Died

    change(bench, f"UPDATE t SET at = {day(7)} WHERE id = 1")
    with at_place("merge.ended", die):
        assert bench.sync()["t"].error is not None
    assert step(bench, f"UPDATE t SET at = {day(4)} WHERE id = 1") is None
    assert step(bench, f"UPDATE t SET at = {day(5)} WHERE id = 1") == ["4", "5"], "from then on it is known"


def test_marked_rows_are_met_wherever_they_stand(workbench: Workbench) -> None:
    """The ledger forgets a row that is marked, and the target keeps it: it may come back under another date."""
    bench = workbench
    fill(bench, [(number, day(1), "a") for number in range(1, 5)], 'deletes = "mark"')
    assert merged(bench) == [None]
    before = len(bench.merges())
    change(bench, "DELETE FROM t WHERE id = 1")
    assert merged(bench, known=before) == [["1"]]
    change(bench, f"INSERT INTO t VALUES (1, {day(9)}, 'back')")
    assert merged(bench, known=before + 1) == [None]
    assert_equal(bench)
    assert [row["_bqsync_deleted_at"] for row in bench.rows("t", "id")] == [None] * 4
    assert step(bench, "UPDATE t SET v = 'b' WHERE id = 1") == ["9"], "of what it has, the ledger knows the partition"


def test_without_sweeps_a_forgotten_row_is_met_wherever_it_stands(workbench: Workbench) -> None:
    bench = workbench
    bench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, at INTEGER, v TEXT, ts INTEGER); CREATE INDEX t_ts ON t (ts)",
               ("INSERT INTO t VALUES (?, ?, ?, ?)", [(1, day(1), "a", JANUARY_S), (2, day(2), "a", day(20))]))
    settings = 'watermark = ["ts"]\nsweep = "off"\n'
    bench.configure(TABLE.replace('at = "unix', 'at = "unix_seconds", ts = "unix').format(settings))
    assert merged(bench) == [None]
    # Row 1 is older than the overlap: the ledger has forgotten it.
    assert step(bench, f"UPDATE t SET at = {day(9)}, ts = {day(21)} WHERE id = 1") is None
    assert step(bench, f"UPDATE t SET at = {day(3)}, ts = {day(21) + 1} WHERE id = 1") == ["3", "9"]


def test_a_key_that_tells_the_partition_needs_no_ledger(workbench: Workbench) -> None:
    bench = workbench
    bench.fill("CREATE TABLE t (id INTEGER, at INTEGER, v TEXT, ts INTEGER, PRIMARY KEY (id, at));"
               "CREATE INDEX t_ts ON t (ts)",
               ("INSERT INTO t VALUES (?, ?, ?, ?)", [(1, day(1), "a", JANUARY_S), (2, day(2), "a", day(20))]))
    settings = 'watermark = ["ts"]\nsweep = "off"\n'
    bench.configure(TABLE.replace('at = "unix', 'at = "unix_seconds", ts = "unix').format(settings))
    assert merged(bench) == [["1", "2"]]
    assert step(bench, f"UPDATE t SET v = 'b', ts = {day(21)} WHERE id = 1") == ["1"]


@pytest.mark.parametrize(("column_type", "unit", "moved"), [
    ("DATE", "month", "2027-01-01"), ("DATETIME", "hour", "0001-01-01 13:00:00"),
])
def test_dates_and_civil_times_partition_as_well(
    workbench: Workbench, column_type: str, unit: str, moved: str,
) -> None:
    bench = workbench
    rows = [(1, "2026-01-01 12:00:00"[: None if column_type == "DATETIME" else 10]), (2, None)]
    bench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, at TEXT)", ("INSERT INTO t VALUES (?, ?)", rows))
    bench.configure(f'[[tables]]\nname = "t"\npartition_by = "AT"\npartition_unit = "{unit}"\n'
                    f'types = {{ at = "{column_type}" }}')
    assert bench.sync()["t"].error is None
    assert bench.rest.get_table(f"{bench.dataset}.t").time_partitioning.type_ == unit.upper()
    for change_of in (f"UPDATE t SET at = '{moved}' WHERE id = 1", f"UPDATE t SET at = '{moved}' WHERE id = 2",
                      "UPDATE t SET at = NULL WHERE id = 1", "DELETE FROM t WHERE id = 2"):
        change(bench, change_of)
        assert bench.sync()["t"].error is None
        assert f"{column_type} '" in bench.merges()[0] or "IS NULL" in bench.merges()[0]
        found = [(row["id"], None if row["at"] is None else str(row["at"])) for row in bench.rows("t", "id")]
        assert found == bench.db.execute("SELECT id, at FROM t ORDER BY id").fetchall()


def test_rows_of_many_partitions_are_several_merges_of_2000_at_most(workbench: Workbench) -> None:
    bench = workbench
    count = 4_100
    fill(bench, [(number, JANUARY_S + number * HOUR_S, "a") for number in range(count)], 'partition_unit = "hour"')
    outcome = bench.sync()["t"]
    assert (outcome.error, outcome.rows_upserted) == (None, count)
    # Rows that follow each other in time are one range, and 2,000 partitions at most all the same.
    assert 3 <= outcome.merges <= 5
    assert_equal(bench)
    assert len(bench.db.execute("SELECT 1 FROM t").fetchall()) == count

    change(bench, f"UPDATE t SET at = at + {count * HOUR_S} WHERE id < 1500; DELETE FROM t WHERE id >= 1600")
    with capture_logs() as lines:
        outcome = bench.sync(confirmed_deletes=count)["t"]
    assert (outcome.rows_upserted, outcome.rows_deleted) == (1_500, count - 1_600)
    partitions = [line["partitions"] for line in lines if line["event"] == "merge.completed"]
    assert sum(partitions) >= 1_500 * 2 + count - 1_600
    assert max(partitions) <= 2_000
    assert_equal(bench)


def test_a_table_that_somebody_has_partitioned_and_asks_for_a_filter_is_taken_as_it_is(workbench: Workbench) -> None:
    bench = workbench
    bench.fill(DDL, ("INSERT INTO t VALUES (?, ?, ?)", [(1, day(1), "a")]))
    bench.configure('[[tables]]\nname = "t"\ntimestamps = { at = "unix_seconds" }')
    assert bench.sync()["t"].error is None
    bench.rest.delete_table(f"{bench.dataset}.t")
    table = bigquery.Table(f"{PROJECT}.{bench.dataset}.t", schema=[
        bigquery.SchemaField("id", "INT64"), bigquery.SchemaField("AT", "TIMESTAMP"),
        bigquery.SchemaField("v", "STRING")])
    table.time_partitioning = bigquery.TimePartitioning.from_api_repr(
        {"type": "DAY", "field": "AT", "requirePartitionFilter": True})
    bench.rest.create_table(table)
    bench.query("INSERT INTO {d}.t VALUES (1, TIMESTAMP '2026-01-01 12:00:00+00', 'old')")
    assert bench.sync()["t"].error is not None
    assert bench.sync(adopt=True)["t"].error is None
    bench.db.execute("UPDATE t SET at = ?", (day(4),))
    assert bench.sync()["t"].error is None
    (row,) = bench.rows("t", "id")
    assert (row["id"], row["v"]) == (1, "a")
    assert bench.verify("t").rows_different == 0
    read = [job.query for job in bench.rest.list_jobs() if isinstance(job, bigquery.QueryJob)
            and f"`{bench.dataset}`.`t` AS T" in job.query]
    assert any(text.startswith("SELECT 1 AS present") for text in read)
    since = [text for text in read if "MERGE" not in text or "`AT`" in text.split("WHEN")[0]]
    unfiltered = [text for text in since if "`AT` >= " not in text]
    assert len(unfiltered) <= 1, f"of the first table alone: {unfiltered}"


def test_a_target_that_is_not_partitioned_as_configured_is_delivered_and_told(workbench: Workbench) -> None:
    bench = workbench
    fill(bench, [(1, day(1), "a")])
    bench.configure('[[tables]]\nname = "t"\ntimestamps = { at = "unix_seconds" }')
    assert bench.sync()["t"].error is None
    bench.configure(TABLE.format('partition_unit = "month"'))
    with capture_logs() as lines:
        assert step(bench, "UPDATE t SET v = 'b'") is None
    (line,) = [line for line in lines if line["event"] == "schema.warning"]
    assert "is not partitioned, and is to be partitioned by month of at" in line["what"]
    found = [finding.what for finding in run_checks(bench.config, offline=False) if finding.level == "warning"]
    assert found == [line["what"]]


@pytest.mark.parametrize(("settings", "message"), [
    ('partition_by = "v"', "names v, which is STRING in BigQuery: BigQuery partitions by units of time"),
    ('partition_by = "gone"', "names a column 'gone' that is not delivered"),
    ('partition_by = "d"\npartition_unit = "hour"', "asks for partitions by hour of d: a DATE is partitioned by day"),
])
def test_a_column_that_can_t_partition_is_refused_and_found_by_check(
    workbench: Workbench, settings: str, message: str,
) -> None:
    bench = workbench
    bench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, d TEXT)")
    bench.configure(f'[[tables]]\nname = "t"\ntypes = {{ d = "DATE" }}\n{settings}')
    error = bench.sync()["t"].error
    assert error is not None
    assert error["kind"] == ErrorKind.SOURCE_TABLE_INVALID
    (finding,) = [one for one in run_checks(bench.config, offline=True) if one.level == "error"]
    assert message in finding.what

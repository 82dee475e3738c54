"""Each defect of the script behind the seed document, and a test that would have caught it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import grpc
import pytest
from tests.fakes.write_server import Code, Fault, WriteServer
from tests.fidelity.cutting_proxy import CuttingProxy
from tests.fidelity.expected import assert_equal, by_key, expected_rows
from tests.hostile.actions import Method, RefuseRows
from tests.hostile.proxy import HostileBigQuery
from tests.workbench import PROJECT, Workbench

from bqsync.deliver.staging import new_name
from bqsync.embedded import Endpoints
from bqsync.model import TargetRef

NUMBERS = "CREATE TABLE numbers (id INTEGER PRIMARY KEY, n INTEGER, x REAL, flag BOOLEAN, seen_at REAL);"
INSERT = "INSERT INTO numbers (id, n, x, flag, seen_at) VALUES (?, ?, ?, ?, ?)"
TABLES = '[[tables]]\nname = "numbers"\ntimestamps = { seen_at = "unix_seconds" }\n'


@pytest.fixture
def write_server() -> Iterator[WriteServer]:
    server = WriteServer()
    yield server
    server.kill()


def append_through(bench: Workbench, endpoint: str) -> None:
    """Have the appends go to another Storage Write API than the one of the emulator."""
    bench.endpoints = Endpoints(rest=bench.endpoints.rest, grpc=endpoint)
    bench.configure(TABLES)


def ids(bench: Workbench, table: str = "numbers") -> list[int]:
    return [row["id"] for row in bench.rows(table, "id")]


def test_zero_and_false_are_values_and_not_null(workbench: Workbench) -> None:
    workbench.fill(NUMBERS, (INSERT, [(1, 0, 0.0, 0, 0.0), (2, None, None, None, None)]))
    workbench.configure(TABLES)
    workbench.sync()
    (row,) = workbench.query("SELECT n, x, flag, UNIX_MICROS(seen_at) AS seen_at FROM {d}.numbers WHERE id = 1")
    assert (row["n"], row["x"], row["flag"], row["seen_at"]) == (0, 0.0, False, 0)
    (row,) = workbench.query("SELECT n, x, flag, seen_at FROM {d}.numbers WHERE id = 2")
    assert set(row.values()) == {None}


def test_a_column_that_the_message_lacks_is_delivered(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE job_runs (job_run_id TEXT PRIMARY KEY, job_run_timestamp INTEGER, extra TEXT,"
                   " job_run_keywords TEXT)", ("INSERT INTO job_runs VALUES (?, ?, ?, ?)", [("a", 1, "more", "k")]))
    workbench.configure_nine_tables()
    workbench.sync("job_runs")
    (row,) = workbench.rows("job_runs", "job_run_id")
    assert (row["extra"], row["job_run_keywords"]) == ("more", "k")


def test_a_real_is_neither_cut_to_an_integer_nor_rounded_to_32_bits(workbench: Workbench) -> None:
    reals = [0.3, 0.7, 0.1, 0.10000000149011612, 1 / 3, 1e300]
    workbench.fill(NUMBERS, (INSERT, [(i, None, x, None, None) for i, x in enumerate(reals)]))
    workbench.configure(TABLES)
    workbench.sync()
    assert [row["x"] for row in workbench.rows("numbers", "id")] == reals


def test_a_fraction_in_an_integer_column_waits_in_quarantine_and_is_not_cut(workbench: Workbench) -> None:
    workbench.fill(NUMBERS, (INSERT, [(1, 2.5, None, None, None), (2, 3.0, None, None, None)]))
    workbench.configure(TABLES)
    outcome = workbench.sync()["numbers"]
    assert (outcome.rows_upserted, outcome.rows_quarantined, outcome.error) == (1, 1, None)
    assert [(row["id"], row["n"]) for row in workbench.rows("numbers", "id")] == [(2, 3)]


@pytest.mark.parametrize("fault", [
    Fault(status=grpc.StatusCode.INVALID_ARGUMENT),
    Fault(status=grpc.StatusCode.INVALID_ARGUMENT, code=Code.INVALID_STREAM_STATE, ends_call=True),
    Fault(status=grpc.StatusCode.PERMISSION_DENIED),
    Fault(acts=True),
], ids=["refused in the answer", "refused by the call's status", "no permission", "acknowledged and never stored"])
def test_rows_that_did_not_arrive_never_count_as_delivered(
    workbench: Workbench, write_server: WriteServer, fault: Fault,
) -> None:
    workbench.fill(NUMBERS, (INSERT, [(1, 1, None, None, None), (2, 2, None, None, None)]))
    real = workbench.endpoints.grpc
    write_server.every_append = fault
    append_through(workbench, write_server.endpoint)
    outcome = workbench.sync()["numbers"]
    assert outcome.error is not None
    assert (outcome.rows_upserted, outcome.merges, ids(workbench)) == (0, 0, [])

    append_through(workbench, real)
    assert workbench.sync()["numbers"].rows_upserted == 2
    assert ids(workbench) == [1, 2]


def test_a_row_that_bigquery_refuses_waits_in_quarantine_and_the_others_arrive(
    hostile_bench: Workbench, hostile: HostileBigQuery,
) -> None:
    hostile_bench.fill("CREATE TABLE texts (id INTEGER PRIMARY KEY, body TEXT)",
                   ("INSERT INTO texts VALUES (?, ?)", [(1, "good"), (2, "POISON"), (3, "good"), (4, "POISON too")]))
    rule = hostile.rule(Method.APPEND_ROWS, RefuseRows(b"POISON"))
    hostile_bench.configure('[[tables]]\nname = "texts"')
    first = hostile_bench.sync()["texts"]
    assert (first.error, first.rows_upserted, first.rows_quarantined) == (None, 2, 2)
    assert ids(hostile_bench, "texts") == [1, 3]

    again = hostile_bench.sync()["texts"]
    assert (again.merges, again.rows_quarantined, again.quarantine_total, rule.fired) == (0, 0, 2, 1)

    hostile_bench.db.execute("UPDATE texts SET body = 'mended' WHERE id = 2")
    mended = hostile_bench.sync()["texts"]
    assert (mended.rows_upserted, mended.quarantine_total, ids(hostile_bench, "texts")) == (1, 1, [1, 2, 3])


@pytest.mark.parametrize(("row", "column"), [
    ((2, "abc", None, None, None), "n"), ((2, None, None, None, float("inf")), "seen_at"),
    ((2, None, None, "perhaps", None), "flag"), ((2, None, b"blob", None, None), "x"),
])
def test_one_bad_cell_holds_back_its_row_and_nothing_else(
    workbench: Workbench, row: tuple[object, ...], column: str,
) -> None:
    workbench.fill(NUMBERS + "CREATE TABLE later (id INTEGER PRIMARY KEY);",
                   (INSERT, [(1, 1, 1.0, 1, 1.0), row, (3, 3, 3.0, 0, 3.0)]), ("INSERT INTO later VALUES (?)", [(9,)]))
    workbench.configure(TABLES + '[[tables]]\nname = "later"\n')
    outcomes = workbench.sync()
    assert [outcome.error for outcome in outcomes.values()] == [None, None]
    assert outcomes["numbers"].rows_quarantined == 1
    assert (ids(workbench), ids(workbench, "later")) == ([1, 3], [9])


def test_a_table_that_sqlite_can_not_read_stops_no_other(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE broken (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO broken VALUES (1, 'not json');"
                   "ALTER TABLE broken ADD COLUMN x TEXT AS (json_extract(v, '$.x')) VIRTUAL;"
                   "CREATE TABLE later (id INTEGER PRIMARY KEY); INSERT INTO later VALUES (9);")
    workbench.configure('[[tables]]\nname = "broken"\n[[tables]]\nname = "later"', sync="parallel_tables = 1")
    outcomes = workbench.sync()
    assert outcomes["broken"].error is not None
    assert (outcomes["later"].error, ids(workbench, "later")) == (None, [9])


@pytest.mark.parametrize("sync", ["", "batch_rows = 50000"])
def test_rows_of_40_kb_are_bounded_by_bytes_and_copied(workbench: Workbench, sync: str) -> None:
    # Of four bytes a character: what counts characters, as SQLite and Python do, takes them for a quarter.
    rows = [(n, chr(0x1F600 + n % 26) * 10_000) for n in range(500)]
    workbench.fill("CREATE TABLE texts (id INTEGER PRIMARY KEY, body TEXT)", ("INSERT INTO texts VALUES (?, ?)", rows))
    workbench.configure('[[tables]]\nname = "texts"', sync=sync)
    assert workbench.sync()["texts"].rows_upserted == 500
    workbench.db.execute("UPDATE texts SET body = body || '!'")
    assert workbench.sync()["texts"].rows_upserted == 500
    assert_equal(expected_rows(workbench.db, "texts", ["id"], {}), by_key(workbench.rows("texts", "id"), ["id"]))


@pytest.mark.parametrize("size", [2_000_001, 7_999_999, 8_000_001, 9_700_000])
def test_a_row_larger_than_a_batch_travels_alone(workbench: Workbench, size: int) -> None:
    # The first two are read as one page, and are too much for one request.
    sizes = {1: 5_000_000, 2: size, 3: 5}
    rows = [(number, "x" * length) for number, length in sizes.items()]
    workbench.fill("CREATE TABLE texts (id INTEGER PRIMARY KEY, body TEXT)", ("INSERT INTO texts VALUES (?, ?)", rows))
    workbench.configure('[[tables]]\nname = "texts"')
    assert workbench.sync()["texts"].error is None
    assert {row["id"]: len(row["body"]) for row in workbench.rows("texts", "id")} == sizes


def test_a_row_larger_than_a_request_may_be_waits_in_quarantine(workbench: Workbench) -> None:
    rows = [(1, "small"), (2, "x" * 11_000_000), (3, "small")]
    workbench.fill("CREATE TABLE texts (id INTEGER PRIMARY KEY, body TEXT)", ("INSERT INTO texts VALUES (?, ?)", rows))
    workbench.configure('[[tables]]\nname = "texts"')
    outcome = workbench.sync()["texts"]
    assert (outcome.error, outcome.rows_quarantined, ids(workbench, "texts")) == (None, 1, [1, 3])


def test_deletes_and_their_cascades_are_followed(workbench: Workbench) -> None:
    workbench.fill(
        "PRAGMA foreign_keys = ON; CREATE TABLE parent (id INTEGER PRIMARY KEY);"
        "CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parent (id) ON DELETE CASCADE);",
        ("INSERT INTO parent VALUES (?)", [(n,) for n in range(20)]),
        ("INSERT INTO child VALUES (?, ?)", [(n, n % 20) for n in range(100)]))
    workbench.configure('[[tables]]\nname = "parent"\n[[tables]]\nname = "child"')
    workbench.sync()
    workbench.db.execute("DELETE FROM parent WHERE id < 10")
    outcomes = workbench.sync()
    assert (outcomes["parent"].rows_deleted, outcomes["child"].rows_deleted) == (10, 50)
    assert ids(workbench, "parent") == list(range(10, 20))
    assert ids(workbench, "child") == [n for n in range(100) if n % 20 >= 10]


def test_a_second_run_sends_nothing(workbench: Workbench) -> None:
    workbench.fill(NUMBERS, (INSERT, [(n, n, n / 7, n % 2, n / 3) for n in range(300)]))
    workbench.configure(TABLES)
    workbench.sync()
    again = workbench.sync()["numbers"]
    assert (again.rows_unchanged, again.rows_upserted, again.bytes_sent, again.merges) == (300, 0, 0, 0)
    assert len(workbench.merges()) == 1


def test_an_append_whose_answer_is_lost_is_sent_again_and_stored_once(
    workbench: Workbench, write_server: WriteServer,
) -> None:
    workbench.fill(NUMBERS, (INSERT, [(n, n, None, None, None) for n in range(50)]))
    write_server.appends[0] = Fault(acts=True, status=grpc.StatusCode.UNAVAILABLE, ends_call=True)
    append_through(workbench, write_server.endpoint)
    workbench.sync()
    assert write_server.connections >= 2
    assert (len(write_server.rows), len(set(write_server.rows))) == (50, 50)


def test_a_connection_lost_between_appends_and_answers_duplicates_nothing(workbench: Workbench) -> None:
    rows = [(n, chr(97 + n % 26) * 20_000) for n in range(400)]
    workbench.fill("CREATE TABLE texts (id INTEGER PRIMARY KEY, body TEXT)", ("INSERT INTO texts VALUES (?, ?)", rows))
    proxy = CuttingProxy(workbench.endpoints.grpc, cut_after_bytes=3_000_000)
    workbench.endpoints = Endpoints(rest=workbench.endpoints.rest, grpc=proxy.endpoint)
    workbench.configure('[[tables]]\nname = "texts"')
    outcome = workbench.sync()["texts"]
    proxy.close()
    assert (proxy.cuts, outcome.error) == (1, None)
    assert_equal(expected_rows(workbench.db, "texts", ["id"], {}), by_key(workbench.rows("texts", "id"), ["id"]))


def test_merge_compares_keys_as_they_are_typed(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (a INTEGER, b TEXT, c REAL, v TEXT, PRIMARY KEY (a, b, c))",
                   ("INSERT INTO t VALUES (?, ?, ?, ?)", [(1, "x", 0.1, "v")]))
    workbench.configure('[[tables]]\nname = "t"')
    workbench.sync()
    (statement,) = workbench.merges()
    condition = re.search(r"\nON (.*)\n", statement)
    assert condition is not None
    assert condition[1] == "T.`a` = S.`a` AND T.`b` = S.`b` AND T.`c` = S.`c`"
    assert "CAST" not in statement.upper()
    assert f"`{PROJECT}`.`{workbench.dataset}`" in statement


def test_staging_tables_of_one_second_have_names_of_their_own() -> None:
    names = [new_name("instance", TargetRef(project="p", dataset="d", table="job_details")) for _ in range(1000)]
    assert len(set(names)) == 1000

"""Mode `append`: a table without any key is copied row by row, and each row once, whatever happens in between."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing

import pytest
from tests.engine.application import execute, series
from tests.engine.places import at_place
from tests.workbench import Workbench

from bqsync.engine.schedule import SweepMode

TABLE = '[[tables]]\nname = "log"\nmode = "append"\n'
WITH_WATERMARK = TABLE + 'watermark = ["logged_at"]\n'
CREATE = "CREATE TABLE log (logged_at INTEGER NOT NULL, level TEXT, text TEXT)"
BASE_S = 1_750_000_000


def contents(
    workbench: Workbench, columns: str = "UNIX_SECONDS(logged_at) AS s, level, text"
) -> Counter[tuple[object, ...]]:
    """How often each row stands in the target."""
    return Counter(tuple(row.values()) for row in workbench.query(f"SELECT {columns} FROM {{d}}.log"))


def test_rows_that_are_alike_are_as_many_there_as_here(workbench: Workbench) -> None:
    workbench.fill(f"{CREATE}; INSERT INTO log VALUES ({BASE_S}, 'info', 'a'), ({BASE_S}, 'info', 'a'),"
                   f" ({BASE_S}, NULL, NULL), ({BASE_S}, NULL, NULL), ({BASE_S}, NULL, NULL), ({BASE_S}, 'info', 'b')")
    workbench.configure(TABLE)
    assert workbench.sync()["log"].rows_upserted == 6
    assert contents(workbench) == {
        (BASE_S, "info", "a"): 2, (BASE_S, None, None): 3, (BASE_S, "info", "b"): 1}
    outcome = workbench.sync()["log"]
    assert (outcome.rows_read, outcome.rows_unchanged, outcome.merges) == (6, 6, 0)
    assert workbench.verify("log").rows_different == 0
    workbench.fill(f"INSERT INTO log VALUES ({BASE_S}, 'info', 'a'), ({BASE_S}, 'info', 'c')")
    assert workbench.sync()["log"].rows_upserted == 2
    assert contents(workbench)[BASE_S, "info", "a"] == 3
    assert workbench.verify("log").rows_different == 0


def test_a_pass_finds_what_is_new_and_knows_what_it_has_read_before(workbench: Workbench) -> None:
    workbench.fill(f"{CREATE}; CREATE INDEX log_at ON log (logged_at);"
                   f"INSERT INTO log SELECT {BASE_S} + value / 3, 'info', value % 2 FROM {series(300)}")
    workbench.configure(WITH_WATERMARK, sync="page_rows = 7")
    workbench.sync()
    workbench.fill(f"INSERT INTO log VALUES ({BASE_S} + 100, 'info', '0'), ({BASE_S} + 101, 'info', 'x')")
    outcome = workbench.sync(sweep=SweepMode.NEVER)["log"]
    assert outcome.error is None
    assert outcome.rows_upserted == 2
    assert outcome.rows_read < 200, "the overlap and what is new"
    assert sum(contents(workbench).values()) == 302
    assert workbench.verify("log").rows_different == 0
    assert workbench.sync()["log"].merges == 0, "a sweep gives the rows the ids that the pass gave them"


def test_rows_that_the_application_prunes_stay_in_the_target(workbench: Workbench) -> None:
    workbench.fill(f"{CREATE}; INSERT INTO log SELECT {BASE_S} + value, 'info', value FROM {series(50)}")
    workbench.configure(TABLE)
    workbench.sync()
    workbench.fill(f"DELETE FROM log WHERE logged_at <= {BASE_S} + 40;"
                   f"INSERT INTO log VALUES ({BASE_S} + 51, 'info', '51')")
    outcome = workbench.sync()["log"]
    assert (outcome.rows_upserted, outcome.rows_deleted) == (1, 0)
    assert sum(contents(workbench).values()) == 51
    assert workbench.verify("log").rows_different == 0


def test_an_update_arrives_as_one_more_row(workbench: Workbench) -> None:
    workbench.fill(f"{CREATE}; INSERT INTO log VALUES ({BASE_S}, 'info', 'a')")
    workbench.configure(TABLE)
    workbench.sync()
    workbench.fill("UPDATE log SET text = 'b'")
    workbench.sync()
    assert contents(workbench) == {(BASE_S, "info", "a"): 1, (BASE_S, "info", "b"): 1}


def test_vacuum_moves_no_row_to_another_id(workbench: Workbench) -> None:
    workbench.fill(f"{CREATE}; INSERT INTO log SELECT {BASE_S}, 'info', value % 5 FROM {series(50)}")
    workbench.configure(TABLE)
    workbench.sync()
    workbench.fill("DELETE FROM log WHERE rowid % 2; VACUUM")
    outcome = workbench.sync()["log"]
    assert (outcome.rows_read, outcome.rows_upserted) == (25, 0)


@pytest.mark.parametrize("watermark", ["", 'watermark = ["logged_at"]\n'])
def test_a_lost_state_is_found_again_in_the_target(workbench: Workbench, watermark: str) -> None:
    workbench.fill(f"{CREATE}; INSERT INTO log SELECT {BASE_S}, 'info', value % 5 FROM {series(50)}")
    workbench.configure(TABLE + watermark)
    workbench.sync()
    workbench.lose_state()
    workbench.fill(f"INSERT INTO log VALUES ({BASE_S}, 'info', '0')")
    assert workbench.sync()["log"].error is None
    assert contents(workbench)[BASE_S, "info", "0"] == 11
    assert sum(contents(workbench).values()) == 51
    assert workbench.verify("log").rows_different == 0


def test_a_column_that_comes_fills_the_rows_that_are_there(workbench: Workbench) -> None:
    workbench.fill(f"{CREATE}; INSERT INTO log VALUES ({BASE_S}, 'info', 'a'), ({BASE_S}, 'info', 'a'),"
                   f" ({BASE_S}, 'info', 'b')")
    workbench.configure(TABLE)
    workbench.sync()
    workbench.fill(f"ALTER TABLE log ADD COLUMN host TEXT DEFAULT 'h1';"
                   f"INSERT INTO log VALUES ({BASE_S}, 'info', 'c', 'h2')")
    assert workbench.sync()["log"].rows_upserted == 4
    assert contents(workbench, "text, host") == {("a", "h1"): 2, ("b", "h1"): 1, ("c", "h2"): 1}
    workbench.lose_state()
    workbench.sync()
    assert contents(workbench, "text, host") == {("a", "h1"): 2, ("b", "h1"): 1, ("c", "h2"): 1}, (
        "the target itself tells by which columns its rows are known")


@pytest.mark.parametrize("change", ["DROP COLUMN level", "RENAME COLUMN level TO severity"])
def test_a_column_that_goes_stops_the_table_before_any_row_is_sent_twice(workbench: Workbench, change: str) -> None:
    workbench.fill(f"{CREATE}; INSERT INTO log VALUES ({BASE_S}, 'info', 'a')")
    workbench.configure(TABLE)
    workbench.sync()
    workbench.fill(f"ALTER TABLE log {change}")
    error = workbench.sync()["log"].error
    assert error is not None
    assert error["code"] == "E314"
    assert "columns have changed" in error["what"]
    assert sum(contents(workbench, "text").values()) == 1
    workbench.query("DROP TABLE {d}.log")
    assert workbench.sync()["log"].error is None
    assert sum(contents(workbench, "text").values()) == 1
    assert workbench.verify("log").rows_different == 0


def test_a_value_that_fits_no_column_waits_and_the_others_flow(workbench: Workbench) -> None:
    workbench.fill(f"{CREATE}; INSERT INTO log VALUES ({BASE_S}, 'info', 'a'), ({BASE_S}, 'info', x'ff'),"
                   f" ({BASE_S}, 'info', x'ff')")
    workbench.configure(TABLE)
    outcome = workbench.sync()["log"]
    assert (outcome.rows_upserted, outcome.quarantine_total) == (1, 2)
    assert workbench.verify("log").rows_different == 0


def test_a_target_of_somebody_else_is_taken_only_while_it_is_empty(workbench: Workbench) -> None:
    workbench.fill(f"{CREATE}; INSERT INTO log VALUES ({BASE_S}, 'info', 'a')")
    workbench.configure(TABLE)
    workbench.rest.create_dataset(workbench.dataset, exists_ok=True)
    workbench.query("CREATE TABLE {d}.log (logged_at TIMESTAMP, level STRING, text STRING)")
    workbench.query("INSERT INTO {d}.log VALUES (NULL, 'x', 'y')")
    error = workbench.sync(adopt=True)["log"].error
    assert error is not None
    assert "can't be told apart" in error["what"]
    workbench.query("DELETE FROM {d}.log WHERE TRUE")
    assert workbench.sync()["log"].error is None
    assert contents(workbench) == {(BASE_S, "info", "a"): 1}
    workbench.lose_state()
    assert workbench.sync()["log"].error is None
    assert sum(contents(workbench).values()) == 1


def test_a_target_that_has_lost_our_label_keeps_the_ids_of_its_rows(workbench: Workbench) -> None:
    """They go by the columns of the time when they came, and not by those of the time when it is adopted."""
    workbench.fill(f"{CREATE}; INSERT INTO log VALUES ({BASE_S}, 'info', 'a')")
    workbench.configure(TABLE)
    workbench.sync()
    workbench.fill("ALTER TABLE log ADD COLUMN host TEXT DEFAULT 'h1'")
    there = workbench.rest.get_table(f"{workbench.dataset}.log")
    there.labels = {**there.labels, "bqsync": "somebody-else"}
    workbench.rest.update_table(there, ["labels"])
    workbench.lose_state()
    refused = workbench.sync()["log"].error
    assert refused is not None
    assert refused["code"] == "E315"
    assert workbench.sync(adopt=True)["log"].error is None
    workbench.lose_state()
    workbench.sync()
    assert contents(workbench, "text, host") == {("a", "h1"): 1}


def test_without_the_mode_a_table_without_a_key_is_refused_and_told_of_it(workbench: Workbench) -> None:
    workbench.fill(CREATE)
    workbench.configure('[[tables]]\nname = "log"\n')
    error = workbench.sync()["log"].error
    assert error is not None
    assert error["code"] == "E104"
    assert 'mode = "append"' in error["fix"]


def test_a_watermark_that_came_after_the_target_is_no_watermark(workbench: Workbench) -> None:
    """A range of it could hold one of two rows that are alike, and give it the number of the other."""
    workbench.fill(f"{CREATE}; INSERT INTO log VALUES ({BASE_S}, 'info', 'a'), ({BASE_S}, 'info', 'a')")
    workbench.configure(TABLE)
    workbench.sync()
    workbench.fill("ALTER TABLE log ADD COLUMN seen_at INTEGER; CREATE INDEX log_seen ON log (seen_at);"
                   f"UPDATE log SET seen_at = {BASE_S} + 100 WHERE rowid = 2")
    workbench.configure(TABLE + 'watermark = ["seen_at"]\n')
    assert workbench.sync()["log"].swept
    workbench.fill(f"UPDATE log SET seen_at = {BASE_S} + 200 WHERE rowid = 2")
    assert workbench.sync(sweep=SweepMode.NEVER)["log"].rows_read == 0
    assert workbench.sync()["log"].rows_upserted == 1
    assert contents(workbench, "UNIX_SECONDS(seen_at) AS s") == {(None,): 1, (BASE_S + 200,): 1}
    workbench.configure(TABLE + 'watermark = ["seen_at"]\nsweep = "off"\n')
    error = workbench.sync()["log"].error
    assert error is not None, "nothing would ever be read"
    assert error["code"] == "E104"
    assert "came after the target" in error["why"]


def test_without_sweeps_the_ledger_keeps_the_overlap_alone(workbench: Workbench) -> None:
    workbench.fill(f"{CREATE}; CREATE INDEX log_at ON log (logged_at);"
                   f"INSERT INTO log SELECT {BASE_S} + value, 'info', 'a' FROM {series(1000)}")
    workbench.configure(WITH_WATERMARK + 'sweep = "off"\n')
    workbench.sync()
    workbench.fill(f"INSERT INTO log VALUES ({BASE_S} + 1000, 'info', 'a'), ({BASE_S} + 1001, 'info', 'a')")
    assert workbench.sync()["log"].rows_upserted == 2
    assert sum(contents(workbench).values()) == 1002
    assert workbench.verify("log").rows_different == 0
    with closing(sqlite3.connect(workbench.state_path)) as state:
        assert state.execute("SELECT count(*) FROM ledger").fetchone()[0] < 100


def test_rows_that_get_other_places_while_they_are_read_are_not_counted_twice(workbench: Workbench) -> None:
    """VACUUM gives rows of negative rowids positive ones: behind the place that the sweep has come to."""
    workbench.fill(f"CREATE TABLE log (logged_at INTEGER, text TEXT); INSERT INTO log (rowid, logged_at, text)"
                   f" SELECT value - 20, {BASE_S}, value FROM {series(10)}")
    workbench.configure(TABLE, sync="page_rows = 3")
    with at_place("sweep.page_read", lambda: execute(workbench, "VACUUM")):
        error = workbench.sync()["log"].error
    assert error is not None
    assert error["code"] == "E207"
    assert workbench.sync()["log"].error is None
    assert set(contents(workbench, "text").values()) == {1}
    assert workbench.verify("log").rows_different == 0


def test_a_table_that_has_taken_every_name_of_the_rowid_is_refused(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE log (rowid TEXT, _rowid_ TEXT, oid TEXT)")
    workbench.configure(TABLE)
    error = workbench.sync()["log"].error
    assert error is not None
    assert error["code"] == "E104"
    assert "page by page" in error["what"]

"""A watermark pass reads what is new and a little before it, sends what is not known, and loses nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.engine.application import PLAIN, execute
from tests.engine.places import at_place
from tests.workbench import Workbench

from bqsync.engine.schedule import SweepMode
from bqsync.model import CycleOutcome

NOW = 1_750_000_000
OLDEST = NOW - 100_000
"""Rows are a hundred seconds apart; the newest of a hundred is ten thousand seconds old."""
NEWEST = OLDEST + 9_900
TABLE = '[[tables]]\nname = "t"\nwatermark = ["at"]\ntimestamps = { at = "unix_seconds" }\n'
INDEX = "CREATE INDEX t_at ON t (at);"


@pytest.fixture
def bench(workbench: Workbench) -> Workbench:
    """A hundred rows, delivered by a sweep."""
    return filled(workbench)


def filled(bench: Workbench, *, index: str = INDEX, sync: str = "", rows: int = 100) -> Workbench:
    bench.fill(f"CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, at INTEGER); {index}",
               ("INSERT INTO t VALUES (?, ?, ?)", [(n, f"v{n}", OLDEST + 100 * n) for n in range(rows)]))
    bench.configure(TABLE, sync=sync)
    bench.clock_us = NOW * 1_000_000
    outcome = bench.sync()["t"]
    assert (outcome.error, outcome.rows_upserted, outcome.swept) == (None, rows, True)
    return bench


def insert(bench: Workbench, key: int, at: object, v: str = "new") -> None:
    bench.db.execute("INSERT INTO t (id, v, at) VALUES (?, ?, ?)", (key, v, at))


def passed(bench: Workbench) -> CycleOutcome:
    """One cycle without a sweep."""
    outcome = bench.sync(sweep=SweepMode.NEVER)["t"]
    assert (outcome.error, outcome.swept) == (None, False)
    return outcome


def counts(outcome: CycleOutcome) -> tuple[int, int]:
    return outcome.rows_read, outcome.rows_upserted


def delivered(bench: Workbench, *where: int) -> list[int]:
    wanted = ", ".join(map(str, where))
    return [row["id"] for row in bench.query(f"SELECT id FROM {{d}}.t WHERE id IN ({wanted}) ORDER BY id")]


def state(bench: Workbench, statement: str) -> list[Any]:
    with closing(sqlite3.connect(bench.state_path)) as connection:
        return connection.execute(statement).fetchall()


def reached(bench: Workbench) -> dict[str, int]:
    return dict(state(bench, 'SELECT "column", instant_us / 1000000 FROM watermarks WHERE instant_us IS NOT NULL'))


def assert_equal(bench: Workbench) -> None:
    outcome = bench.verify("t")
    assert (outcome.rows_different, outcome.rows_source - outcome.rows_quarantined) == (0, outcome.rows_target)


def test_only_the_window_is_read_and_only_what_is_new_is_sent(bench: Workbench) -> None:
    assert reached(bench) == {"at": NEWEST}, "a first copy notes where passes begin"
    assert counts(passed(bench)) == (1, 0), "the newest row, which is known"
    insert(bench, 1000, NOW - 5)
    bench.db.execute("UPDATE t SET v = 'changed', at = ? WHERE id = 7", (NOW - 4,))
    assert counts(passed(bench)) == (3, 2)
    assert reached(bench) == {"at": NOW - 4}
    second = passed(bench)
    assert (*counts(second), second.rows_unchanged, second.merges) == (2, 0, 2, 0)
    assert_equal(bench)


def test_the_watermark_is_the_value_of_the_source(workbench: Workbench) -> None:
    bench = filled(workbench)
    insert(bench, 1000, NOW - 5.25)
    passed(bench)
    assert state(bench, "SELECT source_value, instant_us FROM watermarks") == [(NOW - 5.25, NOW * 10**6 - 5_250_000)]


def test_a_late_commit_is_found_as_far_back_as_the_overlap(bench: Workbench) -> None:
    insert(bench, 1000, NOW - 5)
    passed(bench)
    insert(bench, 1001, NOW - 5 - 60)
    insert(bench, 1002, NOW - 5 - 62)
    assert counts(passed(bench)) == (2, 1)
    assert delivered(bench, 1001, 1002) == [1001]
    assert bench.sync()["t"].rows_upserted == 1, "a sweep finds what came later than that"
    assert_equal(bench)


@pytest.mark.parametrize("index", [INDEX, ""], ids=["indexed", "not indexed"])
def test_rows_with_the_very_value_of_the_watermark_are_read_without_any_overlap(
    workbench: Workbench, index: str,
) -> None:
    bench = filled(workbench, index=index, sync='overlap = "0s"\npage_rows = 1')
    for key in (1000, 1001, 1002):
        insert(bench, key, NEWEST)
        assert counts(passed(bench)) == (key - 998, 1)
    assert_equal(bench)


def test_a_value_of_the_future_is_delivered_and_moves_no_watermark(bench: Workbench) -> None:
    insert(bench, 1000, NOW + 1_000)
    insert(bench, 1001, NOW - 50)
    assert passed(bench).rows_upserted == 2
    assert reached(bench) == {"at": NOW - 50}
    insert(bench, 1002, NOW - 49)
    assert passed(bench).rows_upserted == 1
    bench.clock_us = (NOW + 1_000) * 1_000_000
    insert(bench, 1003, NOW + 990)
    assert passed(bench).rows_upserted == 1
    assert reached(bench) == {"at": NOW + 1_000}, "what was the future is not by now"
    assert_equal(bench)


def test_a_first_copy_with_values_of_the_future_begins_at_the_newest_of_the_past(workbench: Workbench) -> None:
    workbench.fill(f"CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, at INTEGER); {INDEX}"
                   f"INSERT INTO t VALUES (1, 'a', {NOW - 500}), (2, 'b', {NOW + 500})")
    workbench.configure(TABLE)
    workbench.clock_us = NOW * 1_000_000
    workbench.sync()
    assert reached(workbench) == {"at": NOW - 500}


@pytest.mark.parametrize("odd", ["zzz", b"\xff\xff"])
def test_a_value_of_another_class_touches_no_watermark(bench: Workbench, odd: object) -> None:
    insert(bench, 1000, odd)
    assert counts(passed(bench)) == (1, 0), "it is no part of the range"
    assert reached(bench) == {"at": NEWEST}
    insert(bench, 1001, NOW - 5)
    assert counts(passed(bench)) == (2, 1)
    assert bench.sync()["t"].quarantine_total == 1, "a sweep finds it, and what is wrong with it"
    insert(bench, 1002, NOW - 4)
    assert passed(bench).rows_upserted == 1
    assert_equal(bench)


def test_rows_without_a_timestamp_are_found_by_the_sweep(bench: Workbench) -> None:
    insert(bench, 1000, None)
    bench.db.execute("UPDATE t SET v = 'changed' WHERE id = 3")
    bench.db.execute("DELETE FROM t WHERE id = 4")
    assert counts(passed(bench)) == (1, 0)
    outcome = bench.sync()["t"]
    assert (outcome.rows_upserted, outcome.rows_deleted) == (2, 1)
    assert_equal(bench)


def test_two_columns_have_a_watermark_each(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, began INTEGER, ended INTEGER);"
                   "CREATE INDEX b ON t (began); CREATE INDEX e ON t (ended);",
                   ("INSERT INTO t VALUES (?, 'v', ?, ?)",
                    [(n, OLDEST + 100 * n, OLDEST + 50 + 100 * n if n < 5 else None) for n in range(10)]))
    workbench.configure('[[tables]]\nname = "t"\nwatermark = ["ended", "BEGAN"]\n'
                        'timestamps = { began = "unix_seconds", ended = "unix_seconds" }')
    workbench.clock_us = NOW * 1_000_000
    workbench.sync()
    assert reached(workbench) == {"began": OLDEST + 900, "ended": OLDEST + 450}
    workbench.db.execute("UPDATE t SET v = 'new', ended = ? WHERE id = 8", (NOW - 3,))
    workbench.db.execute("INSERT INTO t VALUES (77, 'new', ?, NULL)", (NOW - 700,))
    assert passed(workbench).rows_upserted == 2
    assert reached(workbench) == {"began": NOW - 700, "ended": NOW - 3}
    assert passed(workbench).merges == 0
    assert_equal(workbench)


def test_a_column_without_an_index_is_read_in_the_order_of_the_table(workbench: Workbench) -> None:
    bench = filled(workbench, index="", sync="page_rows = 2\nchunk_rows = 2")
    for key in range(1000, 1006):
        insert(bench, key, NOW - (key - 990))
    with at_place("commit.begun", lambda: 1 // 0, time=2):
        broken = bench.sync(sweep=SweepMode.NEVER)["t"]
    assert (broken.error or {})["kind"] == "internal"
    assert reached(bench) == {"at": NEWEST}, "before the last page, nothing is dealt with"
    assert passed(bench).rows_upserted > 0
    assert reached(bench) == {"at": NOW - 10}
    assert_equal(bench)


def test_with_an_index_the_watermark_moves_with_each_chunk(workbench: Workbench) -> None:
    bench = filled(workbench, sync="page_rows = 2\nchunk_rows = 2")
    for key in range(1000, 1006):
        insert(bench, key, NOW - (key - 990))
    with at_place("commit.begun", lambda: 1 // 0, time=2):
        bench.sync(sweep=SweepMode.NEVER)
    assert NEWEST < reached(bench)["at"] < NOW - 10
    assert passed(bench).rows_upserted > 0
    assert reached(bench) == {"at": NOW - 10}
    assert_equal(bench)


def iso(seconds: int, separator: str = "T") -> str:
    with closing(sqlite3.connect(":memory:")) as connection:
        (text,) = connection.execute("SELECT strftime(?, ?, 'unixepoch')",
                                     (f"%Y-%m-%d{separator}%H:%M:%SZ", seconds)).fetchone()
    return str(text)


def of_texts(bench: Workbench, texts: list[str], *, zone: str = "UTC") -> None:
    bench.fill(f"CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, at TEXT); {INDEX}",
               ("INSERT INTO t VALUES (?, 'v', ?)", list(enumerate(texts))))
    bench.configure('[[tables]]\nname = "t"\nwatermark = ["at"]\ntimestamps = { at = "iso8601" }')
    path = bench.config_path
    path.write_text(path.read_text().replace('db = "app.db"', f'db = "app.db"\ntime_zone = "{zone}"'))
    bench.clock_us = NOW * 1_000_000


def test_texts_of_one_form_are_a_watermark(workbench: Workbench) -> None:
    of_texts(workbench, [iso(OLDEST + 100 * n) for n in range(20)])
    workbench.sync()
    assert reached(workbench) == {"at": OLDEST + 1_900}
    insert(workbench, 1000, iso(NOW - 7))
    assert counts(passed(workbench)) == (2, 1)
    insert(workbench, 1001, iso(NOW + 500))
    insert(workbench, 1002, 5)
    assert passed(workbench).rows_upserted == 1
    assert reached(workbench) == {"at": NOW - 7}
    insert(workbench, 1003, iso(NOW - 3, " "))
    insert(workbench, 1004, iso(NOW - 6))
    passed(workbench)
    assert delivered(workbench, 1004) == [1004], "one text of another form does not hide the others"
    assert reached(workbench) == {"at": NOW - 6}
    workbench.sync()
    assert_equal(workbench)


def test_a_text_of_another_form_within_the_range_moves_no_watermark(workbench: Workbench) -> None:
    """It sorts by its local time, five minutes before its instant: what comes in between must not be passed over."""
    of_texts(workbench, [iso(OLDEST + 100 * n) for n in range(20)])
    workbench.sync()
    insert(workbench, 1000, f"{iso(NOW - 400)[:-1]}-00:05")
    assert passed(workbench).rows_upserted == 1
    assert reached(workbench) == {"at": OLDEST + 1_900}
    insert(workbench, 1001, iso(NOW - 300))
    assert passed(workbench).rows_upserted == 1
    assert_equal(workbench)


@pytest.mark.parametrize(("texts", "zone", "why"), [
    ([iso(OLDEST), iso(OLDEST, " ")], "UTC", "2 forms"),
    ([iso(OLDEST)[:-1], iso(OLDEST + 5)[:-1]], "Europe/Berlin", "summer time"),
    ([iso(OLDEST)[:16]], "UTC", "no dates and times"), ([f"{iso(OLDEST)[:-1]}+99:00"], "UTC", "no dates and times"),
])
def test_texts_that_do_not_sort_as_their_instants_are_told_once_and_the_table_lives_on_sweeps(
    workbench: Workbench, texts: list[str], zone: str, why: str,
) -> None:
    of_texts(workbench, texts, zone=zone)
    with capture_logs() as lines:
        first = workbench.sync()["t"]
        assert first.error is None
        insert(workbench, 1000, texts[0])
        skipped = passed(workbench)
        assert workbench.sync()["t"].rows_upserted == (0 if "+99" in texts[0] else 1)
    told = [line["what"] for line in lines if line["event"] == "schema.warning" and "watermark" in line["what"]]
    assert len(told) == 1
    assert why in told[0]
    assert (skipped.skipped, skipped.rows_read) == ("no watermark column can be used: only a sweep finds changes", 0)
    assert_equal(workbench)


def test_a_table_without_a_watermark_says_why_it_was_skipped(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
    workbench.configure('[[tables]]\nname = "t"')
    assert passed(workbench).skipped == "no watermark column can be used: only a sweep finds changes"
    assert workbench.sync()["t"].skipped == ""


def test_a_key_that_nothing_keeps_unique_has_no_passes(workbench: Workbench) -> None:
    workbench.fill(f"CREATE TABLE t (id INTEGER, v TEXT, at INTEGER); {INDEX} INSERT INTO t VALUES (1, 'a', {OLDEST})")
    workbench.configure(TABLE + 'key = ["id"]')
    assert workbench.sync()["t"].error is None
    assert "only a sweep" in passed(workbench).skipped


def test_a_clock_that_was_set_back_moves_the_watermark_back_and_asks_for_a_sweep(bench: Workbench) -> None:
    insert(bench, 1000, NOW - 5)
    passed(bench)
    bench.clock_us = (NOW - 3_600) * 1_000_000
    insert(bench, 1001, NOW - 3_601)
    with capture_logs() as lines:
        outcome = passed(bench)
    anomalies = [line["what"] for line in lines if line["event"] == "watermark.anomaly"]
    assert anomalies == ["the clock went back", "the clock went back"], "of the machine, and of the column"
    assert outcome.rows_upserted == 1
    assert reached(bench)["at"] <= NOW - 3_600
    assert bench.sync(sweep=SweepMode.DUE)["t"].swept
    insert(bench, 1002, NOW - 3_600)
    assert passed(bench).rows_upserted == 1
    assert_equal(bench)


def test_a_clock_that_wavers_within_the_overlap_loses_nothing_and_says_nothing(bench: Workbench) -> None:
    insert(bench, 1000, NOW - 5)
    passed(bench)
    bench.clock_us = (NOW - 50) * 1_000_000
    insert(bench, 1001, NOW - 51)
    with capture_logs() as lines:
        assert passed(bench).rows_upserted == 1
    assert "watermark.anomaly" not in {line["event"] for line in lines}
    assert reached(bench) == {"at": NOW - 5}
    bench.sync()
    assert not bench.sync(sweep=SweepMode.DUE)["t"].swept


def test_a_largest_value_that_went_back_asks_for_a_sweep_and_makes_many_deletes_suspect(workbench: Workbench) -> None:
    bench = filled(workbench, rows=10)
    bench.db.execute("DELETE FROM t WHERE id > 3")
    with capture_logs() as lines:
        passed(bench)
    assert [line["what"] for line in lines if line["event"] == "watermark.anomaly"] == ["the largest at went back"]
    assert reached(bench) == {"at": OLDEST + 300}
    held = bench.sync()["t"]
    assert (held.error or {})["kind"] == "deletes_held_back"
    assert "the largest at of table t went back" in (held.error or {})["why"]
    confirmed = bench.sync(confirmed_deletes=6)["t"]
    assert (confirmed.error, confirmed.rows_deleted) == (None, 6)
    assert_equal(bench)


def test_many_old_rows_may_go_from_a_small_table(workbench: Workbench) -> None:
    bench = filled(workbench, rows=10)
    bench.db.execute("DELETE FROM t WHERE id < 7")
    outcome = bench.sync()["t"]
    assert (outcome.error, outcome.rows_deleted) == (None, 7)
    assert_equal(bench)


def test_what_is_written_during_a_sweep_does_not_wait_for_its_end(workbench: Workbench) -> None:
    bench = filled(workbench, sync="page_rows = 10\nchunk_rows = 10")
    bench.db.execute("UPDATE t SET v = 'changed'")

    def write() -> None:
        with closing(sqlite3.connect(bench.db_path)) as writer, writer:
            writer.execute("INSERT INTO t VALUES (-5, 'behind the cursor', ?)", (NOW - 1,))
            writer.execute("UPDATE t SET v = 'again', at = ? WHERE id IN (2, 88)", (NOW - 1,))

    with at_place("sweep.page_read", write, time=4):
        outcome = bench.sync()["t"]
    assert (outcome.error, outcome.swept) == (None, True)
    assert (outcome.rows_upserted, outcome.rows_deleted) == (102, 0), "the sweep knows what the pass has sent"
    assert delivered(bench, -5) == [-5]
    assert [row["v"] for row in bench.query("SELECT v FROM {d}.t WHERE id IN (-5, 2, 88) ORDER BY id")] == [
        "behind the cursor", "again", "again"]
    assert_equal(bench)
    assert bench.sync()["t"].merges == 0


def test_a_row_that_changes_back_while_its_change_is_staged_ends_as_it_is(bench: Workbench) -> None:
    """The pass meets it twice in one chunk: as it was for a moment, and as the ledger has it."""
    insert(bench, 1000, NOW - 10)
    passed(bench)
    bench.db.execute("UPDATE t SET v = 'for a moment', at = ? WHERE id = 1000", (NOW - 20,))
    bench.configure(TABLE, sync="page_rows = 2")

    def change_back() -> None:
        with closing(sqlite3.connect(bench.db_path)) as writer, writer:
            writer.execute("UPDATE t SET v = 'new', at = ? WHERE id = 1000", (NOW - 10,))

    insert(bench, 1001, NOW - 19)
    insert(bench, 1002, NOW - 9)
    with at_place("pass.page_read", change_back):
        assert passed(bench).merges == 1
    assert [row["v"] for row in bench.query("SELECT v FROM {d}.t WHERE id = 1000")] == ["new"]
    assert passed(bench).merges == 0
    assert_equal(bench)


@pytest.mark.parametrize("odd", [NOW * 1_000, -NOW * 1_000_000])
def test_a_value_of_another_unit_waits_in_quarantine_and_moves_no_watermark(bench: Workbench, odd: int) -> None:
    insert(bench, 1000, odd)
    insert(bench, 1001, NOW - 5)
    assert passed(bench).rows_upserted == 1
    assert reached(bench) == {"at": NOW - 5}
    insert(bench, 1002, NOW - 4)
    assert passed(bench).rows_upserted == 1, "it does not stand before those that come after it"
    assert bench.sync()["t"].quarantine_total == 1
    assert delivered(bench, 1000, 1001, 1002) == [1001, 1002]


def test_of_dates_the_whole_day_of_the_watermark_is_read_again(workbench: Workbench) -> None:
    of_texts(workbench, [iso(OLDEST + 86_400 * n)[:10] for n in range(2)])
    path = workbench.config_path
    path.write_text(path.read_text().replace("[sync]", '[sync]\noverlap = "0s"'))
    workbench.sync()
    for key in (1000, 1001):
        insert(workbench, key, iso(OLDEST + 86_400)[:10])
        assert passed(workbench).rows_upserted == 1
    assert_equal(workbench)


def test_a_pass_takes_a_row_out_of_the_quarantine_that_is_well_again(bench: Workbench) -> None:
    insert(bench, 1000, NOW - 9)
    passed(bench)
    bench.db.execute("UPDATE t SET v = CAST(x'ff' AS TEXT), at = ? WHERE id = 1000", (NOW - 8,))
    assert passed(bench).quarantine_total == 1
    bench.db.execute("UPDATE t SET v = 'new', at = ? WHERE id = 1000", (NOW - 9,))
    assert passed(bench).quarantine_total == 0, "it is as it was delivered, all the same"
    assert_equal(bench)


def test_a_pass_may_be_the_first_cycle_of_a_table(workbench: Workbench) -> None:
    workbench.fill(f"CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, at INTEGER); {INDEX}",
                   ("INSERT INTO t VALUES (?, 'v', ?)", [(n, OLDEST + n) for n in range(30)]))
    insert(workbench, 1000, None)
    workbench.configure(TABLE)
    workbench.clock_us = NOW * 1_000_000
    assert passed(workbench).rows_upserted == 30
    outcome = workbench.sync()["t"]
    assert (outcome.rows_upserted, outcome.swept) == (1, True)
    assert_equal(workbench)


def test_full_begins_passes_anew(bench: Workbench) -> None:
    insert(bench, 1000, NOW - 5)
    assert bench.sync(full=True)["t"].rows_upserted == 101
    assert reached(bench) == {"at": NOW - 5}
    assert counts(passed(bench)) == (1, 0)


def test_a_watermark_is_fit_again_when_the_reason_is_gone(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, at TEXT); INSERT INTO t VALUES (1, '2025-06-01 10:00:00')")
    workbench.configure(PLAIN + 'watermark = ["at"]\ntimestamps = { at = "iso8601" }')
    plain = workbench.config_path.read_text()
    workbench.config_path.write_text(plain.replace('db = "app.db"', 'db = "app.db"\ntime_zone = "Europe/Berlin"'))
    assert workbench.sync()["t"].error is None
    workbench.config_path.write_text(plain)
    assert workbench.sync()["t"].error is None
    assert workbench.sync(sweep=SweepMode.NEVER)["t"].skipped == ""


def test_a_watermark_whose_values_changed_their_form_does_not_stand_still(workbench: Workbench) -> None:
    """Where most values have another form, the column is judged anew."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, at); CREATE INDEX t_at ON t (at)",
                   ("INSERT INTO t VALUES (?, 'x', ?)", [(n, f"2025-06-01T10:{n:02}:00Z") for n in range(50)]))
    workbench.clock_us = NOW * 1_000_000
    workbench.configure(PLAIN + 'watermark = ["at"]\ntimestamps = { at = "iso8601" }')
    assert workbench.sync()["t"].error is None
    workbench.db.executemany("INSERT INTO t VALUES (?, 'x', ?)",
                             [(n + 100, f"2025-06-02T10:{n:02}:00.123Z") for n in range(50)])
    with capture_logs() as lines:
        assert workbench.sync()["t"].error is None
        outcome = workbench.sync(sweep=SweepMode.NEVER)["t"]
    told = [line for line in lines if line["event"] in ("watermark.anomaly", "schema.warning")]
    assert outcome.rows_read < 10 or told, f"{outcome.rows_read} rows are read in every pass, and nobody is told"


def test_a_chunk_of_a_stopped_pass_is_no_pass_that_ended(workbench: Workbench) -> None:
    """It has not read the file as it is, and is not noted as if it had."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, at INTEGER); CREATE INDEX t_at ON t (at)",
                   ("INSERT INTO t VALUES (?, ?)", [(n, NOW - 500 + n) for n in range(10)]))
    workbench.clock_us = NOW * 1_000_000
    workbench.configure(PLAIN + 'watermark = ["at"]\ntimestamps = { at = "unix_seconds" }', sync="page_rows = 1")
    assert workbench.sync()["t"].error is None
    workbench.db.execute("UPDATE t SET at = at + 400")
    with closing(sqlite3.connect(workbench.state_path)) as state:
        before = state.execute("SELECT last_pass_us FROM tables").fetchone()
    workbench.clock_us += 1_000_000
    with at_place("pass.page_read", workbench.stop.set, time=2):
        assert workbench.sync(sweep=SweepMode.NEVER)["t"].error is None
    with closing(sqlite3.connect(workbench.state_path)) as state:
        assert state.execute("SELECT last_pass_us FROM tables").fetchone() == before


def test_a_row_that_changes_behind_the_cursor_of_a_long_pass_is_found_by_the_next_one(workbench: Workbench) -> None:
    """Without an index, the newest value of a walk says nothing of the rows that it had passed already."""
    bench = filled(workbench, index="", sync='page_rows = 2\noverlap = "1 s"', rows=10)
    bench.db.execute("UPDATE t SET v = 'first', at = ?", (NOW,))

    def write_behind_and_before() -> None:
        execute(bench, "UPDATE t SET v = 'behind', at = ? WHERE id = 0", NOW + 1)
        execute(bench, "UPDATE t SET v = 'before', at = ? WHERE id = 9", NOW + 5)
        bench.clock_us = (NOW + 6) * 1_000_000

    with at_place("pass.page_read", write_behind_and_before, time=3):
        passed(bench)
    passed(bench)
    assert_equal(bench)

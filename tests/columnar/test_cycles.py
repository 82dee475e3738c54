"""Whole cycles of a table that is read by columns: it has had many rows, as far as its ledger knows."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing

import pytest
from tests.columnar.processes import gate, readers
from tests.workbench import Workbench

from bqsync.state.ledger_pages import PageRow, pages
from bqsync.state.store import Store

TABLES = """
[[tables]]
name = "t"
types = { b = "BYTES" }
"""
WATERMARKED = """
[[tables]]
name = "t"
watermark = ["at"]
timestamps = { at = "unix_seconds" }
"""
OLD, ALL = 250, 5_000
CHUNKS = "chunk_rows = 1000\npage_rows = 250"
"""The first chunk may be read by rows, while the process starts; the others are read by columns."""
ODD = {3_050: "seven", 4_100: b"blob"}
"""In a column of numbers."""


def fill(workbench: Workbench, first: int, last: int) -> None:
    workbench.fill("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, n INTEGER, v TEXT, b)",
                   ("INSERT INTO t VALUES (?, ?, ?, ?)",
                    [(n, ODD.get(n, n), f"v{n}", bytes([n % 256])) for n in range(first, last)]))


def large(workbench: Workbench, *, sync: str = CHUNKS) -> None:
    """A table whose next sweep begins by columns, with nearly all of its rows to be sent."""
    fill(workbench, 0, OLD)
    workbench.configure(TABLES, sync=sync)
    assert workbench.sync()["t"].rows_upserted == OLD
    as_if_large(workbench)
    fill(workbench, OLD, ALL)


def as_if_large(workbench: Workbench) -> None:
    with closing(sqlite3.connect(workbench.state_path)) as state, state:
        state.execute("UPDATE tables SET next_slot = next_slot + 200000")


def ledger(workbench: Workbench) -> dict[bytes, int | None]:
    return {row.key: row.fingerprint for row in entries(workbench)}


def without_prints(workbench: Workbench) -> int:
    """How many rows of the ledger were read by columns."""
    return sum(row.source_print is None for row in entries(workbench))


def entries(workbench: Workbench) -> list[PageRow]:
    with closing(Store(workbench.state_path, read_only=True)) as store:
        return [row for page in pages(store, 1) for row in page]


def test_columns_bring_what_rows_bring(workbench: Workbench) -> None:
    large(workbench)
    first = workbench.sync(give_way=gate())["t"]
    assert (first.error, first.rows_upserted, first.rows_quarantined) == (None, ALL - OLD - 2, 2)
    assert without_prints(workbench) > 1_000, "nothing was read by columns"

    # The same again, with some rows that are others by now.
    as_if_large(workbench)
    workbench.db.execute("UPDATE t SET v = 'changed' WHERE id % 100 = 7")
    workbench.db.execute("DELETE FROM t WHERE id % 100 = 8")
    workbench.db.execute("UPDATE t SET n = 1 WHERE id = 3050")
    workbench.db.execute("UPDATE t SET n = 'x' WHERE id = 4900")
    second = workbench.sync(give_way=gate())["t"]
    assert (second.error, second.rows_upserted, second.rows_deleted) == (None, ALL // 100 + 1, ALL // 100)
    assert sorted(workbench.quarantine()) == [("t", "n", "wrong_type")] * 2
    assert workbench.verify("t").rows_different == 0
    assert not readers()

    # From an empty state, by rows alone: the ledger is the same, but for the version that waits in quarantine.
    by_columns = ledger(workbench)
    workbench.configure(TABLES, sync="columnar = false")
    workbench.state_path.unlink()
    workbench.sync(adopt=True, full=True)
    assert without_prints(workbench) <= 1
    assert len(by_columns.items() ^ ledger(workbench).items()) <= 2


def test_a_first_copy_stages_pages_as_they_come(workbench: Workbench) -> None:
    """After 20,000 rows the process is started; at the end of the second chunk it is ready."""
    rows = 36_000
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, v TEXT, b)",
                   ("INSERT INTO t VALUES (?, ?, ?, NULL)", [(n, n, f"v{n}") for n in range(rows)]))
    workbench.configure(TABLES, sync="chunk_rows = 11000")
    outcome = workbench.sync(give_way=gate())["t"]
    assert (outcome.error, outcome.rows_upserted) == (None, rows)
    assert without_prints(workbench) > 5_000
    assert workbench.verify("t").rows_different == 0
    again = workbench.sync()["t"]
    assert (again.rows_upserted, again.rows_unchanged, without_prints(workbench)) == (0, rows, 0)


def test_the_process_is_killed_in_the_middle_and_nothing_is_lost(workbench: Workbench) -> None:
    large(workbench)
    killed: list[int] = []

    def kill(process: int) -> None:
        os.kill(process, signal.SIGKILL)
        killed.append(process)

    outcome = workbench.sync(give_way=gate(kill))["t"]
    assert killed, "there was no process to be killed"
    assert (outcome.error, outcome.rows_upserted) == (None, ALL - OLD - 2)
    assert workbench.verify("t").rows_different == 0
    assert not readers()


def test_a_pass_between_two_chunks_is_not_undone_by_pages_that_were_read_before(workbench: Workbench) -> None:
    """What was read ahead holds the old version of a row; the pass has merged the new one."""
    rows = [(n, n, 1_700_000_000 + n) for n in range(ALL)]
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, at INTEGER); CREATE INDEX t_at ON t (at)",
                   ("INSERT INTO t VALUES (?, ?, ?)", rows[:OLD]))
    workbench.configure(WATERMARKED, sync=CHUNKS)
    workbench.sync()
    as_if_large(workbench)
    # No watermark tells of them: they are older than the rows before.
    workbench.fill("", ("INSERT INTO t VALUES (?, ?, ?)", [(n, n, 1_600_000_000) for n, _, _ in rows[OLD:]]))
    written: list[int] = []

    def write(_: int) -> None:
        with closing(sqlite3.connect(workbench.db_path)) as db, db:
            written.append(db.execute("UPDATE t SET n = -1, at = 1700100000 WHERE id % 10 = 3").rowcount)
            # The watermark moves past them: no later pass will meet them again.
            db.execute("UPDATE t SET at = 1700200000 WHERE id = 1")

    # It gives way behind the first page, which is as it was, and then at the end of each chunk.
    outcome = workbench.sync(give_way=gate(write, after=2))["t"]
    assert (outcome.error, written) == (None, [ALL // 10])
    assert workbench.query("SELECT count(*) AS c FROM {d}.t WHERE n = -1")[0]["c"] == written[0]
    assert workbench.verify("t").rows_different == 0


def test_columns_are_not_used_where_they_are_not_wanted(workbench: Workbench) -> None:
    large(workbench, sync=f"columnar = false\n{CHUNKS}")
    outcome = workbench.sync(give_way=gate(lambda _: pytest.fail("a process was started")))["t"]
    assert (outcome.rows_upserted, without_prints(workbench)) == (ALL - OLD - 2, 0)


def test_a_stop_ends_the_process_too(workbench: Workbench) -> None:
    large(workbench)
    outcome = workbench.sync(give_way=gate(lambda _: workbench.stop.set()))["t"]
    assert outcome.rows_upserted < ALL - OLD - 2
    assert not readers()

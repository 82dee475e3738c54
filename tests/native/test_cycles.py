"""Whole cycles of a table that compiled code reads."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing

from tests.workbench import Workbench

from bqsync.engine.sweep_pages import SMALL_ROWS
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
OLD, ALL = SMALL_ROWS + 100, 8_000
"""By the next sweep, the table is known not to be small."""
CHUNKS = "chunk_rows = 1000\npage_rows = 250"
ODD = {3_050: "seven", 4_100: b"blob"}
"""In a column of numbers."""


def fill(workbench: Workbench, first: int, last: int) -> None:
    workbench.fill("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, n INTEGER, v TEXT, b)",
                   ("INSERT INTO t VALUES (?, ?, ?, ?)",
                    [(n, ODD.get(n, n), f"v{n}", bytes([n % 256])) for n in range(first, last)]))


def large(workbench: Workbench, *, sync: str = CHUNKS) -> None:
    """A table whose next sweep begins by compiled code, with most of its rows to be sent."""
    fill(workbench, 0, OLD)
    workbench.configure(TABLES, sync=sync)
    assert workbench.sync()["t"].rows_upserted == OLD
    fill(workbench, OLD, ALL)


def ledger(workbench: Workbench) -> dict[bytes, int | None]:
    return {row.key: row.fingerprint for row in entries(workbench)}


def without_prints(workbench: Workbench) -> int:
    """How many rows of the ledger compiled code has read."""
    return sum(row.source_print is None for row in entries(workbench))


def entries(workbench: Workbench) -> list[PageRow]:
    with closing(Store(workbench.state_path, read_only=True)) as store:
        return [row for page in pages(store, 1) for row in page]


def once(then: Callable[[], object], *, after: int = 1) -> Callable[[], None]:
    """What a cycle calls between its chunks: does something the so-manieth time."""
    times = 0

    def look() -> None:
        nonlocal times
        times += 1
        if times == after:
            then()

    return look


def test_compiled_code_brings_what_rows_bring(workbench: Workbench) -> None:
    large(workbench)
    first = workbench.sync()["t"]
    assert (first.error, first.rows_upserted, first.rows_quarantined) == (None, ALL - OLD - 2, 2)
    assert without_prints(workbench) > 1_000, "nothing was read by compiled code"

    # The same again, with some rows that are others by now.
    workbench.db.execute("UPDATE t SET v = 'changed' WHERE id % 100 = 7")
    workbench.db.execute("DELETE FROM t WHERE id % 100 = 8")
    workbench.db.execute("UPDATE t SET n = 1 WHERE id = 3050")
    workbench.db.execute("UPDATE t SET n = 'x' WHERE id = 4900")
    second = workbench.sync()["t"]
    assert (second.error, second.rows_upserted, second.rows_deleted) == (None, ALL // 100 + 1, ALL // 100)
    assert sorted(workbench.quarantine()) == [("t", "n", "wrong_type")] * 2
    assert workbench.verify("t").rows_different == 0

    # From an empty state, by rows alone: the ledger is the same, but for the version that waits in quarantine.
    by_compiled_code = ledger(workbench)
    workbench.configure(TABLES, sync="native = false")
    workbench.state_path.unlink()
    workbench.sync(adopt=True, full=True)
    assert without_prints(workbench) <= 1
    assert len(by_compiled_code.items() ^ ledger(workbench).items()) <= 2


def test_a_first_copy_stages_pages_as_they_come(workbench: Workbench) -> None:
    rows = 16_000
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, v TEXT, b)",
                   ("INSERT INTO t VALUES (?, ?, ?, NULL)", [(n, n, f"v{n}") for n in range(rows)]))
    workbench.configure(TABLES, sync="chunk_rows = 5000")
    outcome = workbench.sync()["t"]
    assert (outcome.error, outcome.rows_upserted, without_prints(workbench)) == (None, rows, rows)
    assert workbench.verify("t").rows_different == 0
    again = workbench.sync()["t"]
    assert (again.rows_upserted, again.rows_unchanged) == (0, rows)


def test_what_compiled_code_has_copied_is_known_by_rows_as_well(workbench: Workbench) -> None:
    """Their prints are noted when rows meet them, so that the next time nothing has to be encoded."""
    large(workbench)
    workbench.sync()
    workbench.configure(TABLES, sync="native = false")
    outcome = workbench.sync()["t"]
    assert (outcome.rows_upserted, outcome.rows_unchanged, without_prints(workbench)) == (0, ALL - 2, 0)


def test_a_pass_between_two_chunks_is_not_undone_by_pages_that_were_read_before(workbench: Workbench) -> None:
    """What was read ahead holds the old version of a row; the pass has merged the new one."""
    rows = [(n, n, 1_700_000_000 + n) for n in range(ALL)]
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, at INTEGER); CREATE INDEX t_at ON t (at)",
                   ("INSERT INTO t VALUES (?, ?, ?)", rows[:OLD]))
    workbench.configure(WATERMARKED, sync=CHUNKS)
    workbench.sync()
    # No watermark tells of them: they are older than the rows before.
    workbench.fill("", ("INSERT INTO t VALUES (?, ?, ?)", [(n, n, 1_600_000_000) for n, _, _ in rows[OLD:]]))
    written: list[int] = []

    def write() -> None:
        with closing(sqlite3.connect(workbench.db_path)) as db, db:
            written.append(db.execute("UPDATE t SET n = -1, at = 1700100000 WHERE id % 10 = 3").rowcount)
            # The watermark moves past them: no later pass will meet them again.
            db.execute("UPDATE t SET at = 1700200000 WHERE id = 1")

    # It gives way behind each page that is as it was, and then at the end of each chunk.
    outcome = workbench.sync(give_way=once(write, after=OLD // 250 + 2))["t"]
    assert (outcome.error, written) == (None, [ALL // 10])
    assert workbench.query("SELECT count(*) AS c FROM {d}.t WHERE n = -1")[0]["c"] == written[0]
    assert workbench.verify("t").rows_different == 0


def test_compiled_code_is_not_used_where_it_is_not_wanted(workbench: Workbench) -> None:
    large(workbench, sync=f"native = false\n{CHUNKS}")
    outcome = workbench.sync()["t"]
    assert (outcome.rows_upserted, without_prints(workbench)) == (ALL - OLD - 2, 0)


def test_a_stop_ends_what_is_read_ahead_too(workbench: Workbench) -> None:
    large(workbench)
    outcome = workbench.sync(give_way=once(workbench.stop.set))["t"]
    assert outcome.rows_upserted < ALL - OLD - 2
    assert "pages-ahead" not in {thread.name for thread in threading.enumerate()}

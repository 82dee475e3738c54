"""A daemon whose BigQuery is slow to tell what a MERGE has cost: no row waits, and every bill is told."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from tests.daemon.hold import held
from tests.daemon.tables import MARKED, configure, fill, wait_equal
from tests.hostile.actions import Method, Underway

from bqsync.observe.control import ask, control_socket

if TYPE_CHECKING:
    from tests.daemon.conftest import Start
    from tests.daemon.life import Life
    from tests.hostile.proxy import HostileBigQuery
    from tests.workbench import Workbench

MIB = 2**20


def write(bench: Workbench, life: Life, value: str) -> dict[str, object]:
    """Change a row; the line that tells of its delivery."""
    before = len(life.events("sync.completed", table="marked"))
    bench.db.execute("UPDATE marked SET v = ?, at = at + 1 WHERE id = 1", (value,))
    life.wait_until(lambda: len(life.events("sync.completed", table="marked")) > before, f"the delivery of {value}")
    return life.events("sync.completed", table="marked")[before]


def told_by_cycle(bench: Workbench) -> list[int]:
    """MiB of each cycle, the newest first, as the control socket gives them."""
    found = ask(control_socket(bench.state_path))
    assert found is not None
    return [cycle.bytes_billed // MIB for cycle in found.history.tables["marked"].cycles]


def test_rows_do_not_wait_for_a_bill_and_it_is_added_to_its_cycle(
    hostile_bench: Workbench, hostile: HostileBigQuery, start: Start,
) -> None:
    bench = hostile_bench
    fill(bench)
    configure(bench, MARKED)
    bench.sync()
    hostile.rule(Method.JOBS_INSERT, Underway(size_bytes=30 * MIB), holding="MERGE")
    life = start(bench).ready()
    with held(hostile, Method.JOBS_GET, "/jobs/bqsync_staging_") as bills:
        for value in ("first", "second"):
            line = write(bench, life, value)
            assert line["merges"] == 1
            assert "bytes_billed" not in line, "it is not known, and 0 would not be true"
        wait_equal(life, bench, "marked")
        life.wait_until(lambda: bills.arrived >= 2, "both were asked for")
        assert not life.events("merge.billed")
        assert told_by_cycle(bench) == [0, 0]
    life.wait_until(lambda: len(life.events("merge.billed", table="marked")) == 2, "both bills")
    life.wait_until(lambda: told_by_cycle(bench) == [30, 30], "what each cycle has cost")
    assert life.end() == 0
    with closing(sqlite3.connect(bench.state_path)) as state:
        assert state.execute("SELECT sum(bytes) FROM bytes_billed").fetchone() == (60 * MIB,)
        assert state.execute("SELECT count(*) FROM bills_owed").fetchone() == (0,)


def test_what_a_killed_daemon_owed_is_asked_for_by_the_next_start(
    hostile_bench: Workbench, hostile: HostileBigQuery, start: Start,
) -> None:
    bench = hostile_bench
    fill(bench)
    configure(bench, MARKED)
    bench.sync()
    hostile.rule(Method.JOBS_INSERT, Underway(size_bytes=30 * MIB), holding="MERGE")
    life = start(bench).ready()
    with held(hostile, Method.JOBS_GET, "/jobs/bqsync_staging_"):
        write(bench, life, "billed by another")
        life.process.kill()
        life.process.wait()
    again = start(bench).ready()
    line = again.wait("merge.billed")
    assert (line["table"], line["bytes_billed"]) == ("marked", 30 * MIB)
    assert again.end() == 0
    with closing(sqlite3.connect(bench.state_path)) as state:
        assert state.execute("SELECT sum(bytes), sum(merges) FROM bytes_billed").fetchone() == (30 * MIB, 2)

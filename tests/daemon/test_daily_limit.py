"""A daemon at its daily limit: tables with something to send wait and say so, and a raised limit lets them go on."""

from __future__ import annotations

import signal
from functools import partial
from typing import TYPE_CHECKING

from tests.daemon.life import Life
from tests.daemon.tables import MARKED, PLAIN, configure, fill, wait_equal
from tests.hostile.actions import Billed, Method

if TYPE_CHECKING:
    from tests.daemon.conftest import Start
    from tests.hostile.proxy import HostileBigQuery
    from tests.workbench import Workbench

MIB = 2**20
OFTEN = 'verify_interval = "1 s"\n'
LIMITED = f'{MARKED}daily_bytes_billed_limit = "40 MiB"\n'


def write_until_it_waits(bench: Workbench, life: Life) -> int:
    """Write to the limited table, change by change; how many were written."""
    written = 0
    while not life.events("daily_limit.reached"):
        written += 1
        bench.db.execute("UPDATE marked SET v = ?, at = at + 1 WHERE id = 1", (f"change {written}",))
        delivered = len(life.events("sync.completed", table="marked"))
        life.wait_until(partial(has_come_to_something, life, delivered), "an outcome of the change")
    return written


def has_come_to_something(life: Life, delivered: int) -> bool:
    """The limited table waits, or has had one more cycle than that."""
    return bool(life.events("daily_limit.reached")) or len(life.events("sync.completed", table="marked")) > delivered


def test_at_its_limit_a_table_waits_and_goes_on_once_the_limit_was_raised(
    hostile_bench: Workbench, hostile: HostileBigQuery, start: Start,
) -> None:
    bench = hostile_bench
    fill(bench)
    hostile.rule(Method.JOBS_INSERT, Billed(20 * MIB), holding="MERGE")
    configure(bench, LIMITED + PLAIN, sync=OFTEN)
    life = start(bench).ready()
    life.wait("sync.completed", table="marked")
    assert write_until_it_waits(bench, life) >= 2
    line = life.wait("daily_limit.reached")
    assert (line["level"], line["table"], line["code"], line["bytes_billed"]) == ("warning", "marked", "E503", 40 * MIB)
    assert "raise the limit" in line["fix"]

    bench.db.execute("INSERT INTO plain VALUES (100, 'goes on')")
    wait_equal(life, bench, "plain")
    assert len(life.events("daily_limit.reached")) == 1, "it is told once"
    assert not life.events("sync.failed")

    bench.query("UPDATE {d}.marked SET v = 'by hand' WHERE id = 2")
    configure(bench, LIMITED.replace("40 MiB", "4 GiB") + PLAIN, sync=OFTEN)
    life.process.send_signal(signal.SIGHUP)
    life.wait("verify.repaired", table="marked")
    assert not life.events("verify.failed"), "the daemon's own look waits as well, and is no failure"
    wait_equal(life, bench, "marked", "plain")
    assert life.end() == 0

"""A BigQuery that does not answer: said once, waited for ever longer, and all is delivered when it is back."""

from __future__ import annotations

import itertools
import time

from tests.daemon.conftest import Start
from tests.daemon.life import PATIENCE_S
from tests.daemon.relay import Relay
from tests.daemon.tables import MARKED, PLAIN, QUICK, configure, fill, wait_equal
from tests.workbench import Workbench


def through(bench: Workbench, relay: Relay, tables: str, extra: str = QUICK) -> None:
    """Configure a daemon that reaches BigQuery by the relay alone, while the test itself goes straight to it."""
    direct, bench.endpoints = bench.endpoints, relay.endpoints
    configure(bench, tables, extra=extra)
    bench.endpoints = direct


def test_a_daemon_that_can_t_reach_bigquery_at_the_start_is_ready_and_recovers(
    workbench: Workbench, start: Start, relay: Relay,
) -> None:
    fill(workbench)
    through(workbench, relay, MARKED + PLAIN)
    life = start(workbench).ready()
    assert life.wait("bigquery.unavailable")["code"] == "E301"
    life.wait_until(lambda: "waiting" in life.status() and "(E301)" in life.status(), "a status that says so")
    before = life.worked_s()
    time.sleep(3.0)
    # Of its own time: what others take of the processors is no part of it.
    assert life.worked_s() - before < 1.5, "it does not spin"
    relay.open()
    wait_equal(life, workbench, "marked", "plain")
    recovered = life.wait("sync.recovered")
    assert (recovered["code"], "table" in recovered, recovered["failures"] >= 1) == ("E301", False, True)
    life.wait_until(lambda: life.status() == "2 tables, up to date", "up to date")
    assert len(life.events("bigquery.unavailable")) == 1
    assert life.events("sync.failed") == []
    assert life.end() == 0


def test_attempts_at_the_start_do_not_wait_for_the_next_look_at_the_file(
    workbench: Workbench, start: Start, relay: Relay,
) -> None:
    fill(workbench)
    through(workbench, relay, PLAIN, extra='[watch]\npoll_interval = "1 h"\n')
    life = start(workbench).ready()
    life.wait("bigquery.unavailable")
    relay.open()
    # Without an instant of its next attempt, the loop would sleep for a minute.
    life.wait("sync.recovered", seconds=0.75 * PATIENCE_S)
    wait_equal(life, workbench, "plain")
    assert life.end() == 0


def test_bigquery_goes_and_comes_back(workbench: Workbench, start: Start, relay: Relay) -> None:
    fill(workbench)
    relay.open()
    through(workbench, relay, MARKED + PLAIN)
    life = start(workbench).ready()
    wait_equal(life, workbench, "marked", "plain")
    life.wait("sync.completed", 2)

    relay.close()
    workbench.db.execute("INSERT INTO plain VALUES (50, 'during')")
    failed = life.wait("sync.failed")
    assert (failed["table"], failed["code"]) == ("plain", "E301")
    life.wait_until(lambda: "(E301)" in life.status(), "a status that says so")
    workbench.db.execute("DELETE FROM plain WHERE id = 3")
    relay.open()
    wait_equal(life, workbench, "plain")
    life.wait("sync.recovered", code="E301")
    assert len(life.events("sync.failed")) == 1
    assert life.end() == 0


def test_a_table_that_has_nothing_to_send_does_not_end_an_outage(
    workbench: Workbench, start: Start, relay: Relay,
) -> None:
    """Whoever did not call BigQuery does not know whether it answers."""
    fill(workbench)
    relay.open()
    # A sweep of the table that nobody writes to begins whenever the other one is written to.
    idle = '[[tables]]\nname = "idle"\n'
    through(workbench, relay, PLAIN + idle)
    workbench.fill("CREATE TABLE idle (id INTEGER PRIMARY KEY, v TEXT)",
                   ("INSERT INTO idle VALUES (?, 'same')", [(n,) for n in range(5)]))
    life = start(workbench).ready()
    for table in ("plain", "idle"):
        life.wait("sync.completed", table=table)
    relay.close()
    numbers = itertools.count(1_000)

    def events_after_a_write(event: str) -> list[dict[str, object]]:
        workbench.db.execute("INSERT INTO plain VALUES (?, 'during')", (next(numbers),))
        time.sleep(0.1)
        return life.events(event)

    life.wait_until(lambda: events_after_a_write("sync.failed"), "a failure")
    for _ in range(40):
        assert events_after_a_write("sync.recovered") == []
    assert len(life.events("sync.failed")) == 1
    assert "(E301)" in life.status()
    relay.open()
    wait_equal(life, workbench, "plain", "idle")
    assert life.wait("sync.recovered")["failures"] >= 1
    assert life.end() == 0

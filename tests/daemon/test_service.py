"""What a service manager sees of the daemon, and what the log tells: from READY to the last line."""

from __future__ import annotations

import signal
import time
from itertools import pairwise

from tests.daemon.conftest import Start
from tests.daemon.hold import held
from tests.daemon.tables import AT, MARKED, PLAIN, QUICK, configure, fill, is_equal, wait_equal, wait_for_lag
from tests.hostile.actions import Method
from tests.hostile.proxy import HostileBigQuery
from tests.workbench import Workbench

WATCHDOG_S = 0.6


def test_changes_of_every_kind_arrive_in_tables_with_and_without_a_watermark(
    workbench: Workbench, start: Start,
) -> None:
    fill(workbench)
    configure(workbench, MARKED + PLAIN)
    life = start(workbench).ready()
    wait_equal(life, workbench, "marked", "plain")
    life.wait_until(lambda: life.status() == "2 tables, up to date", "up to date")

    workbench.db.execute("INSERT INTO marked VALUES (100, 'new', ?)", (AT + 100,))
    workbench.db.execute("UPDATE marked SET v = 'changed', at = ? WHERE id = 3", (AT + 101,))
    workbench.db.execute("INSERT INTO plain VALUES (100, 'new')")
    workbench.db.execute("UPDATE plain SET v = 'changed' WHERE id = 3")
    workbench.db.execute("DELETE FROM plain WHERE id = 4")
    wait_equal(life, workbench, "marked", "plain")
    assert wait_for_lag(life, workbench, "marked") >= 0
    assert wait_for_lag(life, workbench, "plain") >= 0
    life.wait_until(lambda: life.status() == "2 tables, up to date", "up to date")
    assert life.end() == 0

    completed = life.events("sync.completed")
    assert sum(line["rows_deleted"] for line in completed) == 1
    assert [line["event"] for line in life.lines][:2] == ["daemon.started", "daemon.ready"]
    (stopping,), stopped = life.events("daemon.stopping"), life.lines[-1]
    assert (stopping["signal"], stopped["event"]) == ("SIGTERM", "daemon.stopped")
    assert set(stopped["abandoned"]) <= set(stopping["running"]), "what did not run then has ended well"
    assert life.errors == ""


def test_a_change_that_comes_up_in_a_cycle_and_is_delivered_by_it_has_its_lag(
    hostile_bench: Workbench, hostile: HostileBigQuery, start: Start,
) -> None:
    fill(hostile_bench, 12)
    configure(hostile_bench, MARKED, sync="page_rows = 3\nchunk_rows = 4")
    with held(hostile, Method.JOBS_INSERT, "MERGE") as hold:
        life = start(hostile_bench).ready()
        life.wait_until(lambda: hold.arrived, "the first copy is under way")
        hostile_bench.db.execute("INSERT INTO marked VALUES (100, 'meanwhile', ?)", (AT + 100,))
        life.wait_until(lambda: "lag" in life.status(), "the change has come up")
    line = life.wait("sync.completed")
    assert (line["rows_upserted"], is_equal(hostile_bench, "marked")) == (13, True)
    assert line["lag_s"] >= 1.0
    assert life.end() == 0


def test_a_service_manager_is_told_of_the_whole_life(workbench: Workbench, start: Start) -> None:
    fill(workbench)
    configure(workbench, PLAIN)
    begun = time.monotonic()
    life = start(workbench, WATCHDOG_USEC=str(int(WATCHDOG_S * 1_000_000))).ready()
    life.wait_until(lambda: len(life.manager.texts("WATCHDOG=1")) > 6, "pings")
    life.wait_until(lambda: life.status() == "1 table, up to date", "up to date")
    life.reload()
    assert life.end() == 0

    texts = [text for _, text in life.manager.messages]
    assert not any(text.startswith("READY") for text in texts[texts.index("STOPPING=1"):])
    reloading = next(text for text in texts if text.startswith("RELOADING=1"))
    first, second = [number for number, text in enumerate(texts) if text == "READY=1"]
    assert first < texts.index(reloading) < second < texts.index("STOPPING=1")
    name, _, instant = reloading.splitlines()[1].partition("=")
    assert name == "MONOTONIC_USEC"
    assert begun * 1_000_000 < int(instant) < time.monotonic() * 1_000_000
    assert "STATUS=1 table, up to date" in texts


def test_pings_come_twice_as_often_as_they_are_asked_for_while_nothing_happens(
    workbench: Workbench, start: Start,
) -> None:
    fill(workbench)
    # Nothing but the watchdog wakes the loop.
    configure(workbench, PLAIN, extra='[watch]\npoll_interval = "60 s"\n')
    life = start(workbench, WATCHDOG_USEC="2000000").ready()
    life.wait("sync.completed")
    life.wait_until(lambda: len(life.manager.texts("WATCHDOG=1")) >= 5, "pings")
    at = [instant for instant, text in life.manager.messages if text == "WATCHDOG=1"]
    # The shortest of four: the machine may stand still in the others.
    assert min(later - earlier for earlier, later in pairwise(at)) < 1.0, "of 2 s, one is allowed"


def test_a_manager_that_asks_another_process_for_pings_gets_none(workbench: Workbench, start: Start) -> None:
    fill(workbench)
    configure(workbench, PLAIN, extra=QUICK + '[log]\nheartbeat_interval = "1 s"\n')
    life = start(workbench, WATCHDOG_USEC="300000", WATCHDOG_PID="1").ready()
    life.wait("daemon.heartbeat", 2)
    assert life.manager.texts("WATCHDOG=1") == []


def test_idle_is_silent_but_for_the_heartbeat(workbench: Workbench, start: Start) -> None:
    fill(workbench)
    configure(workbench, MARKED + PLAIN, extra=QUICK + '[log]\nheartbeat_interval = "1 s"\n')
    life = start(workbench).ready()
    for table in ("marked", "plain"):
        life.wait("sync.completed", table=table)
    beats = len(life.events("daemon.heartbeat"))
    life.wait("daemon.heartbeat", beats + 1)  # what that one counts may have come before
    before = len([line for line in life.lines if line["event"] != "daemon.heartbeat"])
    last = life.wait("daemon.heartbeat", beats + 3)
    lines = [line for line in life.lines if line["event"] != "daemon.heartbeat"]
    assert len(lines) == before, lines[before:]
    assert (last["tables"], last["failing"], last["lag_s"], last["rows_upserted"]) == (2, [], 0.0, 0)
    assert last["rss_bytes"] > 10_000_000
    assert sum(beat["rows_upserted"] for beat in life.events("daemon.heartbeat")) == 20


def test_an_interrupt_ends_it_as_well(workbench: Workbench, start: Start) -> None:
    fill(workbench)
    configure(workbench, PLAIN)
    life = start(workbench).ready()
    life.wait("sync.completed")
    assert life.end(signal.SIGINT) == 0
    assert life.events("daemon.stopping")[0]["signal"] == "SIGINT"
    assert "Traceback" not in life.errors


def test_a_second_daemon_on_the_same_state_is_turned_away(workbench: Workbench, start: Start) -> None:
    fill(workbench)
    configure(workbench, PLAIN)
    first = start(workbench).ready()
    first.wait("sync.completed")
    second = start(workbench)
    assert second.died() == 75
    assert "error[E401]" in second.errors
    assert second.manager.texts("READY=1") == []
    workbench.db.execute("INSERT INTO plain VALUES (77, 'later')")
    wait_equal(first, workbench, "plain")
    assert first.end() == 0

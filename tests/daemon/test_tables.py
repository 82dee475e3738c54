"""One table's trouble is its own: the others go on, it is told once, and it recovers by itself."""

from __future__ import annotations

import itertools
import threading
import time

from tests.daemon.conftest import Start
from tests.daemon.hold import held
from tests.daemon.life import PATIENCE_S
from tests.daemon.tables import AT, MARKED, PLAIN, QUICK, configure, fill, is_equal, target, wait_equal
from tests.hostile.actions import Method
from tests.hostile.proxy import HostileBigQuery
from tests.workbench import Workbench, run_command


def test_a_table_that_can_t_be_synced_disturbs_no_other_and_is_told_once(
    hostile_bench: Workbench, hostile: HostileBigQuery, start: Start,
) -> None:
    workbench = hostile_bench
    fill(workbench)
    configure(workbench, MARKED + PLAIN, extra=QUICK + '[log]\nheartbeat_interval = "1 s"\n')
    workbench.rest.create_dataset(workbench.dataset)
    workbench.query("CREATE TABLE {d}.plain (id INT64, v STRING)")
    workbench.query("INSERT INTO {d}.plain VALUES (1000, 'of somebody else')")
    life = start(workbench).ready()
    refused = life.wait("table.refused")
    assert (refused["table"], refused["code"]) == ("plain", "E315")
    assert refused["failures"] == 1
    assert refused["retry_in_s"] <= 1.0
    wait_equal(life, workbench, "marked")
    numbers = itertools.count(100)

    def attempts_after_a_write() -> int:
        number = next(numbers)
        workbench.db.execute("INSERT INTO marked VALUES (?, 'goes on', ?)", (number, AT + number))
        workbench.db.execute("INSERT INTO plain VALUES (?, 'waits')", (number,))
        time.sleep(0.1)
        return len(hostile.matching(Method.TABLES_GET, "/tables/plain"))

    life.wait_until(lambda: attempts_after_a_write() >= 3, "some attempts, with writes to both")
    wait_equal(life, workbench, "marked")
    life.wait("daemon.heartbeat", failing=["plain"])
    life.wait_until(lambda: "failing: plain" in life.status(), "a status that says so")
    assert len(life.events("table.refused")) == 1
    assert target(workbench, "plain") == [(1000, "of somebody else")]

    workbench.query("DROP TABLE {d}.plain")
    wait_equal(life, workbench, "plain")
    recovered = life.wait("sync.recovered", table="plain")
    assert recovered["failures"] >= 2
    life.wait_until(lambda: life.status() == "2 tables, up to date", "up to date")
    assert life.end() == 0


def test_a_small_table_may_be_emptied(workbench: Workbench, start: Start) -> None:
    fill(workbench)
    configure(workbench, MARKED + PLAIN)
    life = start(workbench).ready()
    wait_equal(life, workbench, "marked", "plain")
    workbench.db.execute("DELETE FROM plain")
    wait_equal(life, workbench, "plain")
    assert life.events("deletes.held_back") == []
    assert life.end() == 0


def test_two_tables_that_are_emptied_together_wait_for_an_operator(workbench: Workbench, start: Start) -> None:
    other = '[[tables]]\nname = "other"\n'
    fill(workbench)
    workbench.fill("CREATE TABLE other (id INTEGER PRIMARY KEY, v TEXT)",
                   ("INSERT INTO other VALUES (?, 'x')", [(n,) for n in range(900)]))
    configure(workbench, MARKED + PLAIN + other, sweep_duty=0.1)
    life = start(workbench).ready()
    wait_equal(life, workbench, "marked", "plain", "other")
    # The one rests for longer than the other after its first copy.
    for statement in ("BEGIN", "DELETE FROM plain", "DELETE FROM other", "COMMIT"):
        workbench.db.execute(statement)
    life.wait("deletes.held_back", table="plain")
    held = life.wait("deletes.held_back", table="other")
    assert held["fix"] == "bqsync sync other --confirm-deletes 900"
    assert "plain" in held["why"]
    workbench.db.execute("INSERT INTO plain VALUES (50, 'new')")
    workbench.db.execute("INSERT INTO marked VALUES (50, 'new', ?)", (AT + 50,))
    wait_equal(life, workbench, "marked")
    life.wait_until(lambda: (50, "new") in target(workbench, "plain"), "what is new arrives")
    # Some attempts later.
    before = life.worked_s()
    time.sleep(2.5)
    assert life.worked_s() - before < 1.5, "it does not spin"
    assert (len(target(workbench, "plain")), len(target(workbench, "other"))) == (11, 900)
    assert len(life.events("deletes.held_back")) == 2, "each is told once"
    assert life.end() == 0

    for table, deletes in (("plain", "10"), ("other", "900")):
        done = run_command("sync", table, "--confirm-deletes", deletes, folder=workbench.folder)
        assert done.returncode == 0, done.stderr
        assert is_equal(workbench, table)


def test_a_large_first_copy_keeps_no_small_table_waiting(
    hostile_bench: Workbench, hostile: HostileBigQuery, start: Start,
) -> None:
    """One table at a time: while a MERGE of the large one is held, the others come before its next one or never."""
    fill(hostile_bench)
    hostile_bench.fill("CREATE TABLE large (id INTEGER PRIMARY KEY, v TEXT)",
                       ("INSERT INTO large VALUES (?, 'x')", [(n,) for n in range(400)]))
    configure(hostile_bench, '[[tables]]\nname = "large"\n' + MARKED + PLAIN,
              sync="parallel_tables = 1\npage_rows = 50\nchunk_rows = 100")
    with held(hostile, Method.JOBS_INSERT, "MERGE", "large") as hold:
        life = start(hostile_bench).ready()
        life.wait_until(lambda: hold.arrived == 1, "the large copy is under way")
        hostile_bench.db.execute("INSERT INTO plain VALUES (50, 'meanwhile')")
        # From then on its turn has lasted for a second, and the others are waiting for theirs.
        life.wait_until(lambda: "lag" in life.status(), "the change has come up")
        hold.let_one_go()
        wait_equal(life, hostile_bench, "marked", "plain")
        assert life.events("sync.completed", table="large") == [], "three parts of it are held"
    assert life.wait("sync.completed", table="large")["rows_upserted"] == 400
    assert life.end() == 0


def test_a_writer_that_never_pauses_does_not_starve_the_tables(workbench: Workbench, start: Start) -> None:
    fill(workbench)
    workbench.db.execute("PRAGMA synchronous = OFF")
    configure(workbench, MARKED + PLAIN, extra="")
    life = start(workbench).ready()
    wait_equal(life, workbench, "marked", "plain")
    before = len(life.events("sync.completed", table="marked"))
    pause, commits = threading.Event(), 0
    deadline = time.monotonic() + PATIENCE_S
    while len(life.events("sync.completed", table="marked")) < before + 3:
        assert time.monotonic() < deadline, commits
        commits += 1
        workbench.db.execute("INSERT INTO marked VALUES (?, 'busy', ?)", (1_000 + commits, AT + 1_000 + commits))
        pause.wait(0.004)
    wait_equal(life, workbench, "marked")
    assert life.end() == 0

"""SIGHUP: what the new configuration says is in force, or else the old one stays."""

from __future__ import annotations

import signal

from tests.daemon.conftest import Start
from tests.daemon.relay import Relay
from tests.daemon.tables import MARKED, PLAIN, QUICK, configure, fill, is_equal, is_tidy, wait_equal
from tests.workbench import Workbench

LOUD = '[log]\nheartbeat_interval = "1 s"\n'


def test_what_a_reload_adds_is_in_force(workbench: Workbench, start: Start) -> None:
    fill(workbench)
    configure(workbench, PLAIN)
    life = start(workbench).ready()
    wait_equal(life, workbench, "plain")

    configure(workbench, PLAIN + MARKED, extra=QUICK + LOUD)
    life.reload()
    reloaded = life.wait("daemon.reloaded")
    assert (reloaded["changed"], reloaded["tables"]) == (["log", "tables"], 2)
    wait_equal(life, workbench, "marked", "plain")
    life.wait("daemon.heartbeat")
    workbench.db.execute("INSERT INTO plain VALUES (50, 'after')")
    wait_equal(life, workbench, "plain")
    assert len(life.events("daemon.ready")) == 1
    assert life.end() == 0


def test_a_broken_configuration_keeps_the_old_one_at_work(workbench: Workbench, start: Start) -> None:
    fill(workbench)
    configure(workbench, PLAIN)
    life = start(workbench).ready()
    wait_equal(life, workbench, "plain")

    configure(workbench, PLAIN, extra="[watch]\ndebounze = 1\n[log]\nlevel = 'error'\n")
    life.reload()
    failed = life.wait("daemon.reload_failed")
    assert (failed["code"], "debounze" in failed["problems"]) == ("E101", True)
    workbench.db.execute("INSERT INTO plain VALUES (50, 'after')")
    wait_equal(life, workbench, "plain")
    life.wait("sync.completed")

    workbench.config_path.unlink()
    life.reload()
    assert life.wait("daemon.reload_failed", 2)["code"] == "E102"
    workbench.db.execute("INSERT INTO plain VALUES (51, 'after')")
    wait_equal(life, workbench, "plain")
    assert life.end() == 0


def test_another_state_file_is_refused_and_nothing_of_that_configuration_is_in_force(
    workbench: Workbench, start: Start,
) -> None:
    fill(workbench)
    configure(workbench, PLAIN)
    life = start(workbench).ready()
    wait_equal(life, workbench, "plain")

    configure(workbench, PLAIN, extra=QUICK + '[log]\nlevel = "error"\n')
    text = workbench.config_path.read_text(encoding="utf-8")
    workbench.config_path.write_text(text.replace("state/state.db", "state/other.db"), encoding="utf-8")
    life.reload()
    assert "state.file" in life.wait("daemon.reload_failed")["what"]
    before = len(life.events("sync.completed"))
    workbench.db.execute("INSERT INTO plain VALUES (50, 'after')")
    wait_equal(life, workbench, "plain")
    life.wait("sync.completed", before + 1)
    assert not workbench.state_path.with_name("other.db").exists()
    assert life.end() == 0


def test_a_bigquery_that_does_not_answer_after_a_reload_degrades_and_ends_nothing(
    workbench: Workbench, start: Start, relay: Relay,
) -> None:
    fill(workbench)
    configure(workbench, PLAIN)
    life = start(workbench).ready()
    wait_equal(life, workbench, "plain")

    good, workbench.endpoints = workbench.endpoints, relay.endpoints
    configure(workbench, PLAIN)
    life.reload()
    assert life.wait("bigquery.unavailable")["code"] == "E301"
    life.wait_until(lambda: "(E301)" in life.status(), "a status that says so")
    workbench.db.execute("INSERT INTO plain VALUES (50, 'during')")

    workbench.endpoints = good
    configure(workbench, PLAIN)
    life.reload()
    wait_equal(life, workbench, "plain")
    assert life.events("daemon.reload_failed") == []
    assert life.end() == 0


def test_reloads_in_the_midst_of_work_lose_nothing(workbench: Workbench, start: Start) -> None:
    fill(workbench, 3_000)
    configure(workbench, MARKED + PLAIN, sync="page_rows = 100\nchunk_rows = 300")
    life = start(workbench).ready()
    for number in range(4):
        life.process.send_signal(signal.SIGHUP)
        workbench.db.execute("INSERT INTO plain VALUES (?, 'more')", (10_000 + number,))
        life.wait("daemon.reloaded", number + 1)
    wait_equal(life, workbench, "marked", "plain")
    life.wait_until(lambda: is_tidy(workbench, "marked", "plain"), "nothing is left of the chunks before")
    assert life.events("sync.failed") == []
    assert life.end() == 0


def test_a_state_that_neither_configuration_can_open_ends_the_daemon(workbench: Workbench, start: Start) -> None:
    fill(workbench)
    configure(workbench, PLAIN)
    life = start(workbench).ready()
    wait_equal(life, workbench, "plain")
    for path in workbench.state_path.parent.glob("state.db*"):
        if not path.name.endswith(".lock"):
            path.unlink()
    workbench.state_path.mkdir()
    life.process.send_signal(signal.SIGHUP)
    assert life.died() != 0
    assert len(life.events("daemon.reload_failed")) == 1
    assert is_equal(workbench, "plain")

"""What operators see of a running daemon, and ask of it, by commands beside it."""

from __future__ import annotations

from typing import Any

from tests.cli.command_line import bqsync, document, failure
from tests.daemon.conftest import Start
from tests.daemon.hold import held
from tests.daemon.tables import AT, MARKED, PLAIN, QUICK, configure, fill, wait_equal
from tests.hostile.actions import Method
from tests.hostile.proxy import HostileBigQuery
from tests.workbench import Workbench

from bqsync.errors import ErrorKind
from bqsync.observe.live import live_file


def live(bench: Workbench, name: str) -> dict[str, Any]:
    """What the daemon tells of a table; empty before it has told anything."""
    (table,) = [one for one in document(bench.folder, "status")["tables"] if one["name"] == name]
    return dict(table["live"] or {})


def source_failure(bench: Workbench) -> str | None:
    daemon = document(bench.folder, "status")["daemon"]
    return daemon["source_failure"] and str(daemon["source_failure"]["code"])


def test_commands_beside_a_daemon_see_what_it_is_about_and_have_it_try_again(
    hostile_bench: Workbench, hostile: HostileBigQuery, start: Start,
) -> None:
    bench = hostile_bench
    fill(bench)
    bench.db.execute("INSERT INTO plain VALUES (99, x'ff')")
    configure(bench, MARKED + PLAIN, extra=QUICK)
    life = start(bench).ready()
    wait_equal(life, bench, "marked")
    life.wait("row.quarantined", table="plain")
    life.wait_until(lambda: live(bench, "plain").get("is_running") is False, "a daemon that tells that it rests")
    report = document(bench.folder, "status")
    assert (report["pid"], report["daemon"]["pid"], report["is_failing"]) == (life.process.pid, life.process.pid, False)
    assert {table["name"]: table["health"] for table in report["tables"]} == {"marked": "ok", "plain": "ok"}

    # The file is as it was, and the next sweep would be due in an hour.
    assert document(bench.folder, "quarantine", "--retry", "plain")["retried"] == 1
    life.wait("row.quarantined", 2, table="plain")

    error = failure(bench.folder, "state", "reset", "marked", "--yes")
    assert (error.kind, f"process {life.process.pid} " in error.why) == (ErrorKind.STATE_LOCKED, True)
    assert document(bench.folder, "state", "show")["pid"] == life.process.pid

    with held(hostile, Method.JOBS_INSERT, "MERGE"):
        bench.db.execute("INSERT INTO marked VALUES (50, 'waits', ?)", (AT + 50,))
        life.wait_until(lambda: live(bench, "marked")["is_running"] and live(bench, "marked")["pending_since_us"],
                        "a change that waits")
        assert live(bench, "marked")["lag_s"] > 0
    wait_equal(life, bench, "marked")
    life.wait_until(lambda: live(bench, "marked")["lag_s"] == 0, "no change that waits")

    away = bench.db_path.rename(bench.folder / "away.db")
    life.wait_until(lambda: source_failure(bench) == "E201", "a daemon that tells that the database is gone")
    assert bqsync(bench.folder, "status").code == 1
    away.rename(bench.db_path)
    life.wait_until(lambda: source_failure(bench) is None, "a daemon that has found it again")

    assert life.end() == 0
    assert not live_file(bench.state_path).exists()
    assert document(bench.folder, "status")["daemon"] is None

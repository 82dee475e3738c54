"""What was reset is found out anew by the next cycle: nothing is doubled, nothing goes that should stay."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from threading import Event
from typing import TYPE_CHECKING, Any

import click
import pytest
from tests.cli.command_line import bqsync, document, failure
from tests.hostile.actions import Method, RunLate

from bqsync.engine.schedule import SweepMode
from bqsync.errors import ErrorKind, ExitCode
from bqsync.state.lock import StateLock

if TYPE_CHECKING:
    from tests.hostile.proxy import HostileBigQuery
    from tests.workbench import Workbench

AT = 1_767_225_600
OLD = AT - 10_000_000
"""Long before the overlap."""
TABLE = '[[tables]]\nname = "things"\nwatermark = ["at"]\n'
SCHEMA = "CREATE TABLE things (id INTEGER PRIMARY KEY, v INTEGER, at INTEGER)"
RESET = ("state", "reset", "things", "--yes")


def known(bench: Workbench) -> dict[str, Any]:
    """What the state knows of the table."""
    (table,) = document(bench.folder, "state", "show", "things")["tables"]
    return dict(table)


def rows(bench: Workbench) -> list[tuple[int, int]]:
    return [(row["id"], row["v"]) for row in bench.rows("things", "id")]


@pytest.fixture
def bench(workbench: Workbench) -> Workbench:
    """Four rows that have arrived, one of which can't be delivered any more, and another one that never could."""
    workbench.fill(SCHEMA, ("INSERT INTO things VALUES (?, ?, ?)", [(number, number, AT) for number in range(4)]))
    workbench.configure(TABLE, sync="sweep_duty = 1.0")  # a sweep that took long asks for no rest
    workbench.sync()
    workbench.fill("UPDATE things SET v = 'text' WHERE id = 3; INSERT INTO things VALUES (4, 'text', 1767225600)")
    workbench.sync()
    return workbench


def test_a_ledger_that_was_reset_is_made_anew_from_the_target(bench: Workbench) -> None:
    bench.query("DELETE FROM {d}.things WHERE id = 0")
    bench.query("UPDATE {d}.things SET v = 99 WHERE id = 1")
    bench.query("INSERT INTO {d}.things (id, v) VALUES (77, 77)")
    bench.fill(f"DELETE FROM things WHERE id = 2; INSERT INTO things VALUES (5, 5, {OLD})")
    assert document(bench.folder, *RESET) == {"tables": ["things"], "parts": ["ledger"]}
    before = known(bench)
    assert (before["is_trusted"], before["sweep"]["reason"]) == (False, "bqsync state reset")
    assert bench.sync(sweep=SweepMode.DUE)["things"].error is None
    # Of 3 the version stays that could be delivered; 4 never could.
    assert rows(bench) == [(0, 0), (1, 1), (3, 3), (5, 5)]
    assert bench.verify("things").rows_different == 0
    after = known(bench)
    assert (after["is_trusted"], after["quarantine"]) == (True, {"wrong_type": 2})
    assert (after["ledger"]["rows"], after["ledger"]["rows_unknown"]) == (4, 1), "what 3 holds there nobody has seen"
    numbers = {field["column"]: field["number"] for field in before["fields"]}
    assert {field["column"]: field["number"] for field in after["fields"]} == numbers


def test_watermarks_that_were_reset_are_decided_anew_and_miss_nothing(bench: Workbench) -> None:
    bench.fill(f"INSERT INTO things VALUES (6, 6, {OLD})")
    assert bench.sync(sweep=SweepMode.NEVER)["things"].rows_upserted == 0, "no timestamp tells of it"
    bqsync(bench.folder, *RESET, "--watermarks")
    assert (known(bench)["watermarks"], known(bench)["is_trusted"], known(bench)["sweep"]["is_due"]) == ([], True, True)
    assert bench.sync(sweep=SweepMode.DUE)["things"].rows_upserted == 1
    (watermark,) = known(bench)["watermarks"]
    assert (watermark["column"], watermark["reached_us"]) == ("at", AT * 1_000_000)
    assert rows(bench) == [(0, 0), (1, 1), (2, 2), (3, 3), (6, 6)]


def test_a_quarantine_that_was_reset_fills_again_and_all_of_it_can_be_reset_at_once(bench: Workbench) -> None:
    for options, parts in ((("--quarantine",), ["quarantine"]), (("--all",), ["ledger", "watermarks", "quarantine"])):
        assert document(bench.folder, *RESET, *options)["parts"] == parts
        assert known(bench)["quarantine"] == {}
        assert bench.sync(sweep=SweepMode.DUE)["things"].rows_quarantined == 2
        assert known(bench)["quarantine"] == {"wrong_type": 2}
        assert rows(bench) == [(0, 0), (1, 1), (2, 2), (3, 3)]


def test_a_reset_does_not_let_deletes_pass_that_the_guard_holds_back(workbench: Workbench) -> None:
    workbench.fill(SCHEMA, ("INSERT INTO things VALUES (?, ?, ?)", [(number, 0, AT) for number in range(1_200)]))
    workbench.configure(TABLE, sync="sweep_duty = 1.0")  # a sweep that took long asks for no rest
    workbench.sync()
    workbench.fill("DELETE FROM things WHERE id < 1100")
    for _ in range(3):
        error = workbench.sync()["things"].error
        assert error is not None
        assert error["code"] == "E501"
        table = known(workbench)
        assert (table["deletes_held"], table["sweep"]["doubted_rows"]) == (1_100, 1_200)
        (status,) = document(workbench.folder, "status")["tables"]
        assert status["confirm_deletes"] == "bqsync sync things --confirm-deletes 1100"
        bqsync(workbench.folder, *RESET, "--all")
        # What is new must not make the losses a smaller part of the table.
        new = [(number, 0, AT) for number in range(2_000, 4_000)]
        workbench.fill("", ("INSERT OR IGNORE INTO things VALUES (?, ?, ?)", new))
    assert workbench.query("SELECT count(*) AS n FROM {d}.things") == [{"n": 3_200}]
    assert workbench.sync(confirmed_deletes=1_100)["things"].error is None
    assert (known(workbench)["deletes_held"], workbench.verify("things").rows_different) == (0, 0)


def test_an_open_merge_outlives_a_reset_and_is_seen_to_its_end(
    hostile_bench: Workbench, hostile: HostileBigQuery,
) -> None:
    bench = hostile_bench
    bench.fill(SCHEMA, ("INSERT INTO things VALUES (?, ?, ?)", [(number, 0, AT) for number in range(3)]))
    bench.configure(TABLE)
    bench.sync()
    bench.fill("UPDATE things SET v = 1 WHERE id = 0; DELETE FROM things WHERE id = 1")
    hostile.reset()
    hostile.rule(Method.JOBS_INSERT, RunLate(), holding="MERGE", times=1)
    assert bench.sync(stop=give_up_at_merge(hostile))["things"].error is not None
    intent = known(bench)["intent"]
    assert intent is not None
    assert intent["job_id"] in bqsync(bench.folder, *RESET, "--all").output
    assert known(bench)["intent"] == intent
    bench.fill(f"UPDATE things SET v = 2 WHERE id = 0; INSERT INTO things VALUES (1, 2, {OLD})")
    assert bench.sync()["things"].error is None
    assert known(bench)["intent"] is None
    assert rows(bench) == [(0, 2), (1, 2), (2, 0)]
    assert bench.verify("things").rows_different == 0


def give_up_at_merge(hostile: HostileBigQuery) -> Event:
    """Ends the cycle's patience as soon as it submits a MERGE."""
    stop = Event()
    hostile.on_call(lambda call: stop.set() if call.method is Method.JOBS_INSERT and call.holds("MERGE") else None)
    return stop


def test_nothing_is_reset_beside_another_bqsync_or_unasked(bench: Workbench) -> None:
    before = known(bench)
    lock = StateLock(bench.state_path)
    lock.acquire()
    error = failure(bench.folder, *RESET)
    lock.release()
    assert (error.kind, error.rule.exit_code) == (ErrorKind.STATE_LOCKED, ExitCode.LOCKED)
    assert f"process {os.getpid()} " in error.why
    with pytest.raises(click.UsageError, match="--yes"):
        bqsync(bench.folder, "state", "reset", "things")
    with pytest.raises(click.UsageError):
        bqsync(bench.folder, "state", "reset", "--all", "--yes")
    unknown = failure(bench.folder, "state", "reset", "nowhere", "--yes")
    assert (unknown.kind, unknown.fix[:16]) == (ErrorKind.CONFIG_INVALID, "correct the name")
    assert (at_terminal(bench, "n\n"), known(bench)) == (1, before)
    assert at_terminal(bench, "y\n") == 0
    assert known(bench)["is_trusted"] is False


def at_terminal(bench: Workbench, answer: str) -> int:
    """The exit code of a reset that asks a person."""
    person, terminal = pty.openpty()
    os.write(person, answer.encode())
    command = [sys.executable, "-P", "-m", "bqsync", "state", "reset", "things"]
    done = subprocess.run(command, cwd=bench.folder, stdin=terminal, capture_output=True, text=True, check=False)
    os.close(terminal)
    os.close(person)
    assert "would forget the ledger of things" in done.stdout
    assert "Go on?" in done.stderr
    return done.returncode


def test_nothing_is_made_where_there_is_no_state(workbench: Workbench) -> None:
    workbench.configure(TABLE, sync="sweep_duty = 1.0")  # a sweep that took long asks for no rest
    for command in (RESET, ("state", "show"), ("state", "export"), ("quarantine", "--retry")):
        assert failure(workbench.folder, *command).kind is ErrorKind.STATE_MISSING
    assert not workbench.state_path.parent.exists()

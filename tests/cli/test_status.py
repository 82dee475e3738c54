"""What status tells of a state that is missing, newer, damaged or in use, and of a daemon that has died."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.command_line import bqsync, document, failure

from bqsync.engine.status import next_sweep_us
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.observe.live import LiveStatus, LiveTable, live_file, read_live, remove_live, write_live
from bqsync.state.health import unknown_table
from bqsync.state.lock import StateLock
from bqsync.state.store import Store
from bqsync.state.tables import Effort, TableState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = """
[source]
db = "app.db"
[bigquery]
project = "p"
dataset = "d"
[state]
file = "state.db"
[[tables]]
name = "things"
merge_interval = "1 s"
[[tables]]
name = "never"
"""
OUTAGE = BqsyncError(ErrorKind.BIGQUERY_UNREACHABLE, what="nothing answers", why="the network is down")
RUNNING = LiveTable(is_running=True, pending_since_us=1, failures=0, paused_until_us=None, merge_interval_s=4.0)
LIVE = LiveStatus(pid=os.getpid(), started_us=1, written_us=2, source_failure=None, outage=None, outage_until_us=None,
                  tables={"things": RUNNING})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "config.toml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


@pytest.fixture
def synced(home: Path) -> Path:
    """One table was synced."""
    with closing(Store(home / "state.db")) as store:
        TableState(store, store.source_id("app"), "things").record_attempt(None, 10)
    return home


@pytest.fixture
def locked(synced: Path) -> Iterator[Path]:
    """This process works with the state."""
    lock = StateLock(synced / "state.db")
    lock.acquire()
    yield synced
    lock.release()


def table(home: Path, name: str = "things") -> dict[str, Any]:
    (found,) = [one for one in document(home, "status")["tables"] if one["name"] == name]
    return dict(found)


def test_without_a_state_every_table_is_new_and_nothing_is_made(home: Path) -> None:
    shown = bqsync(home, "status")
    assert shown.code == 0
    assert "daemon  does not run" in shown.output
    assert shown.output.count("not copied yet") == 2
    assert "run `bqsync sync`" in shown.output
    assert sorted(path.name for path in home.iterdir()) == ["config.toml"]


def test_a_newer_or_damaged_state_is_an_error_with_its_fix(synced: Path) -> None:
    with closing(sqlite3.connect(synced / "state.db")) as state:
        state.execute("PRAGMA user_version = 99")
    for command in (("status",), ("state", "show"), ("state", "export"), ("quarantine",),
                    ("state", "reset", "things", "--yes")):
        error = failure(synced, *command)
        assert (error.kind, "upgrade bqsync" in error.fix) == (ErrorKind.STATE_NEWER, True)
    (synced / "state.db").write_bytes(b"garbage" * 1_000)
    for command in (("status",), ("state", "show"), ("state", "export"), ("quarantine", "--retry"),
                    ("state", "reset", "things", "--yes")):
        error = failure(synced, *command)
        assert (error.kind, "bqsync sync" in error.fix) == (ErrorKind.STATE_DAMAGED, True)
    assert (synced / "state.db").read_bytes() == b"garbage" * 1_000, "nothing is moved aside by who only looks"


def test_a_table_that_has_failed_makes_it_fail(synced: Path) -> None:
    assert bqsync(synced, "status").code == 0
    with closing(Store(synced / "state.db")) as store:
        TableState(store, store.source_id("app"), "things").record_attempt(OUTAGE.as_dict(), 20)
    shown = bqsync(synced, "status")
    assert (shown.code, "failed: E301" in shown.output, "nothing answers" in shown.output) == (1, True, True)


def test_another_command_that_works_with_the_state_is_no_daemon(locked: Path) -> None:
    assert f"process {os.getpid()} works with the state" in bqsync(locked, "status").output
    write_live(live_file(locked / "state.db"), LiveStatus(
        pid=1, started_us=1, written_us=2, source_failure=None, outage=None, outage_until_us=None, tables={}))
    assert document(locked, "status")["daemon"] is None, "what a daemon left that has died"


def test_the_daemon_tells_what_only_it_knows(locked: Path) -> None:
    file = live_file(locked / "state.db")
    write_live(file, LIVE)
    report = document(locked, "status")
    assert (report["pid"], report["daemon"]["pid"], report["is_failing"]) == (os.getpid(), os.getpid(), False)
    live = table(locked)["live"]
    assert live["lag_s"] > 3600
    assert (live["is_running"], live["merge_interval_s"], table(locked)["merge_interval_s"]) == (True, 4.0, 1.0)
    assert table(locked, "never")["live"] is None
    text = bqsync(locked, "status").output
    assert "to be reconciled, at work" in text
    assert "cycles are 4 s apart, configured are 1 s" in text

    waiting = LiveTable(is_running=False, pending_since_us=None, failures=3, paused_until_us=1, merge_interval_s=1.0)
    write_live(file, LiveStatus(
        pid=os.getpid(), started_us=1, written_us=2, source_failure=None, outage=OUTAGE.as_dict(), outage_until_us=3,
        tables={"things": waiting}))
    shown = bqsync(locked, "status")
    assert shown.code == 1
    assert "error[E301]: nothing answers" in shown.output
    assert "things has failed 3 times in a row; tried again now" in shown.output


@pytest.mark.parametrize("contents", [b"", b"{", b"\xff\xfe", b'{"pid": "x"}', b"[]"])
def test_a_live_file_that_makes_no_sense_is_no_daemon(locked: Path, contents: bytes) -> None:
    live_file(locked / "state.db").write_bytes(contents)
    assert document(locked, "status")["daemon"] is None


def test_a_live_file_is_private_and_its_place_may_be_anything(tmp_path: Path) -> None:
    file = live_file(tmp_path / "state.db")
    assert read_live(file) is None
    write_live(file, LIVE)
    assert (read_live(file), file.stat().st_mode & 0o777) == (LIVE, 0o600)
    remove_live(file)
    remove_live(file)
    os.mkfifo(file)
    assert read_live(file) is None
    write_live(file, LIVE)
    assert read_live(file) == LIVE
    write_live(tmp_path / "nowhere" / "state.db.live", LIVE)


HOUR_US = 3_600_000_000


@pytest.mark.parametrize(("due", "ended_us", "walk", "rows", "expected_us"), [
    ("first sync", None, None, 0, 7), (None, 100, None, 1, 100 + HOUR_US), ("asked", 100, None, 1, 7),
    ("asked", 100, Effort(100, 50), 1, 100 + 950), (None, 100, Effort(100, HOUR_US), 1, 100 + 19 * HOUR_US),
    ("first sync", None, Effort(100, 50), 0, 7),
])
def test_the_next_sweep_is_due_when_it_was_asked_for_or_the_interval_is_over_and_has_rested(
    due: str | None, ended_us: int | None, walk: Effort | None, rows: int, expected_us: int,
) -> None:
    health = replace(unknown_table("t"), sweep_due=due, last_sweep_us=ended_us, last_walk=walk, rows=rows)
    assert next_sweep_us(health, interval_us=HOUR_US, duty=0.05, now_us=7) == expected_us

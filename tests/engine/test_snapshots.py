"""What the daemon shows of itself: from its memory, and of the state what was last read."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from bqsync.config import Config, load
from bqsync.engine.snapshots import Snapshots
from bqsync.observe.last_hour import LastHour
from bqsync.observe.live import LiveStatus, LiveTable
from bqsync.observe.report import Health
from bqsync.state.store import Store
from bqsync.state.tables import TableState

NOW_US = 1_767_225_600_000_000
WAITS = LiveTable(is_running=True, pending_since_us=NOW_US - 40_000_000, failures=0, paused_until_us=None,
                  merge_interval_s=0.0)
LIVE = LiveStatus(pid=1, started_us=1, written_us=0, source_failure=None, outage=None, outage_until_us=None,
                  tables={"things": WAITS})


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "config.toml").write_text(
        '[source]\ndb = "app.db"\n[bigquery]\nproject = "p"\ndataset = "d"\n[state]\nfile = "state.db"\n'
        '[[tables]]\nname = "things"\n[[tables]]\nname = "never"\n', encoding="utf-8")
    with closing(Store(tmp_path / "state.db")) as store:
        TableState(store, store.source_id("app"), "things").record_attempt(None, NOW_US - 50_000_000)
    return load(tmp_path / "config.toml", environ={})


def snapshots(config: Config) -> Snapshots:
    hour = LastHour()
    hour.keep(["things", "never"])
    return Snapshots(config, lambda: LIVE, hour, lambda: NOW_US)


def test_state_and_memory_are_told_together_and_what_waits_is_a_part_of_the_hour(config: Config) -> None:
    snapshot = snapshots(config).take()
    things, never = snapshot.report.tables
    assert (things.last_success_us, things.live and things.live.lag_s) == (NOW_US - 50_000_000, 40.0)
    assert snapshot.report.daemon is not None
    assert snapshot.report.daemon.as_of_us == NOW_US
    assert (never.health, never.live) == (Health.NEW, None)
    assert snapshot.table("things").lag_s[-1] == 40.0
    assert sum(map(bool, snapshot.table("things").lag_s)) in {3, 4}
    assert snapshot.table("never").lag_s == ()


def locks_on(file: Path) -> list[str]:
    """The locks that processes have on a file, as the kernel tells them."""
    inode = file.stat().st_ino
    lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    return sorted(line.partition(":")[2] for line in lines if line.split()[5].endswith(f":{inode}"))


def test_a_look_at_the_state_leaves_the_locks_of_the_daemon_as_they_are(config: Config) -> None:
    """Without them, whoever closes the file next removes the -wal that the daemon writes to."""
    with closing(Store(config.state.file)) as store:
        store.source_id("app")
        held = locks_on(config.state.file)
        assert held
        assert snapshots(config).take().report.has_state
        assert locks_on(config.state.file) == held


def test_a_state_that_is_opened_again_beside_a_reader_keeps_its_locks(config: Config) -> None:
    """As after a reload that comes while somebody looks."""
    first = Store(config.state.file)
    with closing(Store(config.state.file, read_only=True)) as reader, reader.transaction() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM tables").scalar_one()
        first.close()
        held = locks_on(config.state.file)
        assert held
        with closing(Store(config.state.file)) as second:
            second.source_id("app")
            assert locks_on(config.state.file) == held


def test_a_state_that_cannot_be_read_is_no_reason_to_tell_nothing(config: Config) -> None:
    config.state.file.write_bytes(b"no database" * 1_000)
    snapshot = snapshots(config).take()
    assert snapshot.report.has_state is False
    assert [one.name for one in snapshot.report.tables] == ["things", "never"]
    assert snapshot.table("things").lag_s[-1] == 40.0
    assert config.state.file.read_bytes().startswith(b"no database")

"""What the daemon shows of itself: from its memory, and of the state what was last read."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from tests.state.entries import delivering, delivery

from bqsync.config import Config, load
from bqsync.engine.snapshots import Snapshots
from bqsync.engine.state_view import StateView
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.observe.last_hour import LastHour
from bqsync.observe.live import LiveStatus, LiveTable, live_file, read_live, write_live
from bqsync.observe.report import Health
from bqsync.observe.snapshot import Snapshot, decode, encode
from bqsync.state.ledger import Ledger
from bqsync.state.store import Store
from bqsync.state.tables import TableState

NOW_US = 1_767_225_600_000_000
WAITS = LiveTable(is_running=True, pending_since_us=NOW_US - 40_000_000, failures=0, paused_until_us=None,
                  merge_interval_s=0.0)
LIVE = LiveStatus(pid=1, started_us=1, written_us=0, source_failure=None, outage=None, outage_until_us=None,
                  tables={"things": WAITS})


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return configured(tmp_path)


def configured(folder: Path) -> Config:
    (folder / "config.toml").write_text(
        '[source]\ndb = "app.db"\n[bigquery]\nproject = "p"\ndataset = "d"\n[state]\nfile = "state.db"\n'
        '[[tables]]\nname = "things"\n[[tables]]\nname = "never"\n', encoding="utf-8")
    with closing(Store(folder / "state.db")) as store:
        TableState(store, store.source_id("app"), "things").record_attempt(None, NOW_US - 50_000_000)
    return load(folder / "config.toml", environ={})


def snapshots(config: Config, live: LiveStatus = LIVE, before: Snapshots | None = None) -> Snapshots:
    hour = LastHour()
    hour.keep(["things", "never"])
    return Snapshots(config, lambda: live, hour, lambda: NOW_US, before)


def taken(config: Config, live: LiveStatus = LIVE) -> Snapshot:
    found = snapshots(config, live).take()
    assert found is not None
    return found


def test_a_folder_whose_name_is_no_utf8_is_told_escaped(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    config = configured(folder)
    away = BqsyncError(ErrorKind.SOURCE_MISSING, what=f"there is no {config.source.db}", why="moved", fix="restore it")
    live = msgspec.structs.replace(LIVE, source_failure=away.as_dict())
    write_live(live_file(config.state.file), live)
    assert read_live(live_file(config.state.file)) == live
    told = decode(encode(taken(config, live)))
    assert told is not None
    assert told.report.db.endswith(r"caf\udce9/app.db")
    assert told.report.daemon is not None
    assert told.report.daemon.source_failure == away.as_dict()


def test_nothing_in_the_document_steers_a_terminal(config: Config) -> None:
    evil = "\x9b2J\x7f\u202e"
    away = BqsyncError(ErrorKind.SOURCE_MISSING, what=evil, why="moved", fix="restore it")
    document = encode(taken(config, msgspec.structs.replace(LIVE, source_failure=away.as_dict())))
    assert not {"\x9b", "\x7f", "\u202e"} & set(document.decode())
    told = decode(document)
    assert told is not None
    assert told.report.daemon is not None
    assert told.report.daemon.source_failure == away.as_dict()


def test_state_and_memory_are_told_together_and_what_waits_is_a_part_of_the_hour(config: Config) -> None:
    snapshot = taken(config)
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
        assert taken(config).report.has_state
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
    snapshot = taken(config)
    assert snapshot.report.has_state is False
    assert [one.name for one in snapshot.report.tables] == ["things", "never"]
    assert snapshot.table("things").lag_s[-1] == 40.0
    assert config.state.file.read_bytes().startswith(b"no database")


def test_what_was_known_of_a_state_outlives_a_reload(config: Config) -> None:
    before = snapshots(config)
    known = before.take(), before.take_standing()
    config.state.file.write_bytes(b"no database" * 1_000)
    after = snapshots(config, before=before)
    for old, new in zip(known, (after.take(), after.take_standing()), strict=True):
        assert old is not None
        assert new is not None
        assert (new.read_us, new.report) == (NOW_US, old.report)
    unread = snapshots(config).take()
    assert unread is not None
    assert (unread.read_us, unread.report.has_state) == (None, False)


def note(config: Config, rows: int, ended_us: int) -> None:
    """So many rows of a table are in the ledger, and a cycle has ended well."""
    with closing(Store(config.state.file)) as store:
        table = TableState(store, store.source_id("app"), "things")
        Ledger(store, table.table_id).commit(
            delivering(delivery(f"{number:08}".encode(), number) for number in range(rows)), "v1")
        table.record_attempt(None, ended_us)


def test_however_long_the_rows_take_to_count_all_else_is_as_it_is_now(config: Config) -> None:
    note(config, 60_000, 1)
    view = StateView(config, counts=True)
    view.look(1)
    assert view.known is not None
    assert (view.known["things"].rows, view.known["things"].last_success_us) == (60_000, 1)
    with closing(Store(config.state.file)) as store:
        TableState(store, store.source_id("app"), "things").record_attempt(None, 2)
    view.look(2)
    assert (view.known["things"].last_success_us, view.read_us) == (2, 2)


def test_a_probe_counts_nothing(config: Config) -> None:
    note(config, 3, NOW_US)
    snapshot = snapshots(config).take_standing()
    assert snapshot is not None
    (things, _) = snapshot.report.tables
    assert (things.last_success_us, things.rows, snapshot.history.tables) == (NOW_US, 0, {})

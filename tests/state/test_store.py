"""The state file is private, is never half trusted, and says what is wrong with it."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from tests.state.entries import delivering, delivery

from bqsync.errors import BqsyncError, ErrorKind
from bqsync.state.ledger import Ledger
from bqsync.state.schema import STATE_VERSION
from bqsync.state.store import Store
from bqsync.state.tables import TableState

if TYPE_CHECKING:
    from pathlib import Path


def fill(path: Path, rows: int = 3000) -> str:
    """A state with a ledger of several pages; its instance."""
    store = Store(path)
    table = TableState(store, store.source_id("app"), "things")
    Ledger(store, table.table_id).commit(
        delivering(delivery(f"key{number:08}".encode(), number) for number in range(rows)), "v1",
    )
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return str(store.instance)


def failure(path: Path, kind: ErrorKind, *, read_only: bool = False) -> BqsyncError:
    with pytest.raises(BqsyncError) as caught:
        Store(path, read_only=read_only)
    assert caught.value.kind is kind
    assert str(path) in caught.value.what
    assert caught.value.why
    assert caught.value.fix
    return caught.value


def modes(folder: Path) -> dict[str, int]:
    return {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in os.scandir(folder)}


def test_only_its_user_may_read_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = Store(tmp_path / "new" / "state.db")
        store.source_id("app")
    finally:
        os.umask(before)
    assert set(modes(tmp_path / "new").values()) == {0o600}
    assert modes(tmp_path)["new"] == 0o700
    store.close()


def test_it_outlives_its_process_with_its_instance(state_path: Path) -> None:
    instance = fill(state_path)
    store = Store(state_path)
    assert store.instance == instance
    assert store.rebuilt_from is None
    assert store.source_id("app") == 1
    assert Ledger(store, 1).count() == 3000
    store.close()
    store.close()


def test_every_state_has_an_instance_of_its_own(tmp_path: Path) -> None:
    stores = [Store(tmp_path / name) for name in ("a.db", "b.db")]
    assert len({store.instance for store in stores}) == 2
    for store in stores:
        store.close()


def test_commits_wait_for_the_disk(store: Store) -> None:
    with store.transaction() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"


def test_a_newer_version_is_refused_and_left_as_it_is(state_path: Path) -> None:
    fill(state_path)
    with closing(sqlite3.connect(state_path)) as connection:
        connection.execute(f"PRAGMA user_version = {STATE_VERSION + 1}")
    content = state_path.read_bytes()
    for read_only in (False, True):
        error = failure(state_path, ErrorKind.STATE_NEWER, read_only=read_only)
        assert str(STATE_VERSION + 1) in error.why
    assert state_path.read_bytes() == content


def outdate(path: Path) -> str:
    """Have it as an older bqsync left it; its instance."""
    instance = fill(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE watermarks")
        connection.execute(f"PRAGMA user_version = {STATE_VERSION - 1}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return instance


def test_a_state_of_an_older_version_is_moved_aside_and_made_anew(state_path: Path) -> None:
    instance = outdate(state_path)
    content = state_path.read_bytes()
    store = Store(state_path)
    assert store.rebuilt_from is not None
    assert ".outdated-" in store.rebuilt_from.name
    assert store.rebuilt_from.read_bytes() == content
    assert store.rebuilt_because == "the file was written by an older bqsync"
    assert store.instance != instance
    table = TableState(store, store.source_id("app"), "things")
    assert (Ledger(store, table.table_id).count(), table.trusted(), table.sweep_request().is_due) == (0, None, True)
    store.close()
    again = Store(state_path)
    assert (again.rebuilt_from, again.rebuilt_because) == (None, "")
    again.close()


def test_a_state_of_an_older_version_is_as_good_as_none_for_those_who_may_not_rebuild_it(state_path: Path) -> None:
    outdate(state_path)
    content = state_path.read_bytes()
    assert "run `bqsync sync`" in failure(state_path, ErrorKind.STATE_MISSING, read_only=True).fix
    with pytest.raises(BqsyncError) as caught:
        Store(state_path, rebuild=False)
    assert caught.value.kind is ErrorKind.STATE_MISSING
    assert state_path.read_bytes() == content
    assert [path.name for path in state_path.parent.glob("state.db.*")] == []


def test_one_who_only_looks_can_not_write(state_path: Path) -> None:
    fill(state_path)
    store = Store(state_path, read_only=True)
    assert Ledger(store, 1).count() == 3000
    with pytest.raises(BqsyncError) as caught:
        store.source_id("other")
    assert caught.value.kind is ErrorKind.STATE_UNWRITABLE
    store.close()


def test_one_who_only_looks_makes_no_file(state_path: Path) -> None:
    assert "run `bqsync sync`" in failure(state_path, ErrorKind.STATE_MISSING, read_only=True).fix
    assert not state_path.exists()
    state_path.touch()
    failure(state_path, ErrorKind.STATE_MISSING, read_only=True)
    assert state_path.stat().st_size == 0


def test_one_who_only_looks_sees_what_was_just_committed(state_path: Path) -> None:
    writer = Store(state_path)
    reader = Store(state_path, read_only=True)
    assert writer.source_id("late") == 1
    with reader.transaction() as connection:
        assert connection.exec_driver_sql("SELECT name FROM sources").scalar_one() == "late"
    writer.close()
    reader.close()


def test_a_folder_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    failure(tmp_path / "file" / "state.db", ErrorKind.STATE_UNWRITABLE)


def test_a_folder_in_the_place_of_the_file_is_told(state_path: Path) -> None:
    state_path.mkdir()
    failure(state_path, ErrorKind.STATE_UNWRITABLE)


AS_NOBODY = """
import os, sys, tempfile
from pathlib import Path
from bqsync.errors import BqsyncError
from bqsync.state.lock import StateLock
from bqsync.state.store import Store
with tempfile.TemporaryDirectory() as folder:
    os.chmod(folder, 0o555)
    os.seteuid(65534)
    for action in (lambda: Store(Path(folder, "state.db")), StateLock(Path(folder, "state.db")).acquire):
        try:
            action()
        except BqsyncError as error:
            print(error.kind.value, "Permission denied" in error.why)
    os.seteuid(0)
"""


def test_a_folder_that_its_user_may_not_write_is_told() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    done = subprocess.run([sys.executable, "-c", AS_NOBODY], check=True, capture_output=True, text=True)
    assert done.stdout == "state_unwritable True\n" * 2


def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    def half() -> None:
        with store.transaction() as connection:
            connection.exec_driver_sql("INSERT INTO sources (name) VALUES ('half')")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    with store.transaction() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM sources").scalar_one() == 0


def test_threads_take_turns(store: Store) -> None:
    ids: list[int] = []
    threads = [threading.Thread(target=lambda name=name: ids.append(store.source_id(name))) for name in "abcdefgh" * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 24
    assert len(set(ids)) == 8


def test_it_is_noticed_when_another_process_writes_and_not_when_it_is_we(state_path: Path) -> None:
    ours, theirs = Store(state_path), Store(state_path)
    assert not ours.changed_by_others(), "nothing is known to compare with"
    ours.source_id("app")
    assert not ours.changed_by_others(), "that was we"
    Store(state_path, read_only=True).close()
    assert not ours.changed_by_others(), "who only reads has written nothing"
    theirs.source_id("other")
    assert ours.changed_by_others()
    assert not ours.changed_by_others(), "it is told once"
    theirs.close()
    ours.close()


def test_a_transaction_of_another_thread_is_waited_for_and_none_begins_after_the_end(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.db")
    begun, go_on = threading.Event(), threading.Event()
    found: list[object] = []

    def work() -> None:
        with store.transaction() as connection:
            begun.set()
            go_on.wait(60)
            found.append(connection.exec_driver_sql("SELECT count(*) FROM tables").scalar_one())
        try:
            store.source_id("too late")
        except BqsyncError as failure:
            found.append(failure.kind)

    worker = threading.Thread(target=work)
    worker.start()
    begun.wait(60)
    closer = threading.Thread(target=store.close)
    closer.start()
    go_on.set()
    closer.join(60)
    worker.join(60)
    assert found[0] == 0
    assert found[1:] in ([], [ErrorKind.STATE_UNWRITABLE]), "before the end, or told"
    with pytest.raises(BqsyncError, match="is closed"):
        store.source_id("too late")

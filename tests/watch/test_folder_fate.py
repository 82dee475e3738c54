"""Whatever becomes of the folder, the watch finds back to the database, and says that it may have missed something."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.watch.witness import Witness, open_files, watching

from bqsync.watch import DatabaseWatch, Degraded, Signal

if TYPE_CHECKING:
    from collections.abc import Callable

ONCE = [Signal.CHANGED]


def folder_with_database(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "app.db").write_bytes(b"content")
    return folder


def assert_watched(database: Path, witness: Witness) -> None:
    """A write to the real file is told. Never in one go with another test's signals."""
    witness.forget()
    with database.open("ab") as file:
        file.write(b"more")
    witness.wait_for()


def checked(watch: DatabaseWatch) -> Degraded:
    degraded = watch.check()
    assert degraded is not None
    assert degraded.what.endswith("polling alone")
    assert degraded.why
    assert degraded.fix
    return degraded


def test_a_missing_folder_is_watched_as_soon_as_it_is_there(tmp_path: Path) -> None:
    witness, database = Witness(), tmp_path / "data" / "app.db"
    watch = DatabaseWatch(database, witness)
    try:
        assert str(database) in checked(watch).why
        assert checked(watch) == checked(watch)
        folder_with_database(database.parent)
        assert watch.check() is None
        assert witness.signals == ONCE, "what was written before the watch stood has to be looked at"
        assert watch.check() is None
        assert witness.signals == ONCE
        assert_watched(database, witness)
    finally:
        watch.close()


def test_a_folder_that_goes_for_good_is_told_and_explained(tmp_path: Path) -> None:
    folder = folder_with_database(tmp_path / "data")
    with watching(folder / "app.db") as (watch, witness):
        (folder / "app.db").unlink()
        folder.rmdir()
        witness.wait_for(count=2)
        assert "does not exist" in checked(watch).why


def test_a_folder_that_was_moved_away_is_watched_no_longer(tmp_path: Path) -> None:
    """The watch went with it, and would tell of a database that is not ours any more."""
    folder = folder_with_database(tmp_path / "data")
    with watching(folder / "app.db") as (watch, witness):
        folder.rename(tmp_path / "aside")
        witness.wait_for()
        assert "does not exist" in checked(watch).why
        assert "bqsync-watch" not in {thread.name for thread in threading.enumerate()}
        (tmp_path / "aside").rename(folder)
        witness.forget()
        assert watch.check() is None
        assert witness.signals == ONCE
        assert_watched(folder / "app.db", witness)


def remade(folder: Path) -> None:
    (folder / "app.db").unlink()
    folder.rmdir()
    folder_with_database(folder)


def moved_and_remade(folder: Path) -> None:
    folder.rename(folder.with_name("aside"))
    folder_with_database(folder)


def swapped(folder: Path) -> None:
    """As a release tool does: the new one is prepared beside the old one."""
    fresh = folder_with_database(folder.with_name("fresh"))
    folder.rename(folder.with_name("aside"))
    fresh.rename(folder)


def parent_moved_and_remade(folder: Path) -> None:
    """Nothing happens to the folder itself: inotify tells nothing."""
    folder.parent.rename(folder.parent.with_name("aside"))
    folder_with_database(folder)


@pytest.mark.parametrize(("fate", "told"), [
    (remade, 3),  # the file, the folder, the end of the watch
    (moved_and_remade, 1),
    (swapped, 1),
    (parent_moved_and_remade, 0),
])
def test_a_folder_in_the_place_of_the_old_one_is_watched(
    tmp_path: Path, fate: Callable[[Path], None], told: int,
) -> None:
    """
    The watch went with the old one; even where the new one has the same inode.

    Only the end of the watch tells that one: a check that comes before that news leaves it to the next.
    """
    folder = folder_with_database(tmp_path / "above" / "data")
    with watching(folder / "app.db") as (watch, witness):
        for _ in range(3):
            witness.forget()
            fate(folder)
            witness.wait_for(count=told)
            witness.forget()
            assert watch.check() is None
            assert Signal.CHANGED in witness.signals
            assert_watched(folder / "app.db", witness)
            for left in tmp_path.rglob("aside"):
                left.rename(left.with_name(f"aside{len(list(tmp_path.rglob('aside*')))}"))


def test_a_check_of_an_unchanged_folder_changes_nothing(tmp_path: Path) -> None:
    folder = folder_with_database(tmp_path / "data")
    with watching(folder / "app.db") as (watch, witness):
        descriptors = open_files()
        for _ in range(20):
            assert watch.check() is None
        assert open_files() <= descriptors
        assert witness.signals == []


def test_behind_a_symbolic_link_the_folder_of_the_real_file_is_watched(tmp_path: Path) -> None:
    """SQLite keeps `-wal` and `-journal` beside the real file, under its real name."""
    real = folder_with_database(tmp_path / "real")
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "linked.db"
    link.symlink_to(real / "app.db")
    with watching(link) as (_, witness):
        assert_watched(real / "app.db", witness)
        witness.forget()
        (real / "app.db-wal").write_bytes(b"log")
        witness.wait_for()


def test_a_link_that_leads_elsewhere_is_followed(tmp_path: Path) -> None:
    first, second = folder_with_database(tmp_path / "first"), folder_with_database(tmp_path / "second")
    link = tmp_path / "app.db"
    link.symlink_to(first / "app.db")
    with watching(link) as (watch, witness):
        (tmp_path / "new").symlink_to(second / "app.db")
        (tmp_path / "new").replace(link)
        assert watch.check() is None
        assert witness.signals == ONCE
        assert_watched(second / "app.db", witness)


def test_a_link_to_another_file_of_the_same_folder_is_followed(tmp_path: Path) -> None:
    folder = folder_with_database(tmp_path / "data")
    link = tmp_path / "link.db"
    link.symlink_to(folder / "app.db")
    with watching(link) as (watch, witness):
        link.unlink()
        link.symlink_to(folder / "next.db")
        assert watch.check() is None
        assert witness.signals == ONCE
        assert_watched(folder / "next.db", witness)


def test_a_linked_folder_that_leads_elsewhere_is_followed(tmp_path: Path) -> None:
    first, second = folder_with_database(tmp_path / "first"), folder_with_database(tmp_path / "second")
    current = tmp_path / "current"
    current.symlink_to(first)
    with watching(current / "app.db") as (watch, witness):
        current.unlink()
        current.symlink_to(second)
        assert watch.check() is None
        assert witness.signals == ONCE
        assert_watched(second / "app.db", witness)


def test_links_that_lead_back_to_themselves_are_explained(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    watch = DatabaseWatch(tmp_path / "a" / "app.db", Witness())
    assert "lead back to themselves" in checked(watch).why


@pytest.mark.parametrize("path", [
    "/dev/null/app.db", f"/{'x' * 300}/app.db", "/srv/a\0b/app.db", "/", "/proc/self/fd/0",
])
def test_no_path_makes_a_check_fail(path: str) -> None:
    watch = DatabaseWatch(Path(path), Witness())
    try:
        degraded = watch.check()
        assert degraded is None or (degraded.what and degraded.why and degraded.fix)
    finally:
        watch.close()


@pytest.mark.parametrize(("file_system", "is_told"), [("nfs4", True), ("fuse.sshfs", True), ("ext4", False)])
def test_a_network_file_system_is_told_and_watched_all_the_same(
    tmp_path: Path, file_system: str, *, is_told: bool,
) -> None:
    """Writers on this machine do give events there."""
    folder = folder_with_database(tmp_path / "data")
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text(f"1 1 8:1 / / rw - ext4 d rw\n2 1 0:9 / {folder.resolve()} rw - {file_system} s rw\n",
                         encoding="utf-8")
    witness = Witness()
    watch = DatabaseWatch(folder / "app.db", witness, mountinfo=mountinfo)
    try:
        for _ in range(2):
            degraded = watch.check()
            assert (degraded is not None and file_system in degraded.what) == is_told
        assert_watched(folder / "app.db", witness)
    finally:
        watch.close()


def test_without_a_list_of_mounts_events_are_taken_for_complete(tmp_path: Path) -> None:
    watch = DatabaseWatch(tmp_path / "app.db", Witness(), mountinfo=tmp_path / "missing")
    try:
        assert watch.check() is None
    finally:
        watch.close()

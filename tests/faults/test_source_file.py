"""The database file under a running daemon: whatever stands in its place, nothing is deleted, and all goes on after."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.bad_input.command import SENTINEL
from tests.daemon.life import PATIENCE_S
from tests.daemon.tables import target, wait_equal
from tests.faults.application import application
from tests.faults.running import copied, deleted, filled, point_at, reconnect, running, write
from tests.watch.test_watch_life import QUEUE, flood
from tests.workbench import Workbench


def text_file(path: Path) -> None:
    path.write_text(f"id,v\n1,{SENTINEL}\n" * 500, encoding="utf-8")


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def stump(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def test_what_is_no_database_is_told_and_deletes_nothing(workbench: Workbench) -> None:
    filled(workbench)
    aside = workbench.folder / "whole.db"
    with running(workbench) as life:
        for number, spoil in enumerate((text_file, directory, pipe, stump)):
            copied(life, workbench)
            workbench.db.close()
            whole = workbench.db_path.read_bytes()
            spoil(workbench.db_path)
            life.wait_until(lambda: "(E203)" in life.status(), "a status that says so")
            aside.write_bytes(whole)
            if workbench.db_path.is_dir():
                workbench.db_path.rmdir()
            aside.replace(workbench.db_path)
            reconnect(workbench)
            write(workbench, 50 + number)
        copied(life, workbench)
        assert deleted(life) == 0
        assert all("source.db" in line["fix"] for line in life.lines if line.get("code") == "E203" and "fix" in line)


def test_a_file_that_is_deleted_under_its_application_is_waited_for(workbench: Workbench) -> None:
    """What the application goes on writing into the file without a name is for nobody to read."""
    filled(workbench)
    with running(workbench) as life:
        copied(life, workbench)
        workbench.db.execute("PRAGMA journal_mode = WAL")
        workbench.db.execute("DELETE FROM plain")
        wait_equal(life, workbench, "plain")
        life.wait_until(lambda: deleted(life) == 10, "its line")
        workbench.fill("", ("INSERT INTO plain VALUES (?, ?)", [(n, SENTINEL) for n in range(5)]))
        wait_equal(life, workbench, "plain")
        backup = workbench.folder / "backup.db"
        workbench.db.execute(f"VACUUM INTO '{backup}'")
        for suffix in ("", "-wal", "-shm"):
            os.unlink(f"{workbench.db_path}{suffix}")
        life.wait("source.unavailable", code="E201")
        workbench.db.close()
        assert (len(target(workbench, "plain")), len(target(workbench, "marked"))) == (5, 10)
        backup.replace(workbench.db_path)
        reconnect(workbench)
        write(workbench, 50)
        copied(life, workbench)
        assert deleted(life) == 10


def test_an_old_wal_beside_a_new_file_is_not_read(workbench: Workbench) -> None:
    """SQLite itself would show the rows of the file that stood there before."""
    filled(workbench)
    workbench.db.execute("PRAGMA journal_mode = WAL")
    backup = workbench.folder / "backup.db"
    workbench.db.execute(f"VACUUM INTO '{backup}'")
    with closing(sqlite3.connect(backup, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("INSERT INTO plain VALUES (70, 'of the backup')")
    workbench.db.close()
    with running(workbench) as life:
        with application(workbench.db_path, "PRAGMA wal_autocheckpoint = 0", "INSERT INTO plain VALUES (60, 'old')"):
            life.wait_until(lambda: (60, "old") in target(workbench, "plain"), "what stands in the -wal")
        backup.replace(workbench.db_path)
        told = life.wait("sync.failed", code="E205")
        assert "-wal of the old file" in told["what"]
        assert "before the application starts" in told["fix"]
        life.wait_until(lambda: "(E205)" in life.status(), "a status that says so")
        assert (70, "of the backup") not in target(workbench, "plain")
        for suffix in ("-wal", "-shm"):
            os.unlink(f"{workbench.db_path}{suffix}")
        reconnect(workbench)
        life.wait("sync.recovered", code="E205")
        copied(life, workbench)
        assert (70, "of the backup") in target(workbench, "plain")


def test_a_link_that_leads_to_another_file_is_followed(workbench: Workbench) -> None:
    """A deployment that keeps a database for each release, and a link to the present one."""
    filled(workbench)
    home = workbench.folder / "home"
    home.mkdir()
    workbench.db.close()
    one, two = workbench.db_path.rename(home / "one.db"), home / "two.db"
    shutil.copy(one, two)
    with closing(sqlite3.connect(two, isolation_level=None)) as other:
        other.execute("INSERT INTO plain VALUES (70, 'of the other file')")
        other.execute("DELETE FROM plain WHERE id = 3")
    workbench.db_path.symlink_to(one)
    workbench.db = sqlite3.connect(one, isolation_level=None)
    with running(workbench) as life:
        copied(life, workbench)
        write(workbench, 50)
        copied(life, workbench)
        (workbench.folder / "next").symlink_to(two)
        (workbench.folder / "next").rename(workbench.db_path)
        workbench.db.close()
        workbench.db = sqlite3.connect(two, isolation_level=None)
        life.wait("source.replaced")
        # Some rows are missing from the other file: few enough to go unasked, were it a later self of the first one.
        life.wait_until(lambda: (70, "of the other file") in target(workbench, "plain"), "a row of the other file")
        workbench.db.execute("INSERT INTO plain VALUES (71, 'events come from there')")
        life.wait_until(lambda: (71, "events come from there") in target(workbench, "plain"), "another one")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Mounts and unmounts a disk of its own at `home`, on which files stay what they are."""
    image, home = tmp_path / "disk.img", tmp_path / "home"
    home.mkdir()
    with image.open("wb") as file:
        file.truncate(8 << 20)
    commands = {"mount": ["mount", "-o", "loop", str(image), str(home)], "umount": ["umount", str(home)]}

    def do(verb: str) -> None:
        # Whoever reads a page just then keeps the disk for so long.
        until_s = time.monotonic() + PATIENCE_S
        while subprocess.run(commands[verb], capture_output=True, check=False).returncode:
            if verb == "mount" or time.monotonic() > until_s:
                raise subprocess.CalledProcessError(1, commands[verb])
            time.sleep(0.05)

    if os.geteuid() or shutil.which("mkfs.ext4") is None:
        pytest.skip("only root can mount a file system, and mkfs.ext4 makes it")
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)  # noqa: S607 - the machine's
    try:
        do("mount")
    except subprocess.CalledProcessError:
        pytest.skip("there are no loop devices here")
    yield do
    if home.is_mount():
        do("umount")


def test_a_disk_that_is_unmounted_is_waited_for(workbench: Workbench, disk: Callable[[str], None]) -> None:
    """Below the mount lies an empty folder: no file, and no reason to delete anything."""
    workbench.db.close()
    workbench.db_path = workbench.folder / "home" / "app.db"
    reconnect(workbench)
    filled(workbench)
    point_at(workbench, '"app.db"', '"home/app.db"')
    with running(workbench) as life:
        copied(life, workbench)
        workbench.db.close()
        disk("umount")
        life.wait("source.unavailable", code="E201")
        disk("mount")
        life.wait("source.recovered")
        reconnect(workbench)
        write(workbench, 50)
        copied(life, workbench)
        assert (deleted(life), life.events("source.replaced")) == (0, [])
        workbench.db.close()


def test_events_that_the_kernel_drops_are_told_and_nothing_is_missed(workbench: Workbench) -> None:
    filled(workbench)
    with running(workbench) as life:
        copied(life, workbench)
        life.process.send_signal(signal.SIGSTOP)
        flood(workbench.folder, "noise", "other-noise", rounds=int(QUEUE.read_text("ascii")))
        write(workbench, 50)
        life.process.send_signal(signal.SIGCONT)
        assert life.wait("watch.overflow")["overflows"] >= 1
        copied(life, workbench)
        write(workbench, 51)
        copied(life, workbench)
        assert deleted(life) == 0

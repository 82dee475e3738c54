"""What can be wrong with the state file: rebuilt where it is damaged, told where it can't be used, never guessed at."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.bad_input.command import SENTINEL, as_ordinary_user, finish, run, start, synced
from tests.daemon.hold import held
from tests.end_to_end.processes import within
from tests.hostile.actions import Method
from tests.hostile.proxy import HostileBigQuery
from tests.workbench import Workbench


def converges(bench: Workbench) -> None:
    assert run(bench.folder, "sync").code == 0
    is_equal(bench)


def is_equal(bench: Workbench) -> None:
    assert [row["name"] for row in bench.rows("things", "id")] == [f"{SENTINEL} {number}" for number in range(3)]
    assert bench.verify("things").rows_different == 0


def make_garbage(state: Path) -> None:
    state.write_bytes(b"garbage" * 1000)


def cut_in_half(state: Path) -> None:
    data = state.read_bytes()
    state.write_bytes(data[: len(data) // 2])


def spoil_middle(state: Path) -> None:
    data = bytearray(state.read_bytes())
    data[4096:-4096] = b"\xff" * (len(data) - 8192)
    state.write_bytes(data)


@pytest.mark.parametrize("damage", [make_garbage, cut_in_half, spoil_middle])
def test_a_damaged_state_is_moved_aside_and_built_anew(bench: Workbench, damage: Callable[[Path], None]) -> None:
    synced(bench)
    damage(bench.state_path)
    damaged = bench.state_path.read_bytes()
    done = run(bench.folder, "sync")
    assert done.code == 0, done.errors
    (rebuilt,) = done.events("state.rebuilt")
    assert Path(rebuilt["moved_to"]).read_bytes() == damaged
    is_equal(bench)


def test_an_empty_state_file_is_taken_for_none(bench: Workbench) -> None:
    synced(bench)
    bench.state_path.write_bytes(b"")
    converges(bench)


def test_a_state_of_a_newer_version_is_refused_and_left_alone(bench: Workbench) -> None:
    synced(bench)
    with closing(sqlite3.connect(bench.state_path)) as state:
        state.execute("PRAGMA user_version = 99")
    run(bench.folder, "sync").told(78, "E402", str(bench.state_path), "99", "upgrade bqsync")
    run(bench.folder, "status").told(78, "E402", str(bench.state_path))
    with closing(sqlite3.connect(bench.state_path)) as state:
        assert state.execute("PRAGMA user_version").fetchone() == (99,)


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_that_may_not_be_written_is_told(bench: Workbench, exists: bool) -> None:
    folder = bench.state_path.parent
    if exists:
        synced(bench)
    else:
        folder.mkdir()
    folder.chmod(0o500)
    try:
        done = run(bench.folder, "sync", prefix=as_ordinary_user())
    finally:
        folder.chmod(0o700)
    done.told(74, "E403", str(folder), "permission")
    converges(bench)


def test_a_state_folder_that_cannot_be_made_is_told(bench: Workbench) -> None:
    bench.folder.chmod(0o500)
    try:
        done = run(bench.folder, "sync", prefix=as_ordinary_user())
    finally:
        bench.folder.chmod(0o700)
    done.told(74, "E403", str(bench.state_path.parent), "permission")


def test_a_file_in_the_place_of_the_state_folder_is_told(bench: Workbench) -> None:
    bench.state_path.parent.write_text("", encoding="utf-8")
    run(bench.folder, "sync").told(74, "E403", str(bench.state_path.parent))


def test_a_directory_in_the_place_of_the_state_is_told(bench: Workbench) -> None:
    bench.state_path.mkdir(parents=True)
    run(bench.folder, "sync").told(74, "E403", str(bench.state_path), "directory")
    run(bench.folder, "status").told(74, "E403", str(bench.state_path))


def test_the_second_process_is_turned_away(relayed: Workbench, hostile: HostileBigQuery) -> None:
    with held(hostile, Method.DATASETS_GET) as hold, start(relayed.folder, "sync") as first:
        assert within(60, lambda: hold.arrived)
        run(relayed.folder, "sync").told(75, "E401", str(relayed.state_path), f"process {first.pid}", "wait for it")
        hold.open()
        assert finish(first).code == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path | None]:
    """A disk of 2 MB; None where this user may not mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() or mount is None:
        yield None
        return
    mounted = subprocess.run([mount, "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], check=False, capture_output=True)
    yield folder if mounted.returncode == 0 else None
    if mounted.returncode == 0:
        subprocess.run([shutil.which("umount") or "umount", folder], check=True)


def test_a_full_disk_is_told_and_the_next_sync_after_it_converges(bench: Workbench, small_disk: Path | None) -> None:
    if small_disk is not None:
        text = bench.config_path.read_text(encoding="utf-8")
        bench.config_path.write_text(text.replace("state/state.db", f"{small_disk}/state.db"), encoding="utf-8")
    synced(bench)
    bench.fill("", ("INSERT INTO others VALUES (?, ?)", [(number, SENTINEL) for number in range(10, 2000)]))
    prefix: list[str] = []
    if small_disk is None:
        prefix = ["prlimit", "--fsize=4096"]  # no file may grow beyond that: the same for a writer
    else:
        with (small_disk / "ballast").open("wb") as ballast:
            free = os.statvfs(small_disk)
            ballast.write(b"\0" * (free.f_bavail - 10) * free.f_frsize)
    run(bench.folder, "sync", prefix=prefix).told(74, "E403", "state.db", "free space")

    if small_disk is not None:
        (small_disk / "ballast").unlink()
    converges(bench)
    assert bench.verify("others").rows_different == 0
    assert len(bench.rows("others", "id")) == 1993

"""The disk of the state fails under a running daemon: it says so, goes on, and loses and doubles nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.bad_input.command import SENTINEL
from tests.daemon.life import Life
from tests.faults.running import copied, deleted, filled, running, write
from tests.workbench import Workbench


@pytest.fixture
def small_disk(workbench: Workbench) -> Iterator[Path]:
    """The folder of the state is a disk of 2 MB."""
    folder = workbench.state_path.parent
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root can mount a file system, and not in every container")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)  # noqa: S607 - the machine's


def many(bench: Workbench, first: int) -> None:
    """So many new rows that the state needs more room for them than it has."""
    bench.fill("", ("INSERT INTO plain VALUES (?, ?)", [(first + n, f"{SENTINEL} {n}") for n in range(2_000)]))


def told(life: Life, bench: Workbench) -> None:
    """The daemon says that it can't write its state, and what to do; and it neither ends nor repeats itself."""
    failed = life.wait("sync.failed", code="E403")
    assert str(bench.state_path) in failed["what"]
    assert "free space" in failed["fix"]
    life.wait_until(lambda: "(E403)" in life.status(), "a status that says so")


def test_a_full_disk_is_told_and_waited_for(workbench: Workbench, small_disk: Path) -> None:
    filled(workbench)
    with running(workbench) as life:
        copied(life, workbench)
        ballast = small_disk / "ballast"
        with ballast.open("wb") as file:
            free = os.statvfs(small_disk)
            file.write(b"\0" * (free.f_bavail - 10) * free.f_frsize)
        many(workbench, 1_000)
        told(life, workbench)
        write(workbench, 50)
        ballast.unlink()
        copied(life, workbench)
        life.wait("sync.recovered", code="E403")
        assert deleted(life) == 0


@pytest.fixture
def failing_sync(tmp_path: Path) -> Path:
    """A library that makes fsync() fail."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler, and no other way to make fsync() fail")
    library = tmp_path / "failing_sync.so"
    source = Path(__file__).with_name("failing_sync.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


def test_an_fsync_that_fails_is_told_and_nothing_counts_as_noted(workbench: Workbench, failing_sync: Path) -> None:
    """A kernel that tells a lost write tells it once. SQLite writes the frames of a failed commit again."""
    filled(workbench)
    flag = workbench.folder / "flag"
    with running(workbench, LD_PRELOAD=str(failing_sync), FAULT_FLAG=str(flag)) as life:
        copied(life, workbench)
        merges = len(workbench.merges())
        flag.touch()
        write(workbench, 50)
        told(life, workbench)
        assert len(workbench.merges()) == merges, "an intent that may be lost lets no MERGE begin"
        flag.unlink()
        copied(life, workbench)
        life.wait("sync.recovered", code="E403")
        flag.touch()
        write(workbench, 51)
        life.wait_until(lambda: "(E403)" in life.status(), "again")
        life.kill()
    flag.unlink()
    with running(workbench) as life:
        copied(life, workbench)
        assert deleted(life) == 0

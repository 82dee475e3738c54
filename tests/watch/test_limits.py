"""
Limits, permissions and mounts of the real kernel.

Each test runs in a process of its own, most of them in a user namespace of its own: its limits are lowered there, as
any user may do, and no other process of the machine meets them.
Source: https://man7.org/linux/man-pages/man7/namespaces.7.html, /proc/sys/user
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")
PROBE = "echo 100 > /proc/sys/user/max_inotify_watches && mount -t tmpfs none /mnt"

PREAMBLE = """
import json, os, resource, subprocess, sys, threading
from pathlib import Path
from bqsync.watch import DatabaseWatch
import bqsync.watch.folder

folder = Path(sys.argv[1])
now_s = 0.0
signals, news = [], threading.Semaphore(0)

def on_event(signal):
    signals.append(signal)
    news.release()

def checked():
    degraded = watch.check()
    return None if degraded is None else [degraded.what, degraded.why, degraded.fix]

def limit(name, value):
    Path(f"/proc/sys/user/max_inotify_{name}").write_text(str(value))

def write_is_told():
    while news.acquire(blocking=False):
        pass
    (folder / "app.db").write_bytes(b"x")
    return news.acquire(timeout=30)

def descriptors():
    return len(os.listdir("/proc/self/fd"))

watch = DatabaseWatch(folder / "app.db", on_event, clock_s=lambda: now_s)
seen = {}
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that another user may enter: those of pytest belong to one user alone."""
    made = Path(tempfile.mkdtemp(prefix="bqsync-watch-"))
    made.chmod(0o755)
    try:
        yield made
    finally:
        made.chmod(0o755)
        shutil.rmtree(made)


def run(script: str, folder: Path, *, prefix: tuple[str, ...] = ()) -> dict[str, object]:
    """What a script puts into `seen`."""
    script = f"{PREAMBLE}{script}\nwatch.close()\nprint(json.dumps(seen))"
    command = [*prefix, sys.executable, "-c", script, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(seen, dict)
    return seen


def run_in_namespace(script: str, folder: Path) -> dict[str, object]:
    if shutil.which(NAMESPACE[0]) is None:
        pytest.skip("there is no unshare here")
    if subprocess.run([*NAMESPACE, "sh", "-c", PROBE], capture_output=True, check=False).returncode:
        pytest.skip("this machine gives its users no namespaces")
    return run(script, folder, prefix=NAMESPACE)


@pytest.mark.parametrize(("name", "setting"), [("watches", "max_user_watches"), ("instances", "max_user_instances")])
def test_a_limit_of_inotify_is_explained_and_tried_again_every_minute(folder: Path, name: str, setting: str) -> None:
    seen = run_in_namespace(f"""
limit("{name}", 0)
before = descriptors()
seen["refused"] = checked()
limit("{name}", 100)
now_s = 59.0
seen["too early"] = checked()
seen["signals meanwhile"] = list(signals)
now_s = 60.0
limit("{name}", 0)
seen["refused again"] = checked()
limit("{name}", 100)
now_s = 119.0
seen["again too early"] = checked()
seen["left open"] = descriptors() - before
now_s = 120.0
seen["established"] = checked()
seen["signals"] = list(signals)
seen["told"] = write_is_told()
""", folder)
    refused = seen["refused"]
    assert isinstance(refused, list)
    what, why, fix = refused
    assert what == f"{folder} is not watched; changes are found by polling alone"
    assert f"inotify {name}" in why
    assert f"fs.inotify.{setting}" in fix
    assert seen["too early"] == seen["refused again"] == seen["again too early"] == refused
    assert seen["signals meanwhile"] == []
    assert seen["left open"] == 0
    assert seen["established"] is None
    assert seen["signals"] == ["changed"]
    assert seen["told"] is True


def test_a_limit_that_is_met_when_the_folder_is_replaced_is_explained(folder: Path) -> None:
    seen = run_in_namespace("""
seen["first"] = checked()
limit("watches", 0)
folder.rename(folder.with_name(folder.name + "-aside"))
folder.mkdir()
seen["then"] = checked()
limit("watches", 100)
seen["too early"] = checked()
now_s = 61.0
seen["established"] = checked()
seen["told"] = write_is_told()
folder.with_name(folder.name + "-aside").rmdir()
""", folder)
    assert seen["first"] is None
    assert "max_user_watches" in str(seen["then"])
    assert seen["too early"] == seen["then"]
    assert seen["established"] is None
    assert seen["told"] is True


def test_open_files_that_run_out_are_explained_and_none_is_lost(folder: Path) -> None:
    """Whether the queue itself can't be made, or only the pipe beside it."""
    seen = run("""
before = descriptors()
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
probe = os.open("/dev/null", os.O_RDONLY)
os.close(probe)
seen["answers"] = []
for spare in range(3):
    resource.setrlimit(resource.RLIMIT_NOFILE, (probe + spare, hard))
    now_s += 60.0
    seen["answers"].append(checked())
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
seen["left open"] = descriptors() - before
seen["threads"] = threading.active_count()
now_s += 60.0
seen["established"] = checked()
seen["told"] = write_is_told()
""", folder)
    answers = seen["answers"]
    assert isinstance(answers, list)
    assert len(answers) == 3
    assert all("ulimit -n" in fix for _, _, fix in answers)
    assert (seen["left open"], seen["threads"]) == (0, 1)
    assert seen["established"] is None
    assert seen["told"] is True


@pytest.mark.parametrize("mode", ["311", "600", "000"])
def test_a_denied_permission_is_explained_and_noticed_when_it_is_given(folder: Path, mode: str) -> None:
    """Without the right to list the folder SQLite reads the database all the same: only the events stay away."""
    seen = run(f"""
is_root = os.geteuid() == 0
folder.chmod(0o{mode})
if is_root:
    os.seteuid(65534)
before = descriptors()
for _ in range(3):
    seen["denied"] = checked()
seen["left open"] = descriptors() - before
if is_root:
    os.seteuid(0)
folder.chmod(0o755)
if is_root:
    os.seteuid(65534)
seen["established"] = checked()
seen["signals"] = list(signals)
if is_root:
    os.seteuid(0)
seen["told"] = write_is_told()
""", folder)
    denied = seen["denied"]
    assert isinstance(denied, list)
    assert f"may not list {folder}" in denied[1]
    assert "setfacl" in denied[2]
    assert seen["left open"] == 0
    assert seen["established"] is None
    assert seen["signals"] == ["changed"]
    assert seen["told"] is True


def test_a_file_system_that_is_unmounted_and_mounted_is_watched_anew(folder: Path) -> None:
    """After the unmount the empty folder below it is what the path leads to."""
    seen = run_in_namespace("""
def mounted():
    subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=True)

mounted()
seen["mounted"] = checked()
seen["told"] = [write_is_told()]
subprocess.run(["umount", folder], check=True)
seen["unmount is told"] = news.acquire(timeout=30)
for change in (lambda: None, mounted, mounted):
    change()
    signals.clear()
    seen["checked"] = checked()
    seen["signals"] = list(signals)
    seen["told"].append(write_is_told())
""", folder)
    assert seen["mounted"] is None
    assert seen["unmount is told"] is True
    assert seen["checked"] is None
    assert "changed" in str(seen["signals"])
    assert seen["told"] == [True, True, True, True]

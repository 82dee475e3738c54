"""A look that compares equal to an earlier one proves that nothing was committed, if the earlier one was settled."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.capture.files import application, make
from tests.capture.test_source import SCRIPT

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUR_S = 3600


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.db"


def stamp(path: Path, ago_s: float) -> None:
    moment_ns = time.time_ns() - int(ago_s * 1e9)
    os.utime(path, ns=(moment_ns, moment_ns))


@pytest.mark.parametrize(("main_s", "log_s", "settled"), [
    (HOUR_S, None, True), (0, None, False), (-0.05, None, False), (-HOUR_S, None, True), (10, None, True),
    (HOUR_S, HOUR_S, True), (HOUR_S, 0, False), (0, HOUR_S, False), (HOUR_S, -0.05, False), (HOUR_S, -HOUR_S, True),
    (-HOUR_S, 0, False), (0, -HOUR_S, False),
])
def test_a_look_is_settled_unless_a_stamp_is_fresh(path: Path, main_s: float, log_s: float | None,
                                                   *, settled: bool) -> None:
    """Ages in seconds of file and -wal; a negative one lies in the future, as after a clock was set back."""
    source = make(path, SCRIPT)
    log = path.with_name("app.db-wal")
    if log_s is not None:
        log.touch()
    for _ in range(100):  # a machine that pauses between stamp and look makes a fresh stamp an old one
        stamp(path, main_s)
        if log_s is not None:
            stamp(log, log_s)
        if source.file_state().is_settled is settled:
            return
    pytest.fail("never as it has to be")


def test_a_look_settles_by_itself(path: Path) -> None:
    source = make(path, SCRIPT)
    first = source.file_state()
    deadline_s = time.monotonic() + 30
    while not source.file_state().is_settled:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    assert source.file_state() == first


def test_settled_or_not_is_no_difference(path: Path) -> None:
    state = make(path, SCRIPT).file_state()
    other = replace(state, is_settled=not state.is_settled)
    assert other == state
    assert hash(other) == hash(state)


@pytest.fixture(params=["the one of the tests", "ramfs"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """ramfs stamps by the tick of the clock, as every file system did before Linux 6.13, and many still do."""
    if request.param == "the one of the tests":
        yield tmp_path
        return
    with tempfile.TemporaryDirectory() as name:
        if os.geteuid() != 0 or subprocess.run(["mount", "-t", "ramfs", "ramfs", name],  # noqa: S607 - the machine's
                                               check=False, capture_output=True).returncode:
            pytest.skip("only root can mount a file system, and not in every container")
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", name], check=True)  # noqa: S607 - the machine's


@pytest.mark.parametrize("mode", ["delete", "truncate", "persist", "memory", "wal"])
def test_a_commit_that_leaves_the_same_state_leaves_one_that_is_not_settled(folder: Path, mode: str) -> None:
    path = folder / "app.db"
    source = make(path, SCRIPT, mode=mode)
    unseen = 0
    with closing(application(path, mode=mode)) as app:
        app.execute("PRAGMA synchronous = OFF")
        app.execute("PRAGMA wal_autocheckpoint = 1")  # the -wal is begun anew by every commit
        for number in range(300):
            before = source.file_state()
            app.execute("UPDATE t SET x = ? WHERE k = 1", (f"{number:09}",))
            if source.file_state() == before:
                unseen += 1
                assert not before.is_settled
    if folder.is_mount():
        assert unseen, "the hazard is real: sizes and time stamps do not tell these commits"

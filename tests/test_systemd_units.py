"""The units are clean, hardened, and call commands that exist."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bqsync.cli import commands
from bqsync.errors import ExitCode

FOLDER = Path(__file__).parents[1] / "systemd"
SERVICE, TIMER = "bqsync-sync.service", "bqsync-sync.timer"
INSTALLED = "/opt/bqsync/bin/bqsync"
MAX_EXPOSURE = 1.5

analyze = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(analyze is None, reason="systemd-analyze is not installed")


def directives(name: str) -> list[tuple[str, str]]:
    lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
    return [(key, value) for key, sign, value in (line.partition("=") for line in lines) if sign and key[0] != "#"]


def analyzed(*arguments: str) -> subprocess.CompletedProcess[str]:
    assert analyze is not None
    return subprocess.run([analyze, *arguments], capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """Copies that name a program of this machine: systemd-analyze looks whether it is there."""
    for name in (SERVICE, TIMER):
        text = (FOLDER / name).read_text(encoding="utf-8").replace(INSTALLED, sys.executable)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@needs_systemd
@pytest.mark.parametrize("name", [SERVICE, TIMER])
def test_unit_is_clean(units: Path, name: str) -> None:
    finished = analyzed("verify", "--man=no", str(units / name))
    # Units of the machine itself may be at fault: only what is said of ours counts.
    said = [line for line in (finished.stdout + finished.stderr).splitlines() if "bqsync" in line]
    assert said == []


@needs_systemd
def test_service_is_hardened(units: Path) -> None:
    finished = analyzed("security", "--offline=true", "--no-pager", str(units / SERVICE))
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", finished.stdout)
    assert found, finished.stderr
    assert float(found[1]) <= MAX_EXPOSURE


def test_service_calls_commands_and_options_that_exist() -> None:
    calls = [value for key, value in directives(SERVICE) if key.startswith("ExecStart")]
    called = [re.search(rf"{INSTALLED} ([a-z]+) ((?:--?[a-z-]+ )*)", call + " ") for call in calls]
    names = [call[1] for call in called if call]
    assert names == ["check", "sync"]
    for call in called:
        assert call is not None
        known = {spelling for parameter in commands.commands[call[1]].params for spelling in parameter.opts}
        assert set(call[2].split()) <= known


def test_failed_check_is_told_and_ends_with_its_own_code() -> None:
    """The shell around `check` keeps its exit code and shows its findings, and says nothing of a clean one."""
    call = dict(directives(SERVICE))["ExecStartPre"]
    script = re.fullmatch(r"/bin/sh -c '(.*)'", call)
    assert script
    for program, expected, told in (
        ("echo all well", 0, ""), ("{ echo ERROR; exit 78; }", ExitCode.CONFIGURATION, "ERROR\n"),
    ):
        text = re.sub(rf"{INSTALLED} check [^)]* 2>&1", lambda _, program=program: program, script[1])
        finished = subprocess.run(["/bin/sh", "-c", text.replace("$$", "$")], capture_output=True, text=True,
                                  check=False)
        assert (finished.returncode, finished.stderr, finished.stdout) == (expected, told, "")


def test_service_counts_a_locked_state_and_a_stop_as_success() -> None:
    assert dict(directives(SERVICE))["SuccessExitStatus"].split() == [str(int(ExitCode.LOCKED)), "130"]


def test_timer_starts_the_service_every_minute() -> None:
    timer = dict(directives(TIMER))
    assert TIMER.removesuffix(".timer") == SERVICE.removesuffix(".service")
    assert (timer["OnCalendar"], timer["Persistent"]) == ("minutely", "true")

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
DAEMON, TEMPLATE, SERVICE, TIMER = "bqsync.service", "bqsync@.service", "bqsync-sync.service", "bqsync-sync.timer"
SERVICES = [DAEMON, TEMPLATE, SERVICE]
INSTALLED = "/opt/bqsync/bin/bqsync"
MAX_EXPOSURE = 1.5

analyze = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(analyze is None, reason="systemd-analyze is not installed")


def lines(name: str) -> list[tuple[str, str]]:
    text = (FOLDER / name).read_text(encoding="utf-8").splitlines()
    return [(key, value) for key, sign, value in (line.partition("=") for line in text) if sign and key[0] != "#"]


def analyzed(*arguments: str) -> subprocess.CompletedProcess[str]:
    assert analyze is not None
    return subprocess.run([analyze, *arguments], capture_output=True, text=True, check=False, timeout=60)


def instance(name: str) -> str:
    """A template is looked at as one of its instances."""
    return name.replace("@.", "@shop.")


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """Copies that name a program of this machine: systemd-analyze looks whether it is there."""
    for name in (*SERVICES, TIMER):
        text = (FOLDER / name).read_text(encoding="utf-8").replace(INSTALLED, sys.executable)
        (tmp_path / instance(name)).write_text(text, encoding="utf-8")
    return tmp_path


@needs_systemd
@pytest.mark.parametrize("name", [*SERVICES, TIMER])
def test_unit_is_clean(units: Path, name: str) -> None:
    finished = analyzed("verify", "--man=no", str(units / instance(name)))
    # Units of the machine itself may be at fault: only what is said of ours counts.
    said = [line for line in (finished.stdout + finished.stderr).splitlines() if "bqsync" in line]
    assert said == []


@needs_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_service_is_hardened(units: Path, name: str) -> None:
    finished = analyzed("security", "--offline=true", "--no-pager", str(units / instance(name)))
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", finished.stdout)
    assert found, finished.stderr
    assert float(found[1]) <= MAX_EXPOSURE


@pytest.mark.parametrize(("name", "expected"), [
    (DAEMON, ["run"]), (TEMPLATE, ["run"]), (SERVICE, ["check", "sync"]),
])
def test_service_calls_commands_and_options_that_exist(name: str, expected: list[str]) -> None:
    calls = [value for key, value in lines(name) if key.startswith("ExecStart")]
    called = [re.search(rf"{INSTALLED} ([a-z]+) ((?:--?[a-z-]+ )*)", call + " ") for call in calls]
    names = [call[1] for call in called if call]
    assert names == expected
    for call in called:
        assert call is not None
        known = {spelling for parameter in commands.commands[call[1]].params for spelling in parameter.opts}
        assert set(call[2].split()) <= known


def test_services_are_hardened_alike() -> None:
    """Whichever of them runs, it may see and do the same."""
    def hardening(name: str) -> str:
        text = (FOLDER / name).read_text(encoding="utf-8")
        return text[text.index("ProtectSystem="):].partition("\n\n")[0].strip()

    assert len({hardening(name) for name in SERVICES}) == 1


def test_template_is_the_daemon_in_folders_of_its_own() -> None:
    daemon = (FOLDER / DAEMON).read_text(encoding="utf-8")
    expected = daemon[daemon.index("[Unit]"):]
    for one, other in (
        ("SQLite file\n", "SQLite file (%i)\n"), ("/etc/bqsync/", "/etc/bqsync/%i/"),
        ("Directory=bqsync\n", "Directory=bqsync/%i\n"),
        ("/var/lib/bqsync, for `state.file`; /run/bqsync.", "/var/lib/bqsync/%i, for `state.file`; /run/bqsync/%i."),
    ):
        expected = expected.replace(one, other)
    template = (FOLDER / TEMPLATE).read_text(encoding="utf-8")
    assert template[template.index("[Unit]"):] == expected


def test_daemon_is_started_again_whatever_ended_it_but_a_bad_configuration() -> None:
    unit = dict(lines(DAEMON))
    assert (unit["Restart"], unit["RestartPreventExitStatus"]) == ("always", str(int(ExitCode.CONFIGURATION)))
    assert unit["StartLimitIntervalSec"] == "0"


def test_daemon_is_given_time_to_end() -> None:
    """Longer than its own grace, so that it is systemd that waits."""
    from bqsync.engine.daemon import GRACE_S

    assert float(dict(lines(DAEMON))["TimeoutStopSec"]) > 2 * GRACE_S


def test_failed_check_is_told_and_ends_with_its_own_code() -> None:
    """The shell around `check` keeps its exit code and shows its findings, and says nothing of a clean one."""
    call = dict(lines(SERVICE))["ExecStartPre"]
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
    assert dict(lines(SERVICE))["SuccessExitStatus"].split() == [str(int(ExitCode.LOCKED)), "130"]


def test_timer_starts_the_service_every_minute() -> None:
    timer = dict(lines(TIMER))
    assert TIMER.removesuffix(".timer") == SERVICE.removesuffix(".service")
    assert (timer["OnCalendar"], timer["Persistent"]) == ("minutely", "true")


def test_the_user_can_be_made() -> None:
    """A colon separates the fields of /etc/passwd: systemd-sysusers refuses one in the description."""
    assert ":" not in (FOLDER / "sysusers.d/bqsync.conf").read_text(encoding="utf-8")


def test_user_and_folders_are_those_of_the_units() -> None:
    [user] = [line.split()[1] for line in (FOLDER / "sysusers.d/bqsync.conf").read_text(encoding="utf-8").splitlines()
              if line.startswith("u ")]
    folders = {line.split()[1]: line.split()[2:5]
               for line in (FOLDER / "tmpfiles.d/bqsync.conf").read_text(encoding="utf-8").splitlines()
               if line.startswith("d ")}
    unit = dict(lines(DAEMON))
    assert unit["User"] == user
    assert folders == {"/etc/bqsync": ["0750", "root", user],
                       f"/var/lib/{unit['StateDirectory']}": [unit["StateDirectoryMode"], user, user]}

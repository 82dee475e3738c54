"""The part that touches the machine: files are written, systemd's tools are called."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from bqsync.errors import BqsyncError, ErrorKind
from bqsync.install.placing import FOLDERS, USERS, Found, Placement
from bqsync.install.unit import USER, ServiceSettings

_TOOL_S = 60
_MODE = 0o644
_RUNS_SYSTEMD = Path("/run/systemd/system")
"""Source: https://www.freedesktop.org/software/systemd/man/latest/sd_booted.html"""


def require_machine(settings: ServiceSettings) -> None:
    """
    What has to be so before anything is written to this machine.

    Raises:
        BqsyncError: SERVICE_NOT_PERMITTED or SERVICE_FAILED.
    """
    if os.geteuid() != 0:
        raise BqsyncError(
            ErrorKind.SERVICE_NOT_PERMITTED, what="only root can install a service",
            why=f"this is uid {os.geteuid()}; units stand in /etc/systemd/system",
            fix="run it with sudo; or `bqsync service print`, or --root DIR, which need no permission",
        )
    if not _RUNS_SYSTEMD.is_dir():
        raise BqsyncError(
            ErrorKind.SERVICE_FAILED, what="this machine is not run by systemd",
            why=f"{_RUNS_SYSTEMD} does not exist",
            fix="start `bqsync run` by what runs this machine; or write the files alone: --root /",
        )
    if settings.user != USER:
        _require_name("user", settings.user, pwd.getpwnam)
    for group in (settings.group, *settings.app_groups):
        if group not in (None, USER):
            _require_name("group", str(group), grp.getgrnam)
    if settings.credentials is not None and not Path(settings.credentials).is_file():
        raise BqsyncError(
            ErrorKind.SERVICE_FAILED, what=f"there is no key file {settings.credentials}",
            why="systemd does not start a service whose credentials are missing",
            fix="put the key there first, mode 0600 and owned by root",
        )


def _require_name(kind: str, name: str, look_up: Callable[[str], object]) -> None:
    try:
        look_up(name)
    except KeyError as error:
        raise BqsyncError(
            ErrorKind.SERVICE_FAILED, what=f"there is no {kind} {name}",
            why=f"systemd does not start a service whose {kind} is missing; only the user {USER} is made here",
            fix=f"{'useradd' if kind == 'user' else 'groupadd'} --system {name}, or another name",
        ) from error


def group_of(settings: ServiceSettings) -> str:
    """The group that the service runs with: the one that was chosen, or that of its user."""
    if settings.group is not None:
        return settings.group
    with suppress(KeyError):
        return grp.getgrgid(pwd.getpwnam(settings.user).pw_gid).gr_name
    return settings.user


def write(files: Sequence[Placement]) -> None:
    """
    Write what is not there already, each file whole or not at all.

    Raises:
        BqsyncError: SERVICE_NOT_PERMITTED or SERVICE_FAILED.
    """
    for file in files:
        if file.found is Found.THE_SAME:
            continue
        try:
            _replace(file.path, file.text)
        except OSError as error:
            denied = isinstance(error, PermissionError)
            raise BqsyncError(
                ErrorKind.SERVICE_NOT_PERMITTED if denied else ErrorKind.SERVICE_FAILED,
                what=f"{file.path} can't be written: {error.strerror}", why="the file system refused it",
                fix="run it as a user that may write there" if denied else "free space, or mount it writable",
            ) from error


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".bqsync-")
    try:
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - it takes over the descriptor
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), _MODE)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def apply(settings: ServiceSettings) -> list[str]:
    """
    Have systemd make the user and the folders, and read its units anew.

    Returns:
        The commands that were run.

    Raises:
        BqsyncError: SERVICE_FAILED, with what the tool said.
    """
    commands = [["systemd-tmpfiles", "--create", str(FOLDERS / settings.companion_file)],
                ["systemctl", "daemon-reload"]]
    if settings.user == USER:
        commands.insert(0, ["systemd-sysusers", str(USERS / f"{USER}.conf")])
    for command in commands:
        _run(command)
    return [" ".join(command) for command in commands]


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TOOL_S)
        said = "" if done.returncode == 0 else (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
    except (OSError, subprocess.TimeoutExpired) as error:
        said = str(error)
    if said:
        raise BqsyncError(
            ErrorKind.SERVICE_FAILED, what=f"`{' '.join(command)}` failed", why=said.replace("\n", "; "),
            fix="mend that and run `bqsync service install` again: what is in place already stays as it is",
        )

"""Whether the user of the service can get at what the unit names: the commonest fault of an installation by hand."""

from __future__ import annotations

import grp
import os
import pwd
import stat
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import bqsync

_HOMES = ("/home", "/root", "/run/user")


@dataclass(frozen=True, slots=True)
class Person:
    """Who wants to get there. A uid of None stands for a user that is not made yet: it owns nothing."""

    name: str
    uid: int | None = None
    gids: tuple[int, ...] = ()


def person(name: str, groups: Iterable[str]) -> Person:
    """A user of this machine, with its own groups and those of the unit, or one that is still to be made."""
    gids = [entry.gr_gid for entry in grp.getgrall() if entry.gr_name in set(groups)]
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return Person(name, None, tuple(gids))
    return Person(name, entry.pw_uid, (*os.getgrouplist(name, entry.pw_gid), *gids))


def running_executable() -> Path:
    """The `bqsync` of the environment that is running now, also where it was called by `python -m bqsync`."""
    script = Path(sysconfig.get_path("scripts")) / "bqsync"
    return script if _is_there(script) else Path(sys.argv[0]).absolute()


def warnings(executable: Path, who: Person) -> list[str]:
    """
    Reasons for which the service's user may not be able to start the program, each a sentence with its fix.

    Args:
        executable: that the unit starts.
        who: the service's user.
    """
    fix = "install bqsync into /opt/bqsync, as docs/operations.md tells"
    if not _is_there(executable):
        return [f"{executable} does not exist: the service can't start"]
    needed = [executable, executable.resolve()]
    if executable == running_executable():
        # The script alone is not enough: the interpreter and the package it loads count as well.
        needed += [Path(sys.executable), Path(sys.executable).resolve(), Path(bqsync.__file__)]
    closed = {path: closed_at for path in needed if (closed_at := _closed_at(path, who)) is not None}
    found = [f"{who.name} can't get at {path}: {closed_at} is closed to it; {fix}"
             for path, closed_at in closed.items()]
    found += [f"{path} lies in a home folder, and goes when its owner does; {fix}"
              for path in dict.fromkeys(needed) if path not in closed and str(path).startswith(_in_homes())]
    return found


def closed_folders(folders: Iterable[Path], who: Person) -> list[str]:
    """
    Folders of the service that its user can't enter, each a sentence with its fix.

    Those of several instances stand in folders of one user: another user's instance gets no further.
    """
    return [f"{who.name} can't get at {folder}: {closed_at} is closed to it; run all instances as one user"
            for folder in folders if _is_there(folder) and (closed_at := _closed_at(folder, who)) is not None]


def _is_there(path: Path) -> bool:
    """As `exists`, which raises where a folder on the way is closed."""
    try:
        path.stat()
    except OSError:
        return False
    return True


def _in_homes() -> tuple[str, ...]:
    return tuple(f"{home}/" for home in _HOMES)


def _closed_at(path: Path, who: Person) -> Path | None:
    """The first folder on the way that can't be entered, or the file itself if it can't be read."""
    for place in _way(path):
        try:
            status = place.stat()
        except OSError:
            return place
        needed = stat.S_IXOTH if stat.S_ISDIR(status.st_mode) else stat.S_IROTH
        if not _may(status, needed, who):
            return place
    return None


def _way(path: Path) -> Iterator[Path]:
    yield from reversed(path.absolute().parents)
    yield path


def _may(status: os.stat_result, needed: int, who: Person) -> bool:
    """The first of owner, group and others that fits decides, as in the kernel."""
    if who.uid == 0:
        return True
    if status.st_uid == who.uid:
        needed <<= 6
    elif status.st_gid in who.gids:
        needed <<= 3
    return bool(status.st_mode & needed)

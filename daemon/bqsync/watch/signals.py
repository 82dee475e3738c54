"""What the watch tells the daemon."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Signal(StrEnum):
    """Why to look at the database. Neither says that anything changed: a rollback writes as well."""

    CHANGED = "changed"
    """Its files were written, made, moved or deleted, or may have been while nobody watched."""
    OVERFLOW = "overflow"
    """More happened in the folder than the kernel keeps; what was lost is unknown."""


@dataclass(frozen=True, slots=True)
class Degraded:
    """Why changes are found by polling alone, in operators' words."""

    what: str
    why: str
    fix: str


SCARCE = frozenset({errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})
"""Failures by a limit of the machine: asking again at every poll would only add to the load."""


def explain(database: Path, folder: Path, failure: OSError) -> Degraded:
    """Put into words why a folder can't be watched."""
    why, fix = _reasons(database, folder).get(failure.errno or 0) or (
        failure.strerror or str(failure), "look at the folder with `ls -ld`; the watch is tried again at every poll",
    )
    return Degraded(f"{folder} is not watched; changes are found by polling alone", why, fix)


def no_remote_events(folder: Path, file_system: str) -> Degraded:
    """Put into words that a file system tells nothing of what other machines write."""
    return Degraded(
        f"{folder} lies on {file_system}; changes by other machines are found by polling alone",
        "the kernel of this machine learns of its own writes only",
        "run bqsync on the machine that writes the database, or accept that changes are found at the next poll",
    )


def failed_callback(failure: Exception) -> Degraded:
    """Put into words that a signal came, and the daemon failed to take it in."""
    return Degraded(
        f"a wake-up was lost: {type(failure).__name__}",
        "this is a fault of bqsync, not of your data; the change is found at the next poll",
        "nothing has to be done for the data; report it with the version of bqsync",
    )


def unusable(failure: Exception) -> Degraded:
    """Put into words a failure that nobody foresaw."""
    return Degraded(
        "the folder of the database is not watched; changes are found by polling alone",
        f"{type(failure).__name__}: {failure}",
        "check `source.db` and the installed version of watchdog; the watch is tried again at every poll",
    )


def _reasons(database: Path, folder: Path) -> dict[int, tuple[str, str]]:
    denied = (
        f"this user may not list {folder}, or may not enter a folder above it",
        f"give it both: `setfacl -m u:USER:rx {folder}`, and x on the folders above",
    )
    return {
        errno.ENOENT: (
            f"the folder of {database} does not exist",
            "make it, mount what belongs there, or correct `source.db`; every poll looks for it again",
        ),
        errno.ENOTDIR: (f"{folder} is not a folder", "correct `source.db`"),
        errno.ELOOP: (f"the symbolic links of {database} lead back to themselves", "mend the links"),
        errno.EACCES: denied,
        errno.EPERM: denied,
        errno.ENOSPC: (
            "all inotify watches that this user may have are in use",
            f"raise the limit: `sysctl fs.inotify.max_user_watches=1048576`{_KEEP_AND_RETRY}",
        ),
        errno.EMFILE: (
            "all inotify instances that this user may have, or all files that bqsync may open, are in use",
            _MORE_FILES,
        ),
        errno.ENFILE: (
            "all files that this machine may open are in use",
            f"raise the limit: `sysctl fs.file-max=1048576`{_KEEP_AND_RETRY}",
        ),
    }


_KEEP_AND_RETRY = ", and write it to a file in /etc/sysctl.d to keep it; bqsync tries again every minute"
"""Source: https://man7.org/linux/man-pages/man7/inotify.7.html"""
_MORE_FILES = (
    "raise LimitNOFILE= of the service (`ulimit -n`), or the limit of inotify:"
    f" `sysctl fs.inotify.max_user_instances=1024`{_KEEP_AND_RETRY}"
)

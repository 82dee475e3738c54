"""
What the daemon is about, in a small file beside the state: written by it, read by `bqsync status`.

The state file knows what was delivered; this one, what only the running daemon knows: what waits, and until when. It is
a view that may be lost at any time, so nothing waits for the disk, and it counts only while the process that it names
holds the lock on the state.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

_MAX_BYTES = 16 << 20
_SUFFIX = ".live"


class LiveTable(msgspec.Struct, frozen=True, kw_only=True):
    """One table between or within its cycles. Instants in Unix microseconds."""

    is_running: bool
    pending_since_us: int | None
    """When the oldest change was written that may not be delivered; None where there is none."""
    failures: int
    """Of its cycles in a row."""
    paused_until_us: int | None
    """No cycle begins before; None where it does not pause."""
    merge_interval_s: float
    """Seconds at least between the beginnings of two cycles."""
    doubtful_since_us: int | None = None
    """Since when a change may wait that nobody knows of: its cycles fail since then, or none has ended well yet since
    the daemon took its configuration in; None where it is not in doubt."""


class LiveStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The daemon as a whole."""

    pid: int
    started_us: int
    written_us: int
    source_failure: dict[str, str] | None
    """Why there is no database to look at: as in `--json`."""
    outage: dict[str, str] | None
    """Why no table can be delivered."""
    outage_until_us: int | None
    """When that is tried again."""
    tables: dict[str, LiveTable]


def live_file(state_file: Path) -> Path:
    """Where it stands."""
    return state_file.with_name(f"{state_file.name}{_SUFFIX}")


def write_live(file: Path, status: LiveStatus) -> None:
    """Replace the file, whole or not at all. On a full disk it stays as it is: it is no reason to stop."""
    temporary = file.with_name(f"{file.name}.new")
    with contextlib.suppress(OSError):
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(msgspec.json.encode(status))
        temporary.replace(file)


def read_live(file: Path) -> LiveStatus | None:
    """What the file says; None where there is none, or it can't be made out."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as found:
            return msgspec.json.decode(found.read(_MAX_BYTES), type=LiveStatus)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def remove_live(file: Path) -> None:
    """The daemon ends."""
    with contextlib.suppress(OSError):
        file.unlink(missing_ok=True)

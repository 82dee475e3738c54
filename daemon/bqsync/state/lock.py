"""One process at a time works with a state file."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import time
from pathlib import Path

from bqsync.errors import BqsyncError, ErrorKind
from bqsync.regular_file import UnfitFileError, open_regular

_PATIENCE_S, _LONGEST_WAIT_S = 5.0, 0.01
"""Whoever only looks who has the lock (`lock_holder`) shares it for an instant; that must turn nobody away."""


def make_folder(state_file: Path) -> None:
    """
    Make the folder of a state file, and those above it, where they are missing: nobody else may enter them.

    Raises:
        BqsyncError: STATE_UNWRITABLE.
    """
    missing = [folder for folder in state_file.parents if not folder.exists()]
    try:
        # Each by itself: for the folders in between, mkdir takes no heed of the mode.
        for folder in [*reversed(missing), state_file.parent]:
            folder.mkdir(exist_ok=True, mode=0o700)
    except OSError as exc:
        raise _unwritable(state_file, exc) from exc


class StateLock:
    """
    An exclusive lock beside the state file, released by the kernel when the process ends, however it ends.

    The lock stands on a file of its own: the state file may be moved aside and made anew while the lock is held.
    """

    def __init__(self, state_file: Path) -> None:
        self._path = _lock_file(state_file)
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """
        Take the lock.

        Raises:
            BqsyncError: STATE_LOCKED, where another process has it; STATE_UNWRITABLE, where the file can't be made.
        """
        try:
            # A link would be followed to a file of somebody else's, which is cut to nothing below.
            descriptor = open_regular(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
        except OSError as exc:
            if self._path.is_symlink():
                raise _unwritable(self._path, UnfitFileError(self._path, "it is a symbolic link")) from exc
            raise _unwritable(self._path, exc) from exc
        if not _lock(descriptor):
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise BqsyncError(
                ErrorKind.STATE_LOCKED, what=f"another bqsync works with {self._path.with_suffix('')}",
                why=f"process {holder or 'unknown'} holds the lock",
                fix="wait for it to end, or stop that process",
            )
        self._descriptor = descriptor
        # On a full disk nobody can read who holds it; it is held all the same.
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Give the lock back. Safe to call twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def lock_holder(state_file: Path) -> int | None:
    """
    The process that works with a state file, 0 where its number can't be read; None where there is none.

    Nothing is made or written, and whoever wants the lock meanwhile gets it.

    Raises:
        BqsyncError: STATE_UNWRITABLE, where this user may not look.
    """
    path = _lock_file(state_file)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise _unwritable(path, exc) from exc
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        written = os.pread(descriptor, 32, 0).strip()
        return int(written) if written.isdigit() else 0
    finally:
        os.close(descriptor)
    return None


def _lock_file(state_file: Path) -> Path:
    return state_file.with_name(f"{state_file.name}.lock")


def _lock(descriptor: int) -> bool:
    """Whether the lock is ours now. Where it could be shared, only those who look are in the way: soon gone."""
    give_up = time.monotonic() + _PATIENCE_S
    while not _locked(descriptor, fcntl.LOCK_EX):
        if not _locked(descriptor, fcntl.LOCK_SH) or time.monotonic() > give_up:
            return False
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        # Two that wait must not meet here for ever.
        time.sleep(random.uniform(0, _LONGEST_WAIT_S))  # noqa: S311 - no secret
    return True


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _unwritable(path: Path, cause: OSError) -> BqsyncError:
    return BqsyncError(
        ErrorKind.STATE_UNWRITABLE, what=f"cannot create {path}", why=cause.strerror or str(cause),
        fix="give the user of bqsync write permission on that folder, or set `state.file` to another place",
    )

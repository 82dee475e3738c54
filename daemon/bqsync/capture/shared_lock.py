"""
The lock that keeps an application's last close away, taken before SQLite opens the file.

Whether a database in WAL mode has a `-wal` decides how it has to be read. An application that closed it between that
look and SQLite's open would remove the `-wal`, and SQLite would make a new one, and a `-shm`, as our user. Before its
last close checkpoints and removes anything, SQLite asks for the exclusive lock on the file; so a shared lock of ours,
taken by SQLite's own protocol, makes the look and the open one step.

Sources: https://www.sqlite.org/lockingv3.html, https://www.sqlite.org/fileformat.html#the_lock_byte_page,
`sqlite3WalClose` in https://www.sqlite.org/src/file/src/wal.c
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PENDING_BYTE = 0x40000000
_SHARED_FIRST, _SHARED_BYTES = _PENDING_BYTE + 2, 510
"""Source: https://www.sqlite.org/src/file/src/os.h"""
_FLOCK = "hhqqi4x"
"""`struct flock` of Linux on 64 bits: type, whence, start, length, process."""


class LockedError(Exception):
    """An application holds the exclusive lock, or is about to get it."""


@contextmanager
def shared_lock(real: Path) -> Iterator[int]:
    """
    Hold the shared lock on a database; gives a descriptor of the file.

    Closing it drops every lock that the process has on the file: SQLite's connection has to be closed before.

    Raises:
        LockedError: at once, without waiting. Whoever waits must not hold the lock meanwhile: a writer that waits for
            it to go keeps all new readers out, SQLite's connection of our own among them.
        OSError: the file can't be opened, or its file system knows no locks.
    """
    descriptor = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _take(descriptor)
        yield descriptor
    finally:
        os.close(descriptor)


def is_locked_by_others(descriptor: int) -> bool:
    """
    Whether another process holds the shared lock too, as each connection to a database in WAL mode does.

    Source: https://man7.org/linux/man-pages/man2/fcntl_locking.2.html (`F_GETLK`; it needs no right to write)
    """
    asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, _SHARED_FIRST, _SHARED_BYTES, 0)
    kind, *_ = struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
    return bool(kind != fcntl.F_UNLCK)


def _take(descriptor: int) -> None:
    """A writer that waits for the readers to go holds the pending byte, so that no new one comes."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, _PENDING_BYTE)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB, _SHARED_BYTES, _SHARED_FIRST)
        finally:
            fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, _PENDING_BYTE)
    except (BlockingIOError, PermissionError) as exc:
        # POSIX leaves it open which of the two a lock of another process is told by.
        raise LockedError from exc

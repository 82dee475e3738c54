"""What `stat` tells of a database file and the `-wal` beside it, without opening either."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path

from bqsync.errors import BqsyncError, ErrorKind

_SMALLEST_BYTES = 512
"""Source: https://www.sqlite.org/fileformat.html#the_database_header"""
_RACY_NS = 100_000_000
"""
Ten times the coarsest tick (10 ms, at CONFIG_HZ=100) by which Linux stamps files. Two writes within one tick leave
one time stamp, except on file systems that have multigrain ones (ext4, btrfs, XFS and tmpfs since Linux 6.13).
Sources: https://docs.kernel.org/filesystems/multigrain-ts.html,
https://git-scm.com/docs/racy-git (git's index has the same trouble, and the same way out)
"""


@dataclass(frozen=True, slots=True)
class FileState:
    """What `stat` tells of the file and its `-wal`: while it stays the same and was settled, nothing was committed."""

    device: int
    inode: int
    size_bytes: int
    modified_ns: int
    wal: tuple[int, int, int] | None
    """Inode, size in bytes and modification time in ns; None where there is no `-wal`."""
    is_settled: bool = field(default=True, compare=False)
    """
    Whether a commit after this look is sure to show. False while a time stamp is so near to the time of the look that
    another commit may get the same one, and leave the same sizes. A stamp that lies far in the future, as after a clock
    was set back, will not be given again soon: it counts as settled.
    """


def real_path(path: Path) -> Path:
    """
    The file itself, behind all symbolic links, as they are now: SQLite keeps `-wal`, `-shm` and `-journal` beside it.

    Raises:
        OSError: there is none (a link that dangles), or the links lead in a circle.

    Source: https://www.sqlite.org/releaselog/3_10_0.html
    """
    return Path(os.path.realpath(path, strict=True))


def beside(real: Path, suffix: str) -> Path:
    """The side file of a database: `-wal`, `-shm` or `-journal`."""
    return Path(f"{real}{suffix}")


def file_state(path: Path) -> FileState:
    """
    A look at the file now.

    Raises:
        BqsyncError: SOURCE_EMPTY, SOURCE_NOT_A_DATABASE, or SOURCE_UNREADABLE where a side file is no file.
        OSError: the file is not there, is a directory, or may not be looked at.
    """
    real = real_path(path)
    # Read first: a commit between the clock and the look makes the look younger, never older.
    now_ns = time.time_ns()
    main = real.stat()
    _require_a_database(path, main)
    try:
        log = beside(real, "-wal").stat()
    except FileNotFoundError:
        wal, stamps_ns = None, [main.st_mtime_ns]
    else:
        _require_a_side_file(beside(real, "-wal"), log)
        wal, stamps_ns = (log.st_ino, log.st_size, log.st_mtime_ns), [main.st_mtime_ns, log.st_mtime_ns]
    for suffix in ("-shm", "-journal"):
        with contextlib.suppress(FileNotFoundError):
            _require_a_side_file(beside(real, suffix), beside(real, suffix).stat())
    # Each of them: one that a clock left in the future must not hide that the other one is fresh.
    is_settled = all(abs(now_ns - stamp_ns) > _RACY_NS for stamp_ns in stamps_ns)
    return FileState(main.st_dev, main.st_ino, main.st_size, main.st_mtime_ns, wal, is_settled=is_settled)


def _require_a_side_file(path: Path, found: os.stat_result) -> None:
    """SQLite opens what stands there, and would wait at a pipe."""
    if not stat.S_ISREG(found.st_mode):
        raise BqsyncError(
            ErrorKind.SOURCE_UNREADABLE, what=f"{path} is no regular file",
            why="SQLite keeps a file of its own under that name beside the database, and would open whatever is there",
            fix="find out who made it, and remove it",
        )


def _require_a_database(path: Path, main: os.stat_result) -> None:
    if stat.S_ISDIR(main.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(main.st_mode):
        # To open a pipe would wait for somebody who writes into it.
        raise BqsyncError(
            ErrorKind.SOURCE_NOT_A_DATABASE, what=f"{path} is a pipe, a socket or a device",
            why="a SQLite file is expected", fix="point `source.db` at the database file",
        )
    if not main.st_size:
        raise BqsyncError(
            ErrorKind.SOURCE_EMPTY, what=f"{path} has 0 bytes",
            why="SQLite takes such a file for an empty database; it is never read as 'everything was deleted'",
            fix="restore the file, or point `source.db` at the right one",
        )
    if main.st_size < _SMALLEST_BYTES:
        # SQLite takes such a stump for an empty database as well.
        raise BqsyncError(
            ErrorKind.SOURCE_NOT_A_DATABASE, what=f"{path} has {main.st_size} bytes",
            why=f"a SQLite database has {_SMALLEST_BYTES} at least; nothing is deleted in BigQuery meanwhile",
            fix="restore the file, or point `source.db` at the right one",
        )

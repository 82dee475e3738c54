"""A `-wal` that belongs to the file which stood here before."""

from __future__ import annotations

import os
from pathlib import Path

from bqsync.errors import BqsyncError, ErrorKind
from bqsync.regular_file import open_regular

_HEADER_BYTES = 32
_SALTS = slice(16, 24)
"""Source: https://www.sqlite.org/fileformat.html#wal_header_format"""


class LogWatch:
    """
    Remembers which `-wal` stood beside which file.

    A backup that is renamed over a database, whose `-wal` is left where it was, shows the rows of the old database:
    SQLite compares the salts and checksums of the frames with the header of the `-wal`, and nothing of it with the
    database. The salts are drawn anew whenever a `-wal` is begun anew; so the same salts in the same inode, beside
    another file, tell what SQLite can't. After a restart nothing is remembered: then it goes unnoticed.

    Source: https://www.sqlite.org/howtocorrupt.html#_unlinking_or_renaming_a_database_file_while_in_use
    """

    def __init__(self) -> None:
        self._log: tuple[int, int, bytes] | None = None
        self._main: tuple[int, int] | None = None

    def check(self, path: Path, main: os.stat_result, log: Path) -> None:
        """
        Compare with the last time, and remember.

        Args:
            path: the name to tell.
            main: of the database file.
            log: its `-wal`, which may be missing.

        Raises:
            BqsyncError: SOURCE_BUSY.
        """
        file, header = (main.st_dev, main.st_ino), _mark(log)
        if header is not None and header == self._log and file != self._main:
            raise BqsyncError(
                ErrorKind.SOURCE_BUSY, what=f"{path} was replaced, and the -wal of the old file still stands beside it",
                why="SQLite would take that -wal for a part of the new file, and show rows of the old one",
                fix="stop the application, put the new file there once more, and remove the -wal and the -shm before "
                    "the application starts",
            )
        self._log, self._main = header, file


def _mark(log: Path) -> tuple[int, int, bytes] | None:
    """What tells one `-wal` from another; None where there is none, or no header yet, or none that we may read."""
    try:
        with os.fdopen(open_regular(log), "rb") as file:
            header, stat = file.read(_HEADER_BYTES), os.fstat(file.fileno())
    except OSError:
        return None  # SQLite, which is asked next, has the better words
    return (stat.st_dev, stat.st_ino, header[_SALTS]) if len(header) == _HEADER_BYTES else None

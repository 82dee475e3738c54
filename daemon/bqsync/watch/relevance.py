"""
Which events of a folder say that its database may have changed. Pure.

What a commit does to the folder depends on the journal mode: `-journal` created, written and deleted, or written only;
the main file written; in WAL mode nothing but a write to the `-wal`. The `-shm` is mapped memory and never tells.
Source: https://www.sqlite.org/tempfiles.html and https://man7.org/linux/man-pages/man7/inotify.7.html
"""

from __future__ import annotations

import os
from enum import Enum, auto

from watchdog.observers.inotify_c import InotifyConstants, Mask

_SUFFIXES = ("", "-wal", "-journal")

_OF_FILES = (
    InotifyConstants.IN_MODIFY | InotifyConstants.IN_CREATE | InotifyConstants.IN_DELETE
    | InotifyConstants.IN_MOVED_FROM | InotifyConstants.IN_MOVED_TO
)
"""
Never OPEN, CLOSE_WRITE, CLOSE_NOWRITE or ATTRIB.

A reader makes those, so our own reads would wake us for ever: SQLite opens `-wal` for writing where it may, and as root
it sets the owner of what it opens.
"""

_OF_FOLDER = InotifyConstants.IN_DELETE_SELF | InotifyConstants.IN_MOVE_SELF
"""An unmount is told by the end of the watch."""

WANTED = Mask(_OF_FILES | _OF_FOLDER)
"""What to ask the kernel for; it doesn't even queue the rest."""


class Relevance(Enum):
    """What an event means for the database."""

    NONE = auto()
    FILES = auto()
    """A file of the database was written, made, moved or deleted."""
    FOLDER = auto()
    """The folder itself was moved, deleted or unmounted."""


class DatabaseFiles:
    """
    The files that make up one database.

    Args:
        name: of the main file, without its folder.
    """

    def __init__(self, name: str) -> None:
        self._names = frozenset(os.fsencode(name + suffix) for suffix in _SUFFIXES)

    def relevance(self, mask: int, name: bytes) -> Relevance:
        """
        Judge one event of the folder.

        Args:
            mask: what happened, as bits of inotify.
            name: to which entry of the folder; empty for the folder itself.
        """
        if not name:
            return Relevance.FOLDER if mask & _OF_FOLDER else Relevance.NONE
        return Relevance.FILES if mask & _OF_FILES and name in self._names else Relevance.NONE

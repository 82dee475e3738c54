"""A second look at a state file that this very process has open."""

from __future__ import annotations

from pathlib import Path

from bqsync.state.store import Store


class StateReader(Store):
    """
    The state file, to be read beside the connection of this process that writes to it, and without waiting for that.

    Nothing but SQLite may open the file here: POSIX locks belong to the process, and closing any other descriptor of
    the file drops those of both connections. Another process that closes the file could then take itself for the last
    one, and remove the -wal from under the daemon. Source: https://www.sqlite.org/howtocorrupt.html

    Raises:
        BqsyncError: STATE_NEWER, STATE_UNWRITABLE, STATE_DAMAGED, or STATE_MISSING.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, read_only=True)

    def _check_size(self) -> None:
        """Whoever opened it first has looked, by a descriptor that could be closed."""

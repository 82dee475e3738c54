"""The watch over the files of one database, whatever becomes of its folder."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bqsync.watch.mounts import file_system_of, hides_remote_writes, parse_mountinfo
from bqsync.watch.signals import (
    SCARCE,
    Degraded,
    Signal,
    explain,
    failed_callback,
    no_remote_events,
    unusable,
)

if TYPE_CHECKING:
    from bqsync.watch.folder import FolderWatch

_RETRY_S = 60.0
"""How long a limit of the machine is not tried again."""
_MOUNTINFO = Path("/proc/self/mountinfo")


@dataclass(frozen=True, slots=True)
class _Place:
    """
    Where the database really stands.

    SQLite follows symbolic links and keeps `-wal` and `-journal` beside the real file.
    Source: https://www.sqlite.org/releaselog/3_10_0.html
    """

    folder: Path
    name: str
    device: int
    inode: int


class DatabaseWatch:
    """
    Calls back whenever the files of a database may have changed.

    Nothing is watched before the first `check`. No file of the database is ever opened: that would drop the locks of
    the reader in this process.

    Args:
        database: the main file; neither it nor its folder has to exist.
        on_event: called in a thread of the watch, and by `check` in that of its caller. It must return at once, and
            must neither call this object nor wait for a thread that may be doing so.
        clock_s: monotonic seconds.
        mountinfo: where the kernel lists the mounts.
    """

    def __init__(
        self, database: Path, on_event: Callable[[Signal], None], *,
        clock_s: Callable[[], float] = time.monotonic, mountinfo: Path = _MOUNTINFO,
    ) -> None:
        self._database = database
        self._on_event = on_event
        self._clock_s = clock_s
        self._mountinfo = mountinfo
        self._lock = threading.Lock()
        self._is_closed = False
        self._folder_watch: FolderWatch | None = None
        self._place: _Place | None = None
        self._remote: Degraded | None = None
        self._was_checked = False
        """The daemon may have looked before: what was written since, while nobody watched, is missed."""
        self._scarcity: Degraded | None = None
        self._retry_at_s = 0.0
        self._failure: Exception | None = None

    def check(self) -> Degraded | None:
        """
        Watch what has to be watched now.

        Called at the start, and then at every poll: it costs two or three calls of the system while nothing is amiss.
        Where events may have been missed since the check before, it calls back once. Never raises.

        Returns:
            Why changes are found by polling alone; None while events arrive.
        """
        with self._lock:
            if self._is_closed:
                return None
            try:
                return self._check() or self._failed_callback()
            except Exception as exc:  # noqa: BLE001 - polling goes on, whatever became of the watch
                self._drop()
                return unusable(exc)
            finally:
                self._was_checked = True

    def close(self) -> None:
        """End the watch: no call comes after this one has returned, and neither threads nor files are left behind."""
        with self._lock:
            self._is_closed = True
            self._drop()

    def _check(self) -> Degraded | None:
        folder = self._database.parent
        try:
            real = Path(os.path.realpath(self._database))
            folder = real.parent
            # Before the watch is placed: a folder that is replaced meanwhile differs from this at the next check.
            status = folder.stat()
            self._stand(_Place(folder, real.name, status.st_dev, status.st_ino))
        except OSError as exc:
            self._drop()
            degraded = explain(self._database, folder, exc)
            if exc.errno in SCARCE:
                self._scarcity, self._retry_at_s = degraded, self._clock_s() + _RETRY_S
            return degraded
        return self._scarcity or self._remote

    def _stand(self, place: _Place) -> None:
        """Watch that place, unless that is done, or a limit forbids it for now."""
        if self._folder_watch is not None and place == self._place and not self._folder_watch.is_blind:
            return
        self._drop()
        if self._scarcity is not None and self._clock_s() < self._retry_at_s:
            return
        # Loaded here, so that an incompatible watchdog costs the events and not the daemon.
        from bqsync.watch.folder import FolderWatch

        self._scarcity = None
        self._folder_watch = FolderWatch(place.folder, place.name, self._call_back)
        self._place = place
        self._remote = self._hidden_writers(place.folder)
        if self._was_checked:
            self._call_back(Signal.CHANGED)

    def _drop(self) -> None:
        if self._folder_watch is not None:
            self._folder_watch.close()
            self._folder_watch = None

    def _hidden_writers(self, folder: Path) -> Degraded | None:
        try:
            text = self._mountinfo.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return None
        file_system = file_system_of(folder, parse_mountinfo(text))
        if file_system is None or not hides_remote_writes(file_system):
            return None
        return no_remote_events(folder, file_system)

    def _call_back(self, signal: Signal) -> None:
        try:
            self._on_event(signal)
        except Exception as exc:  # noqa: BLE001 - it would end the thread of the watch; told by the next check
            self._failure = exc

    def _failed_callback(self) -> Degraded | None:
        failure, self._failure = self._failure, None
        return None if failure is None else failed_callback(failure)

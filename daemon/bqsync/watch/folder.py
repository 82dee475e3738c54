"""
One folder watched by inotify: the only module that talks to watchdog.

Of watchdog, the reader of the inotify queue is used, not the observer above it. The observer tells no handler of a full
queue, takes a refused permission for success, and holds every event behind a file that was moved away back for half
a second; and it hands each event through three threads, where this takes one. That one sleeps in poll() without a
time-out: an idle watch never wakes up.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchDescriptor,
)

from bqsync.watch.relevance import WANTED, DatabaseFiles, Relevance
from bqsync.watch.signals import Signal

_MASK = Mask(WANTED | InotifyConstants.IN_ONLYDIR | InotifyConstants.IN_EXCL_UNLINK)
"""A file that was replaced, but is still written by whoever holds it open, is not the database any more."""


class _Queue(InotifyFD):
    """The kernel's queue of events, and the thread that reads it."""

    def __init__(self) -> None:
        try:
            super().__init__()
        except OSError:
            # Where the queue was made and the pipe beside it was not, watchdog leaves the queue open.
            descriptor = getattr(self, "_inotify_fd", None)
            if descriptor is not None:
                os.close(descriptor)
            raise
        # Until its thread begins to read, watchdog says that it reads: closed by then, it would leave its files open.
        self._is_reading = False
        self.name = "bqsync-watch"


class FolderWatch:
    """
    Calls back for every event of a folder that concerns a database in it.

    Args:
        folder: where the main file, `-wal` and `-journal` stand.
        name: of the main file.
        on_signal: called in the thread of the watch; must return at once, must not raise, and must not close the watch.

    Raises:
        OSError: the folder can't be watched: it is missing, permission is denied, or a limit of the machine is reached.
    """

    def __init__(self, folder: Path, name: str, on_signal: Callable[[Signal], None]) -> None:
        self._files = DatabaseFiles(name)
        self._on_signal = on_signal
        self._is_open = True
        self._is_blind = False
        self._queue = _Queue()
        try:
            self._start(folder)
        except RuntimeError as exc:
            self.close()
            raise OSError(errno.EAGAIN, "no further thread can be started") from exc
        except BaseException:
            self.close()
            raise

    @property
    def is_blind(self) -> bool:
        """Whether events may stay away from now on, so that the folder has to be watched anew."""
        return self._is_blind or not self._queue.is_alive()

    def close(self) -> None:
        """End the watch and its thread: no call comes after this one has returned. Safe to call twice."""
        self._is_open = False
        self._queue.stop()
        if self._queue.ident is not None and self._queue is not threading.current_thread():
            self._queue.join()

    def on_event(self, event: InotifyEvent) -> None:
        """Take in an event; called by watchdog."""
        if self._files.relevance(event.mask, event.name) is not Relevance.NONE:
            self._signal(Signal.CHANGED)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:  # noqa: ARG002 - there is one
        """Take in that the kernel ended the watch: the folder was deleted or unmounted. Called by watchdog."""
        self._is_blind = True
        self._signal(Signal.CHANGED)

    def on_queue_overflow(self) -> None:
        """Take in that events were lost; called by watchdog."""
        # The news that the folder is gone may be among them, and a new one may get the inode of the old.
        self._is_blind = True
        self._signal(Signal.OVERFLOW)

    def _start(self, folder: Path) -> None:
        watch = self._queue.add_callback(os.fsencode(folder), _MASK, self, CallbackId(id(self)))
        if watch < 0:
            # watchdog raises for every failure but this one.
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        self._queue.start()

    def _signal(self, signal: Signal) -> None:
        if self._is_open:
            self._on_signal(signal)

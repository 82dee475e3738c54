"""
Connections from this machine, each answered once and closed.

One thread waits for them without ever waking up by itself. Each connection has a thread of its own while it lasts, and
there are only so many: one more takes the place of the one that has been silent for longest, or is turned away where
all have asked; and who is slow is dropped. So nobody who asks can hold up the daemon, whatever he sends, and nobody who
does not ask can hold up those who do.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
import time
from collections.abc import Callable

from bqsync.observe.events import Event
from bqsync.observe.log import get_logger
from bqsync.observe.repeats import Repeats

_log = get_logger()

PATIENCE_S = 10.0
"""For a client: as long as a machine that is short of memory may stand still, and longer."""
_REST_S = 1.0
"""After an accept that has failed, as where no descriptor is left."""
_READ_BYTES = 4096


class Listener:
    """
    Answers connections until it is closed.

    Args:
        listening: a socket that is bound; it listens from now on, and is closed with the listener.
        answer: is given a connection and its request, and answers. An OSError is the end of it; another exception is
            logged.
        end: of a request. One that ends without it, or is longer than it may be, is given as far as it has come.
        request_bytes: that a request may have.
        name: of the threads.
        at_most: connections at a time.
        patience_s: for what a connection sends and takes, each.

    Raises:
        OSError: it can't listen, or the process may have no more threads. The socket is left open.
    """

    def __init__(
        self, listening: socket.socket, answer: Callable[[socket.socket, bytes], None], *, end: bytes,
        request_bytes: int, name: str, at_most: int, patience_s: float,
    ) -> None:
        self._listening = listening
        self._answer = answer
        self._end = end
        self._request_bytes = request_bytes
        self._name = name
        self._patience_s = patience_s
        self._lines = Repeats()
        self._free = threading.BoundedSemaphore(at_most)
        self._lock = threading.Lock()
        self._silent: dict[socket.socket, None] = {}
        """Connections whose request has not come yet, the longest first."""
        self._is_closed = threading.Event()
        listening.listen(2 * at_most)
        self._thread = threading.Thread(target=self._listen, name=name, daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            raise OSError(errno.EAGAIN, str(error)) from error

    def close(self) -> None:
        """Take no more connections. Those that are being answered end by themselves, within their patience."""
        self._is_closed.set()
        # Linux wakes the thread that accepts; closing the descriptor alone would leave it waiting.
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()

    def _listen(self) -> None:
        while not self._is_closed.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                self._is_closed.wait(_REST_S)
                continue
            if not self._has_place():
                connection.close()
                continue
            with self._lock:
                self._silent[connection] = None
            try:
                threading.Thread(target=self._serve, args=(connection,), name=f"{self._name} answer",
                                 daemon=True).start()
            except RuntimeError:  # the process may have no more threads
                self._has_asked(connection)
                connection.close()
                self._free.release()

    def _has_place(self) -> bool:
        """Take a place for one more, that of the longest silent one if need be; whether there is any."""
        if self._free.acquire(blocking=False):
            return True
        with self._lock:
            silent = next(iter(self._silent), None)
            if silent is None:
                return False
            del self._silent[silent]
            # Its thread, which reads, wakes up and closes it: not before that is its descriptor anybody else's.
            with contextlib.suppress(OSError):
                silent.shutdown(socket.SHUT_RDWR)
        return self._free.acquire(timeout=self._patience_s)

    def _has_asked(self, connection: socket.socket) -> bool:
        """Its place is its own from now on; False where another has it."""
        with self._lock:
            is_here = connection in self._silent
            self._silent.pop(connection, None)
        return is_here

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, contextlib.suppress(OSError):
                connection.settimeout(self._patience_s)
                try:
                    request = read_until(connection, self._end, at_most=self._request_bytes)
                finally:
                    is_here = self._has_asked(connection)
                if is_here:
                    self._answer(connection, request)
        except Exception as raised:  # noqa: BLE001 - whoever looks on must not end what he looks at
            if self._lines.admit(None) is not None:
                _log.error(Event.ANSWER_FAILED, where=self._name, exc_info=raised)
        finally:
            self._free.release()


def read_until(connection: socket.socket, end: bytes, *, at_most: int) -> bytes:
    """
    What a connection sends, up to `end` at least, or to its own end, or until it is too much.

    Args:
        connection: whose time-out is that of the whole, not of each piece.
        end: is looked for.
        at_most: bytes; what is longer is not read on.

    Raises:
        OSError: TimeoutError, or what the connection has come to.
    """
    patience_s = connection.gettimeout()
    deadline_s = None if patience_s is None else time.monotonic() + patience_s
    received = b""
    try:
        while end not in received and len(received) <= at_most:
            if deadline_s is not None:
                connection.settimeout(max(0.001, deadline_s - time.monotonic()))
            piece = connection.recv(_READ_BYTES)
            if not piece:
                break
            received += piece
    finally:
        connection.settimeout(patience_s)
    return received

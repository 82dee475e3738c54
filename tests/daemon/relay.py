"""A way to BigQuery that can be closed, as if nothing listened there, and opened again under the same address."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

from bqsync.embedded import Endpoints

_BYTES = 65_536


class Relay:
    """
    Both interfaces of a BigQuery, on two ports of its own. Closed at first.

    Args:
        upstream: where BigQuery listens.
    """

    def __init__(self, upstream: Endpoints) -> None:
        self._rest = _Port(upstream.rest.removeprefix("http://"))
        self._grpc = _Port(upstream.grpc)
        self.endpoints = Endpoints(rest=f"http://127.0.0.1:{self._rest.number}", grpc=f"127.0.0.1:{self._grpc.number}")

    def open(self) -> None:
        """Let everything pass. What begins with the one goes on with the other: that one first."""
        self._grpc.open()
        self._rest.open()

    def close(self) -> None:
        """Nothing listens any more, and every connection is lost."""
        self._rest.close()
        self._grpc.close()

    def end(self) -> None:
        """Closed for good."""
        self._rest.end()
        self._grpc.end()


class _Port:
    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._listener: socket.socket | None = None
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        # Bound and not listening, it keeps the port from everybody else while it is closed.
        self._kept = socket.socket()
        self._kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._kept.bind(("127.0.0.1", 0))
        self.number: int = self._kept.getsockname()[1]

    def end(self) -> None:
        self.close()
        self._kept.close()

    def open(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.number), reuse_port=True)
        self._start(self._accept, self._listener)

    def close(self) -> None:
        if self._listener is None:
            return
        listener, self._listener = self._listener, None
        _hang_up(listener)
        with self._lock:
            sockets, threads = self._sockets[:], self._threads[:]
        for connection in sockets:
            _hang_up(connection)
        for thread in threads:
            thread.join()
        self._sockets.clear()
        self._threads.clear()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(self._target)
                with self._lock:
                    self._sockets += [near, far]
                if self._listener is not listener:
                    _hang_up(near)
                    _hang_up(far)
                self._start(_pump, near, far)
                self._start(_pump, far, near)

    def _start(self, target: Callable[..., object], *arguments: socket.socket) -> None:
        thread = threading.Thread(target=target, args=arguments)
        with self._lock:
            self._threads.append(thread)
        thread.start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_BYTES):
            sink.sendall(data)
    _hang_up(source)
    _hang_up(sink)


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()

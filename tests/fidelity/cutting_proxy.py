"""A TCP proxy that loses its first connection after requests have passed and before their answers do."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

_SETTLE_S = 0.4
"""How long what was passed on has to take effect before the connection is lost."""


class CuttingProxy:
    """Passes bytes on to `upstream`; after `cut_after_bytes` of a client its answers stop, and it ends."""

    def __init__(self, upstream: str, cut_after_bytes: int) -> None:
        host, _, port = upstream.rpartition(":")
        self._upstream = (host, int(port))
        self._cut_after_bytes = cut_after_bytes
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._upstream)
                mute = threading.Event()
                threading.Thread(target=self._pass_requests, args=(client, server, mute), daemon=True).start()
                threading.Thread(target=_pass_answers, args=(server, client, mute), daemon=True).start()

    def _pass_requests(self, client: socket.socket, server: socket.socket, mute: threading.Event) -> None:
        passed = 0
        with suppress(OSError):
            while data := client.recv(65_536):
                if not self.cuts and passed + len(data) > self._cut_after_bytes:
                    self.cuts += 1
                    mute.set()
                    time.sleep(_SETTLE_S)
                    break
                server.sendall(data)
                passed += len(data)
        _end(client, server)


def _pass_answers(server: socket.socket, client: socket.socket, mute: threading.Event) -> None:
    with suppress(OSError):
        while data := server.recv(65_536):
            if not mute.is_set():
                client.sendall(data)
    _end(client, server)


def _end(*connections: socket.socket) -> None:
    for connection in connections:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()

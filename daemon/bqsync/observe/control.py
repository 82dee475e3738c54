"""
The control socket beside the state file: who may read the state may ask the daemon what it is about.

A client sends the line `snapshot`, and gets one JSON document (docs/json.md) and the end of the connection. The socket
has mode 0600. Its address may have 108 bytes, and a path more, so it is named by way of a descriptor of its folder.
Source: https://man7.org/linux/man-pages/man7/unix.7.html
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bqsync.observe.listener import PATIENCE_S, Listener
from bqsync.observe.snapshot import MAX_BYTES, Snapshot, decode

_SUFFIX = ".sock"
_REQUEST = b"snapshot\n"
_AT_MOST = 4
_REQUEST_BYTES = 64
_READ_BYTES = 1 << 16


def control_socket(state_file: Path) -> Path:
    """Where it stands."""
    return state_file.with_name(f"{state_file.name}{_SUFFIX}")


class ControlSocket:
    """
    Answers until it is closed. Its maker holds the lock on the state: a socket that is there was left by a dead daemon.

    Args:
        file: where it is to stand.
        take: gives the answer. Called from any thread.
        patience_s: for what a client sends and takes, each.

    Raises:
        OSError: it can't be made, or something else stands there.
    """

    def __init__(self, file: Path, take: Callable[[], bytes], *, patience_s: float = PATIENCE_S) -> None:
        self._file = file
        self._take = take
        listening = socket.socket(socket.AF_UNIX)
        try:
            with _folder_of(file) as folder:
                _remove(file.name, folder)
                # Linux gives the file the mode of the socket, so there is no moment at which others could get in.
                os.fchmod(listening.fileno(), 0o600)
                listening.bind(_address(folder, file.name))
            self._listener = Listener(listening, self._answer, end=b"\n", request_bytes=_REQUEST_BYTES, name="control",
                                      at_most=_AT_MOST, patience_s=patience_s)
        except OSError:
            listening.close()
            raise

    def close(self) -> None:
        """Answer no more, and leave nothing behind."""
        self._listener.close()
        with contextlib.suppress(OSError), _folder_of(self._file) as folder:
            _remove(self._file.name, folder)

    def _answer(self, connection: socket.socket, request: bytes) -> None:
        if request != _REQUEST:
            connection.sendall(b'{"error": "the one request is: snapshot"}\n')
            return
        try:
            document = self._take()
        except OSError as error:
            # That of a connection is its end, and nobody's fault; this one is to be told.
            raise RuntimeError("there is no snapshot") from error
        connection.sendall(document)


def ask(file: Path) -> Snapshot | None:
    """What the daemon tells at its socket; None where there is none, or it can't be made out."""
    received = bytearray()
    try:
        with _folder_of(file) as folder, socket.socket(socket.AF_UNIX) as connection:
            deadline_s = time.monotonic() + PATIENCE_S
            connection.settimeout(PATIENCE_S)
            connection.connect(_address(folder, file.name))
            connection.sendall(_REQUEST)
            while piece := connection.recv(_READ_BYTES):
                received += piece
                if len(received) > MAX_BYTES:
                    return None
                connection.settimeout(max(0.001, deadline_s - time.monotonic()))
    except OSError:
        return None
    return decode(bytes(received))


@contextmanager
def _folder_of(file: Path) -> Iterator[int]:
    folder = os.open(file.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield folder
    finally:
        os.close(folder)


def _address(folder: int, name: str) -> str:
    return f"/proc/self/fd/{folder}/{name}"


def _remove(name: str, folder: int) -> None:
    """Remove a socket of that name; anything else is somebody's file, and binding says that it is there."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=folder)

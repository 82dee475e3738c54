"""Those who look on from outside while the daemon runs: where they ask, and what it remembers for them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bqsync.config import Config
from bqsync.config.listen import ListenAddress, parse_listen
from bqsync.engine.live import LiveView
from bqsync.engine.loop import Loop
from bqsync.engine.paced import Paced
from bqsync.engine.recorder import Recorder
from bqsync.engine.snapshots import Snapshots
from bqsync.observe.control import ControlSocket, control_socket
from bqsync.observe.events import Event
from bqsync.observe.last_hour import LastHour
from bqsync.observe.log import get_logger
from bqsync.observe.snapshot import encode

if TYPE_CHECKING:
    from bqsync.observe.http_server import HttpServer, Route

_log = get_logger()

_TRY_AGAIN_S = 10.0


@dataclass(frozen=True, slots=True)
class _Followed:
    """The session that is told of."""

    loop: Loop
    snapshots: Snapshots
    document: Paced[bytes]
    """The snapshot in JSON, for the control socket and over HTTP."""
    page: Paced[bytes]
    ready_within_s: float


class Onlookers:
    """
    Keeps the control socket, and the HTTP server as it is configured.

    The loop's thread calls the methods; what they ask for is answered by threads of theirs, which only read.

    Args:
        live: makes what only the daemon knows of its loop.
        now_us: the wall clock, in Unix microseconds.
        metrics: answers `/metrics`.
    """

    def __init__(self, live: LiveView, now_us: Callable[[], int], metrics: Route) -> None:
        self._live = live
        self._now_us = now_us
        self._metrics = metrics
        self._last_hour = LastHour()
        self._recorder = Recorder(self._last_hour, now_us)
        self._followed: _Followed | None = None
        self._turned_s = time.monotonic()
        self._socket: ControlSocket | None = None
        self._listen: str | None = None
        self._server: HttpServer | None = None
        self._retry_s = math.inf
        self._has_told = False

    def follow(self, config: Config, loop: Loop) -> None:
        """A session begins: tell of its loop from now on, where its configuration says."""
        self._last_hour.keep([table.name for table in config.tables])
        snapshots = Snapshots(config, partial(self._live.status, loop), self._last_hour, self._now_us,
                              None if self._followed is None else self._followed.snapshots)
        self._followed = _Followed(loop, snapshots, Paced(partial(_document, snapshots)),
                                   Paced(partial(_page, snapshots)), config.http.ready_within_s)
        self._turned_s = time.monotonic()
        if self._socket is None:
            self._open_socket(config)
        if config.http.listen != self._listen:
            self._stop_server()
            self._listen = config.http.listen
            self._serve()

    def take(self, message: object) -> None:
        """Something has arrived in the loop's inbox."""
        self._recorder.take(message)

    def turn(self, loop: Loop) -> float:
        """The loop turns; returns for how many seconds there is nothing to do here."""
        now_s = self._turned_s = time.monotonic()
        self._recorder.look(loop.lookout.lost)
        if now_s >= self._retry_s:
            self._serve()
        return max(0.0, self._retry_s - now_s)

    def close(self) -> None:
        """The daemon ends. Safe to call twice."""
        self._stop_server()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _routes(self) -> Mapping[str, Route]:
        """What is served, by path. Each is a function without arguments, called from threads of the server."""
        from bqsync.engine import routes

        return {
            "/": lambda: routes.status_page(self._now().page.take()),
            "/status.json": lambda: routes.status_document(self._now().document.take()),
            "/healthz": lambda: routes.health(self._now().loop, self._turned_s),
            "/readyz": lambda: routes.readiness(
                self._now().snapshots.take_standing(), within_s=self._now().ready_within_s,
                has_arrived=self._now().loop.has_arrived),
            "/metrics": self._metrics,
        }

    def _now(self) -> _Followed:
        if self._followed is None:
            raise AssertionError
        return self._followed

    def _open_socket(self, config: Config) -> None:
        file = control_socket(config.state.file)
        try:
            self._socket = ControlSocket(file, lambda: self._now().document.take() or b"")
        except OSError as error:
            _log.warning(Event.CONTROL_UNAVAILABLE, what=f"there is no control socket {file}",
                         why=error.strerror or str(error),
                         fix="make room for it, and restart; until then `bqsync status --watch` knows less")

    def _serve(self) -> None:
        address = None if self._listen is None else parse_listen(self._listen)
        self._retry_s = math.inf
        if address is None:
            return
        try:
            from bqsync.observe.http_server import HttpServer

            self._server = HttpServer(address, self._routes())
        except (OSError, ImportError) as error:
            self._retry_s = time.monotonic() + _TRY_AGAIN_S
            if not self._has_told:
                self._has_told = True
                _log.error(Event.HTTP_UNAVAILABLE, what=f"nothing is served on {address}",
                           why=getattr(error, "strerror", None) or str(error), fix=_fix(error, address),
                           retry_in_s=_TRY_AGAIN_S)
            return
        self._has_told = False
        _log.info(Event.HTTP_LISTENING, address=str(self._server.address))

    def _stop_server(self) -> None:
        self._retry_s, self._has_told = math.inf, False
        if self._server is not None:
            self._server.close()
            self._server = None


def _fix(error: OSError | ImportError, address: ListenAddress) -> str:
    if isinstance(error, ImportError):
        return "restart the daemon: its code is not what it was when it started, as after an upgrade"
    return (f"free the port (`ss -ltnp 'sport = :{address.port}'` shows who has it), or set another `http.listen` and "
            "reload")


def _document(snapshots: Snapshots) -> bytes | None:
    snapshot = snapshots.take()
    return None if snapshot is None else encode(snapshot)


def _page(snapshots: Snapshots) -> bytes | None:
    from bqsync.observe.page.document import page

    snapshot = snapshots.take()
    return None if snapshot is None else page(snapshot).encode()

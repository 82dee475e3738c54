"""Those who look on from outside while the daemon runs: where they ask, and what they are answered."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING

from bqsync.config import Config
from bqsync.config.listen import parse_listen
from bqsync.engine.loop import Loop
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger

if TYPE_CHECKING:
    from bqsync.observe.http_server import Answer, HttpServer, Route

_log = get_logger()

_TRY_AGAIN_S = 30.0
_TURN_S = 180.0
"""The loop turns at least once a minute; one that has not for so long hangs."""


class Onlookers:
    """
    Keeps the server as it is configured, and answers its routes.

    The loop's thread calls the methods; the routes are called from threads of the server, and only read.

    Args:
        metrics: answers `/metrics`.
    """

    def __init__(self, metrics: Route) -> None:
        self._metrics = metrics
        self._loop: Loop | None = None
        self._turned_s = time.monotonic()
        self._listen: str | None = None
        self._server: HttpServer | None = None
        self._retry_s = math.inf
        self._has_told = False

    def follow(self, config: Config, loop: Loop) -> None:
        """A session begins: look at its loop from now on, and serve as its configuration says."""
        self._loop = loop
        if config.http.listen != self._listen:
            self._stop()
            self._listen = config.http.listen
            self._serve()

    def turn(self) -> float:
        """The loop turns; returns for how many seconds there is nothing to do here."""
        now_s = self._turned_s = time.monotonic()
        if now_s >= self._retry_s:
            self._serve()
        return max(0.0, self._retry_s - now_s)

    def close(self) -> None:
        """The daemon ends."""
        self._stop()

    def _routes(self) -> Mapping[str, Route]:
        """What is served, by path. Each is a function without arguments, called from threads of the server."""
        return {
            "/healthz": self._health,
            "/metrics": self._metrics,
        }

    def _health(self) -> Answer:
        from bqsync.observe.http_server import text_answer

        loop = self._loop
        if time.monotonic() >= self._turned_s + _TURN_S:
            return text_answer(HTTPStatus.SERVICE_UNAVAILABLE, "The daemon's loop does not turn.")
        hanging = sorted(table for _, table in loop.silent_s()) if loop is not None else []
        if hanging:
            return text_answer(HTTPStatus.SERVICE_UNAVAILABLE, f"No progress: {', '.join(hanging)}.")
        return text_answer(HTTPStatus.OK, "ok")

    def _serve(self) -> None:
        address = None if self._listen is None else parse_listen(self._listen)
        self._retry_s = math.inf
        if address is None:
            return
        from bqsync.observe.http_server import HttpServer

        try:
            self._server = HttpServer(address, self._routes())
        except OSError as error:
            self._retry_s = time.monotonic() + _TRY_AGAIN_S
            if not self._has_told:
                self._has_told = True
                _log.error(Event.HTTP_UNAVAILABLE, what=f"nothing is served on {address}",
                           why=error.strerror or str(error),
                           fix=f"free the port (`ss -ltnp 'sport = :{address.port}'` shows who has it), or set another "
                               "`http.listen` and reload", retry_in_s=_TRY_AGAIN_S)
            return
        self._has_told = False
        _log.info(Event.HTTP_LISTENING, address=str(self._server.address))

    def _stop(self) -> None:
        self._retry_s, self._has_told = math.inf, False
        if self._server is not None:
            self._server.close()
            self._server = None

"""
What the daemon serves to browsers and probes of this machine: one table of routes, GET and HEAD alone.

A page of another site must not be able to read it through the browser of somebody who sits here: a name that is made to
mean 127.0.0.1 (DNS rebinding) is refused by the Host header, which then holds that name, and the headers let no other
site embed or read an answer. Source: https://developer.mozilla.org/docs/Web/Security/Attacks/DNS_rebinding
"""

from __future__ import annotations

import io
import ipaddress
import re
import socket
from collections.abc import Callable, Mapping
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import NamedTuple

from bqsync.config.listen import ListenAddress
from bqsync.observe.events import Event
from bqsync.observe.listener import PATIENCE_S, Listener, read_until
from bqsync.observe.log import get_logger
from bqsync.observe.repeats import Repeats

_log = get_logger()

_AT_MOST = 8
_HEAD_END = b"\r\n\r\n"
_HEAD_BYTES = 16_384
_WASTE_BYTES = 1 << 20
_WASTE_S = 1.0
"""So much of a head that is too large is still taken, and for so long, for its client to read why it is refused."""
_HOST = re.compile(r"(?P<name>[a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]*)?", re.ASCII | re.IGNORECASE)
_WITHOUT_HOST = ("HTTP/0.9", "HTTP/1.0")

TEXT = "text/plain; charset=utf-8"
NOTHING_ELSE = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The Content-Security-Policy of what is no page."""
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Connection": "close",
}


class Answer(NamedTuple):
    """What a route gives."""

    status: int
    content_type: str
    body: bytes
    policy: str = NOTHING_ELSE
    """Its Content-Security-Policy."""


Route = Callable[[], Answer]
"""Called from any thread, and from several at a time."""


def text_answer(status: int, *lines: str) -> Answer:
    """A few lines of plain text."""
    return Answer(status, TEXT, "".join(f"{line}\n" for line in lines).encode())


BUSY = text_answer(HTTPStatus.SERVICE_UNAVAILABLE, "There is no answer yet: ask again.")


class HttpServer:
    """
    Serves the routes until it is closed.

    Args:
        address: where; its port may be 0.
        routes: by path, such as `/healthz`.
        patience_s: for what a client sends and takes, each.

    Raises:
        OSError: the address can't be had.

    Attributes:
        address: where it listens, with the port that was taken.
    """

    def __init__(
        self, address: ListenAddress, routes: Mapping[str, Route], *, patience_s: float = PATIENCE_S
    ) -> None:
        self._routes = routes
        self._lines = Repeats()
        listening = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET)
        try:
            # After a restart, connections of the last life may still be closing.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            self.address = ListenAddress(address.host, listening.getsockname()[1])
            self._listener = Listener(listening, self._serve, end=_HEAD_END, request_bytes=_HEAD_BYTES, name="http",
                                      at_most=_AT_MOST, patience_s=patience_s)
        except OSError:
            listening.close()
            raise

    def close(self) -> None:
        """Serve no more."""
        self._listener.close()

    def _serve(self, connection: socket.socket, head: bytes) -> None:
        _Handler(connection, head, self._answer)

    def _answer(self, path: str) -> Answer:
        route = self._routes.get(path)
        if route is None:
            return text_answer(HTTPStatus.NOT_FOUND, "There is no such page. There are:", *self._routes)
        try:
            return route()
        except Exception as raised:  # noqa: BLE001 - whoever looks on must not end what he looks at
            if self._lines.admit(path) is not None:
                _log.error(Event.ANSWER_FAILED, where=path, exc_info=raised)
            return text_answer(HTTPStatus.INTERNAL_SERVER_ERROR, "bqsync failed to answer; its log says how.")


class _Handler(BaseHTTPRequestHandler):
    """One request, whose head was read before it is looked at."""

    protocol_version = "HTTP/1.1"

    def __init__(self, connection: socket.socket, head: bytes, answer: Callable[[str], Answer]) -> None:
        self._head = head
        self._answer = answer
        # The server of socketserver would be told nothing: there is none.
        super().__init__(connection, ("", 0), None)  # type: ignore[arg-type] # see above

    def setup(self) -> None:
        super().setup()
        self.rfile = io.BufferedReader(io.BytesIO(self._head))

    def handle(self) -> None:
        if len(self._head) <= _HEAD_BYTES:
            super().handle()
            return
        self.requestline = self.request_version = self.command = ""
        self._reply(text_answer(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The head of the request is too large."))
        # With more on its way, a connection that is closed is reset, and the answer may be lost with it.
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(_WASTE_S)
        read_until(self.connection, _HEAD_END, at_most=_WASTE_BYTES)

    def do_GET(self) -> None:
        self._reply(self._decide())

    def do_HEAD(self) -> None:
        self._reply(self._decide())

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What http.server itself refuses: told as everything else."""
        if code == HTTPStatus.NOT_IMPLEMENTED:
            code, message = HTTPStatus.METHOD_NOT_ALLOWED, "Only GET and HEAD are answered."
        self._reply(text_answer(code, explain or message or HTTPStatus(code).phrase))

    def version_string(self) -> str:
        """The name alone: which version runs is nobody's business."""
        return "bqsync"

    def log_message(self, *_arguments: object) -> None:
        """Probes come every few seconds: they are no events."""

    def _decide(self) -> Answer:
        hosts = self.headers.get_all("Host", [])
        if len(hosts) > 1 or (not hosts and self.request_version not in _WITHOUT_HOST):
            return text_answer(HTTPStatus.BAD_REQUEST, "A request has one Host.")
        # A client of HTTP/1.0 may send none, and no browser does.
        if hosts and not _is_ours(hosts[0]):
            return text_answer(
                HTTPStatus.MISDIRECTED_REQUEST, "This is not the host that was asked for.",
                "Only numeric loopback addresses and localhost are answered, so that no other site can read this.",
                "A reverse proxy has to send Host: localhost.")
        if _is_fetched_by_others(self.headers):
            return text_answer(HTTPStatus.FORBIDDEN, "A page of another site may link to this, and not fetch it.")
        return self._answer(self.path.partition("?")[0])

    def _reply(self, answer: Answer) -> None:
        self.send_response(answer.status)
        headers = {"Content-Type": answer.content_type, "Content-Length": str(len(answer.body)),
                   "Content-Security-Policy": answer.policy, **_HEADERS}
        if answer.status == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = "GET, HEAD"
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)


def _is_fetched_by_others(headers: Message) -> bool:
    """
    Whether a page of another site has a browser ask, though it may not read the answer: for the work that it makes.

    Source: https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site
    """
    is_link = headers.get("Sec-Fetch-Mode") == "navigate" and headers.get("Sec-Fetch-Dest") == "document"
    return headers.get("Sec-Fetch-Site") == "cross-site" and not is_link


def _is_ours(host: str) -> bool:
    """Whether a Host header names this machine by itself."""
    found = _HOST.fullmatch(host)
    if found is None:
        return False
    if found["name"].lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(found["name"].strip("[]")).is_loopback
    except ValueError:
        return False

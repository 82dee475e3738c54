"""BigQuery's REST interface on a loopback port: passes requests on to an emulator, and misbehaves where told to."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import struct
import threading
from dataclasses import dataclass
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_NOT_PASSED_ON = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding"})
_STATUS_NAMES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
_USAGE = frozenset({"rateLimitExceeded", "quotaExceeded"})


class Cut(Enum):
    """When a connection is reset."""

    BEFORE = "before"
    """The request never reaches BigQuery."""
    AFTER = "after"
    """BigQuery has done what was asked; only the answer is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """
    An answer in the form of BigQuery's errors; without a reason it is the message as it stands, as others answer.

    Source: https://docs.cloud.google.com/bigquery/docs/error-messages
    """

    status: int
    reason: str
    message: str
    location: str = ""

    @property
    def body(self) -> bytes:
        if not self.reason:
            return self.message.encode()
        domain = "usageLimits" if self.reason in _USAGE else "global"
        error = {"message": self.message, "domain": domain, "reason": self.reason}
        if self.location:
            error |= {"location": self.location, "locationType": "other"}
        return json.dumps({"error": {
            "code": self.status, "message": self.message, "errors": [error],
            "status": _STATUS_NAMES.get(self.status, "INTERNAL"),
        }}).encode()


@dataclass(slots=True, kw_only=True)
class Rule:
    """What happens to the matching requests number `first` to `first + times - 1`, counted from 1."""

    pattern: re.Pattern[str]
    action: Failure | Cut | float
    """A failure to answer, a cut, or seconds to wait before the request is passed on."""
    body: str
    first: int
    times: int
    seen: int = 0

    def applies(self, request: str, body: str) -> bool:
        if not self.pattern.search(request) or self.body not in body:
            return False
        self.seen += 1
        return self.first <= self.seen < self.first + self.times


class RestServer:
    """
    Listens until `stop`.

    Args:
        upstream: `http://host:port` of the emulator.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream.removeprefix("http://")
        self.requests: list[tuple[str, str]] = []
        """Every request so far: `METHOD /path?query` and its body."""
        self.stopping = threading.Event()
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._http = _Server(("127.0.0.1", 0), self)
        self.endpoint = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()

    def misbehave(
        self, pattern: str, action: Failure | Cut | float, *, body: str = "", first: int = 1, times: int = 1_000_000,
    ) -> Rule:
        """
        Add a rule; the first one that applies to a request decides.

        Args:
            pattern: a regular expression that is searched in `METHOD /path?query`.
            action: what happens instead of, or before, passing the request on.
            body: what the body has to hold.
            first: number of the matching request that it begins with.
            times: how many matching requests it lasts for.
        """
        rule = Rule(pattern=re.compile(pattern), action=action, body=body, first=first, times=times)
        with self._lock:
            self._rules.append(rule)
        return rule

    def matching(self, pattern: str, body: str = "") -> list[str]:
        """The bodies of the requests so far that match."""
        with self._lock:
            return [text for request, text in self.requests if re.search(pattern, request) and body in text]

    def judge(self, request: str, body: str) -> Failure | Cut | float:
        """Note a request; what is to happen to it, 0.0 for nothing."""
        with self._lock:
            self.requests.append((request, body))
            # Every rule counts every request that it matches, whichever of them decides.
            actions = [rule.action for rule in self._rules if rule.applies(request, body)]
        return actions[0] if actions else 0.0


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], owner: RestServer) -> None:
        super().__init__(address, _Handler)
        self.owner = owner


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._handle()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Nothing: a test's output is its own."""

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        action = self.server.owner.judge(f"{self.command} {self.path}", body.decode("utf-8", "replace"))
        if isinstance(action, Failure):
            self._answer(action.status, "application/json", action.body)
        elif action is Cut.BEFORE or (isinstance(action, float) and self.server.owner.stopping.wait(action)):
            self._reset()
        else:
            status, kind, answer = self._pass_on(body)
            if action is Cut.AFTER:
                self._reset()
            else:
                self._answer(status, kind, answer)

    def _pass_on(self, body: bytes) -> tuple[int, str, bytes]:
        upstream = http.client.HTTPConnection(self.server.owner.upstream, timeout=60)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _NOT_PASSED_ON}
            upstream.request(self.command, self.path, body=body or None, headers=headers)
            answer = upstream.getresponse()
            return answer.status, answer.headers.get("Content-Type", "application/json"), answer.read()
        finally:
            upstream.close()

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _reset(self) -> None:
        """Close without a farewell: the client's next read fails, as when a router forgets the connection."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

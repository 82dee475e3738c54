"""Google's token endpoint and the key files of a service account: who signs with a key that is good gets a token."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

from tests.faults.remote.authority import Authority


class Tokens:
    """
    Listens until `close`. Tokens are named by the key that they were given for, and numbered.

    Source: https://developers.google.com/identity/protocols/oauth2/service-account#httprest
    """

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._lock = threading.Lock()
        self._given: list[str] = []
        self._refused = 0
        self.revoked: set[str] = set()
        """Keys that are good no longer."""
        self.lifetime_s = 3600
        self.secrets: set[str] = set()
        """What may stand in no log: keys, and what was signed with them. Tokens are in `given`."""
        self._server = _Server(("127.0.0.1", 0), self)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}/token"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def given(self) -> list[str]:
        """Every token so far."""
        with self._lock:
            return list(self._given)

    @property
    def refused(self) -> int:
        """How many were asked for with a key that is revoked."""
        with self._lock:
            return self._refused

    def write_key(self, file: Path, name: str) -> None:
        """A new key file in the place of the old one, as tools that rotate keys put it there: at once."""
        key = self._authority.account_key()
        self.secrets.update(line for line in key.splitlines() if not line.startswith("-----"))
        content = {
            "type": "service_account", "project_id": "demo", "private_key_id": name, "private_key": key,
            "client_email": "bqsync@demo.iam.gserviceaccount.com", "client_id": "1", "token_uri": self.address,
        }
        new = file.with_suffix(".new")
        new.write_text(json.dumps(content, indent=2), encoding="utf-8")
        new.chmod(0o600)
        new.replace(file)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, assertion: str) -> tuple[int, dict[str, object]]:
        """What is answered to whoever shows a signed assertion; the signature itself is not looked at."""
        head = assertion.partition(".")[0]
        key = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"]
        with self._lock:
            self.secrets.add(assertion)
            if key in self.revoked:
                self._refused += 1
                return 400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
            self._given.append(f"ya29.{key}-{len(self._given) + 1}.")
            return 200, {"access_token": self._given[-1], "expires_in": self.lifetime_s, "token_type": "Bearer"}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], tokens: Tokens) -> None:
        super().__init__(address, _Handler)
        self.tokens = tokens


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self._send(*self.server.tokens.answer(form["assertion"][0]))

    def do_GET(self) -> None:
        """Where an account may be used: the library asks for that beside its work, and does without."""
        self._send(404, {"error": {"code": 404, "message": "Not found."}})

    def _send(self, status: int, answer: dict[str, object]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: a test's output is its own."""

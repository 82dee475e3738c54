"""
A proxy that answers for every host itself, by TLS, with certificates of an authority of its own.

Whoever trusts that authority gets a token from it, and is refused everything else; whoever does not, ends the
connection before anything was said. What came through is kept.
"""

from __future__ import annotations

import datetime as dt
import json
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

TOKEN = "ya29.TOKENSENTINEL" + "x" * 60
HOSTS = ("oauth2.googleapis.com", "bigquery.googleapis.com", "iamcredentials.googleapis.com")
_REFUSAL = {"error": {"code": 403, "message": "Access Denied: no permission", "status": "PERMISSION_DENIED",
                      "errors": [{"reason": "accessDenied", "message": "Access Denied: no permission"}]}}


def key_file(path: Path) -> list[str]:
    """Write a key file of a service account with a key of its own; the parts of it that nobody may ever see."""
    pem = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    account = "bqsync@demo.iam.gserviceaccount.com"
    path.write_text(json.dumps({"type": "service_account", "project_id": "demo", "private_key_id": "abc",
                                "private_key": pem, "client_email": account, "client_id": "1",
                                "token_uri": f"https://{HOSTS[0]}/token"}), encoding="utf-8")
    path.chmod(0o600)
    return ["PRIVATE KEY", *pem.splitlines()[1:-1]]


@dataclass(frozen=True, slots=True)
class Heard:
    """One request, as it stood inside TLS."""

    host: str
    path: str
    authorization: str


@dataclass(slots=True)
class Impostor:
    """
    The proxy.

    Attributes:
        authority: the certificate to trust.
        asked: the hosts that connections were asked for.
        heard: the requests that came through.
    """

    folder: Path
    authority: Path = field(init=False)
    asked: list[str] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    _server: ThreadingHTTPServer = field(init=False)

    def __post_init__(self) -> None:
        self.authority = self.folder / "authority.pem"
        chain = _certify(self.folder, self.authority)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _outer(self, context))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _outer(impostor: Impostor, context: ssl.SSLContext) -> type[BaseHTTPRequestHandler]:
    class Outer(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            host = self.path.partition(":")[0]
            impostor.asked.append(host)
            self.send_response(200)
            self.end_headers()
            self.close_connection = True
            try:
                with context.wrap_socket(self.connection, server_side=True) as inside:
                    _inner(impostor, host)(inside, self.client_address, self.server)
            except OSError:
                pass  # the other side did not like the certificate, or has gone

        def log_message(self, *_: object) -> None:
            pass

    return Outer


def _inner(impostor: Impostor, host: str) -> type[BaseHTTPRequestHandler]:
    class Inner(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            impostor.heard.append(Heard(host, self.path, self.headers.get("Authorization", "")))
            is_token = self.path.endswith("/token")
            body = json.dumps({"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}
                              if is_token else _REFUSAL).encode()
            self.send_response(200 if is_token else 403)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST  # noqa: N815 - the library's name

        def log_message(self, *_: object) -> None:
            pass

    return Inner


def _certify(folder: Path, authority: Path) -> Path:
    """Make an authority and, by it, a certificate for all hosts; the latter with its key, in one file."""
    now = dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "impostor")])
    above, below = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())

    def certificate(public: ec.EllipticCurvePublicKey, subject: x509.Name, extension: x509.ExtensionType) -> bytes:
        made = (x509.CertificateBuilder().subject_name(subject).issuer_name(name).public_key(public)
                .serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(days=1))
                .not_valid_after(now + dt.timedelta(days=1)).add_extension(extension, critical=True)
                .sign(above, hashes.SHA256()))
        return made.public_bytes(serialization.Encoding.PEM)

    authority.write_bytes(certificate(above.public_key(), name, x509.BasicConstraints(ca=True, path_length=0)))
    host = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOSTS[0])])
    chain = folder / "host.pem"
    chain.write_bytes(
        below.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                            serialization.NoEncryption())
        + certificate(below.public_key(), host, x509.SubjectAlternativeName([x509.DNSName(one) for one in HOSTS])))
    return chain

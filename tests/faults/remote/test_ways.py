"""Ways to BigQuery that lead nowhere: names, TLS, proxies. Each is told at once, as E301, and with what to look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.bad_input.command import run
from tests.daemon.tables import PLAIN, fill, is_equal
from tests.faults.remote.authority import Authority
from tests.faults.remote.doors import Doors
from tests.faults.remote.google import REST, STORAGE, Google
from tests.faults.remote.reach import Way, said_of
from tests.faults.remote.tokens import Tokens
from tests.hostile.proxy import HostileBigQuery
from tests.workbench import Workbench

from bqsync.embedded import Endpoints

PASSWORD = "pr0xy-s3cret"  # noqa: S105 (that of nobody)
REFUSED = "407 Proxy Authentication Required"


@pytest.fixture
def key(authority: Authority, tmp_path: Path) -> Iterator[Path]:
    """A key file that gets tokens."""
    tokens = Tokens(authority)
    tokens.write_key(tmp_path / "key.json", "good")
    yield tmp_path / "key.json"
    tokens.close()


def through(proxy: int | str, key: Path) -> Way:
    """Google's own names, by way of a proxy."""
    address = f"http://127.0.0.1:{proxy}" if isinstance(proxy, int) else proxy
    return {"environment": {"HTTPS_PROXY": address}, "section": {"credentials_file": str(key)}}


def to(rest: str, grpc: str) -> Way:
    """Endpoints of the configuration."""
    return {"section": {"rest_endpoint": rest, "grpc_endpoint": grpc}}


def test_what_is_wrong_with_a_way_is_told_of_both_interfaces(
    doors: Doors, authority: Authority, emulator: Endpoints, key: Path,
) -> None:
    plain = {REST: emulator.rest.removeprefix("http://"), STORAGE: emulator.grpc}

    def tls(certificate: Path) -> dict[str, str]:
        ports = (doors.tls(plain[REST], certificate, "http/1.1"), doors.tls(plain[STORAGE], certificate, "h2"))
        return {name: f"127.0.0.1:{port}" for name, port in zip((REST, STORAGE), ports, strict=True)}

    def proxy(ways: dict[str, str], refusal: str = "") -> int:
        return doors.proxy(ways, [], refusal)

    unsigned, asked_first = tls(authority.self_signed), "did not answer by way of the proxy: Tunnel connection failed: "
    said = said_of({
        "expired": through(proxy(tls(authority.expired)), key),
        "self-signed": through(proxy(unsigned), key),
        "TLS to a plain server": through(proxy(plain), key),
        "a proxy that wants a password": through(proxy({}, REFUSED), key),
        "a proxy that knows no way": through(proxy({}), key),
        "a proxy without an address": through(f"http://bqsync:{PASSWORD}@proxy.invalid:8080", key),
        "https to a certificate of nobody": to(f"https://{unsigned[REST]}", unsigned[STORAGE]),
        "https to a plain server": to(emulator.rest.replace("http:", "https:"), plain[REST]),
        "a name that nobody has": to("http://bigquery.invalid:80", "bigquery.invalid:81"),
    }, REQUESTS_CA_BUNDLE=str(authority.certificate), GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=str(authority.certificate),
        NO_PROXY="127.0.0.1")
    words = {
        "expired": ("bigquery.googleapis.com:443 did not answer: certificate verify failed: certificate has expired",
                    "CERTIFICATE_VERIFY_FAILED"),
        "self-signed": ("bigquery.googleapis.com:443 did not answer: certificate verify failed",
                        "CERTIFICATE_VERIFY_FAILED"),
        "TLS to a plain server": ("bigquery.googleapis.com:443 did not answer: ", "failed to connect"),
        "a proxy that wants a password": (asked_first + REFUSED, "407"),
        "a proxy that knows no way": (asked_first + "502 Bad Gateway", "502"),
        "a proxy without an address": ("bigquery.googleapis.com:443 did not answer by way of the proxy: ",
                                       "errors resolving proxy.invalid"),
        "https to a certificate of nobody": ("did not answer: certificate verify failed", "failed to connect"),
        "https to a plain server": ("did not answer: ", "failed to connect"),
        "a name that nobody has": ("bigquery.invalid:80 did not answer: ", "bigquery.invalid:81"),
    }
    assert said.keys() == words.keys()
    for name, (rest, grpc) in words.items():
        assert (name, said[name]["rest"]["code"]) == (name, "E301")
        assert rest in said[name]["rest"]["why"], said[name]
        assert (name, said[name]["grpc"]["code"]) == (name, "E301")
        assert grpc in said[name]["grpc"]["why"], said[name]
        assert "the proxy and the endpoints under [bigquery]" in said[name]["rest"]["fix"]
    assert PASSWORD not in str(said)


def test_both_interfaces_go_by_way_of_the_proxy_that_the_environment_names(
    workbench: Workbench, hostile: HostileBigQuery, google: Google,
) -> None:
    """Else the rows would look for a way of their own, which a firewall closes."""
    fill(workbench)
    google.configure(workbench, PLAIN)
    assert run(workbench.folder, "sync", environment=google.environment).code == 0
    assert is_equal(workbench, "plain")
    assert google.asked.count(STORAGE) == 1
    assert hostile.appended

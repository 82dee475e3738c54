"""
Google as it is reached with a key file: its names, TLS, tokens, and no setting that says "local".

The names are not asked for: the way leads through a proxy, which stands where HTTPS_PROXY points to. Behind it the
hostile BigQuery answers under a certificate of Google's names, of an authority that the environment tells to trust.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from tests.faults.remote.authority import GOOGLES_NAMES, Authority
from tests.faults.remote.doors import Doors
from tests.faults.remote.tokens import Tokens
from tests.hostile.proxy import HostileBigQuery
from tests.workbench import PROJECT, Workbench

REST, STORAGE, _ACCOUNTS = (f"{name}:443" for name in GOOGLES_NAMES)


class Google:
    """
    Listens until `close`.

    Args:
        behind: what answers under Google's names.
        authority: that signs for them.
        certificate: that is shown.
    """

    def __init__(self, behind: HostileBigQuery, authority: Authority, certificate: Path) -> None:
        self._authority = authority
        self._doors = Doors()
        self.tokens = Tokens(authority)
        self.asked: list[str] = []
        """What the proxy was asked for."""
        rest = self._doors.tls(behind.endpoints.rest.removeprefix("http://"), certificate, "http/1.1")
        storage = self._doors.tls(behind.endpoints.grpc, certificate, "h2")
        accounts = self._doors.tls(urlsplit(self.tokens.address).netloc, certificate, "http/1.1")
        ports = zip((REST, STORAGE, _ACCOUNTS), (rest, storage, accounts), strict=True)
        ways = {name: f"127.0.0.1:{port}" for name, port in ports}
        self.proxy = f"http://127.0.0.1:{self._doors.proxy(ways, self.asked)}"

    def close(self) -> None:
        self._doors.close()
        self.tokens.close()

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to take this for Google."""
        trusted = str(self._authority.certificate)
        return {"HTTPS_PROXY": self.proxy, "NO_PROXY": "127.0.0.1", "REQUESTS_CA_BUNDLE": trusted,
                "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": trusted}

    def configure(self, bench: Workbench, tables: str, extra: str = "") -> Path:
        """Write a configuration as for the real BigQuery, and a key named `first`. Returns the key file."""
        bench.configure(tables, extra=extra)
        lines = bench.config_path.read_text(encoding="utf-8").splitlines()
        key = bench.folder / "key.json"
        named = [line for line in lines if "_endpoint" not in line]
        named.insert(named.index("[bigquery]") + 1, f'credentials_file = "{key.name}"')
        bench.config_path.write_text("\n".join(named), encoding="utf-8")
        self.tokens.write_key(key, "first")
        bench.rest.create_dataset(f"{PROJECT}.{bench.dataset}")
        return key

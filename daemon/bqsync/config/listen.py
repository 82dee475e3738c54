"""Addresses that a server of this machine listens on. Pure."""

import ipaddress
import re
from typing import NamedTuple

_FORM = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<four>[0-9.]+)):(?P<port>[0-9]{1,5})", re.ASCII)
_MAX_PORT = 65_535

LISTEN_FORMS = '"127.0.0.1:9188" or "[::1]:9188"'


class ListenAddress(NamedTuple):
    """A numeric address and a port, as `socket.bind` takes them."""

    host: str
    port: int
    """0 takes a port that is free."""

    @property
    def is_loopback(self) -> bool:
        """Nobody but this machine can reach it."""
        return ipaddress.ip_address(self.host).is_loopback

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_listen(text: str) -> ListenAddress | None:
    """
    An address such as `127.0.0.1:9188`; None if `text` is none.

    No names: what `localhost` means is said by a file on the machine.
    """
    match = _FORM.fullmatch(text)
    if match is None or int(match["port"]) > _MAX_PORT:
        return None
    try:
        host = str(ipaddress.ip_address(match["six"] or match["four"]))
    except ValueError:
        return None
    return ListenAddress(host, int(match["port"])) if (":" in host) == bool(match["six"]) else None

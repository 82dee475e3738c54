"""Who listens where, as the kernel tells it."""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from pathlib import Path

_LISTENS = "0A"
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def listening(pid: int) -> dict[int, Address]:
    """The ports that a process listens on, with the address of each."""
    inodes = _sockets(pid)
    found = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENS and fields[9] in inodes:
                address, _, port = fields[1].partition(":")
                found[int(port, 16)] = _address(address)
    return found


def who_listens(port: int) -> int:
    """The process that listens on a port."""
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and port in listening(int(entry.name)):
                return int(entry.name)
    raise AssertionError(f"nobody listens on {port}")


def _sockets(pid: int) -> set[str]:
    links = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            links.add(str(entry.readlink()))
    return {link[len("socket:["):-1] for link in links if link.startswith("socket:[")}


def _address(text: str) -> Address:
    """Words of 32 bits, each in the order of this machine: little-endian wherever these tests run."""
    raw = b"".join(bytes.fromhex(text[start:start + 8])[::-1] for start in range(0, len(text), 8))
    address = ipaddress.ip_address(raw)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address

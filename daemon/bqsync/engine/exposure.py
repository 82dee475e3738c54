"""
Who else can get at the files that bqsync depends on. Everything here only looks.

Groups are taken as the operator chose them, but for a key: that is a password.
"""

from __future__ import annotations

import ipaddress
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from bqsync.config import Config

_STATE_FILES = ("", "-wal", "-shm", ".lock")


class Exposure(NamedTuple):
    """Something that others can read, or write, or put in the place of something."""

    subject: str
    what: str
    fix: str


def exposures(config: Config) -> Iterator[Exposure]:
    """What others on the machine, or in the network, can get at. A file that is missing exposes nothing."""
    yield from _key(config.bigquery.credentials_file)
    yield from _dotenv(config.path.parent / ".env")
    yield from _state(config.state.file)
    for path in (config.path, config.bigquery.credentials_file):
        if path is not None:
            yield from _replaceable(path)
    yield from _endpoints(config.bigquery.rest_endpoint, config.bigquery.grpc_endpoint)


def _key(path: Path | None) -> Iterator[Exposure]:
    """
    As libpq judges a key: nobody but the owner, or root's with a group that may read it.

    Source: https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-CLIENTCERT
    """
    found = None if path is None or _is_handed_over(path) else _look(path)
    if found is None:
        return
    allowed = stat.S_IRWXU | (stat.S_IRGRP if found.st_uid == 0 else 0)
    if stat.S_IMODE(found.st_mode) & ~allowed:
        yield Exposure(str(path), f"the key file has mode {_mode(found)}: others than its owner can get at it",
                       f"chmod 600 {path}; if somebody may have read it, make a new key and delete this one")


def _is_handed_over(path: Path) -> bool:
    """
    By systemd, which lets the service's user read it and nobody else; the mode alone does not tell.

    Source: https://systemd.io/CREDENTIALS/
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return bool(folder) and path.is_relative_to(str(folder))


def _dotenv(path: Path) -> Iterator[Exposure]:
    found = _look(path)
    if found is None:
        return
    if found.st_mode & stat.S_IWOTH:
        yield Exposure(str(path), f"everybody may write it (mode {_mode(found)}), and it says where rows go",
                       f"chmod 600 {path}")
    elif found.st_mode & stat.S_IROTH:
        yield Exposure(str(path), f"everybody may read it (mode {_mode(found)}), and such files often hold secrets",
                       f"chmod 600 {path}")


def _state(file: Path) -> Iterator[Exposure]:
    for path in (file.with_name(file.name + suffix) for suffix in _STATE_FILES):
        found = _look(path)
        if found is not None and found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield Exposure(str(path), f"the state has mode {_mode(found)}: it holds the keys of rows, and what is "
                           "written into it decides what is sent and deleted", f"chmod 600 {path}")
    yield from _replaceable(file)


def _replaceable(path: Path) -> Iterator[Exposure]:
    """A file that others may put another one in the place of, or whose link they may lead elsewhere."""
    found = _look(path)
    if found is not None and found.st_mode & stat.S_IWOTH:
        yield Exposure(str(path), f"everybody may write it (mode {_mode(found)})", f"chmod o-w {path}")
    folder = next(filter(_is_open, _folders(path)), None)
    if folder is not None:
        yield Exposure(str(path), f"everybody may write to {folder}, and so put another file in its place",
                       f"chmod o-w {folder}, or move the file to a folder of the user of bqsync")


def _folders(path: Path) -> Iterator[Path]:
    """The folders that a path leads through, and those that its links lead to: the nearest ones first."""
    for way in dict.fromkeys((path, Path(os.path.realpath(path)))):
        yield from way.parents


def _is_open(folder: Path) -> bool:
    """In a folder with the sticky bit, as /tmp, what is there is safe, though anybody may be the first to make it."""
    found = _look(folder)
    return found is not None and bool(found.st_mode & stat.S_IWOTH) and not found.st_mode & stat.S_ISVTX


def _endpoints(*endpoints: str | None) -> Iterator[Exposure]:
    for endpoint in endpoints:
        if endpoint is None or endpoint.startswith("https://"):
            continue
        host = urlsplit(endpoint if "://" in endpoint else f"//{endpoint}").hostname
        if not _is_here(host or ""):
            yield Exposure(endpoint, "rows go to another machine in plain text: whoever is on the way reads them",
                           "remove the endpoints, which sends them to Google by TLS, or use an address of this machine")


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _look(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _mode(found: os.stat_result) -> str:
    return f"{stat.S_IMODE(found.st_mode):04o}"

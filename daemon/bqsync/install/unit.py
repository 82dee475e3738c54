"""The text of the unit and of its two companions, made of the shipped ones by changing single lines."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

USER = "bqsync"
"""Whom the shipped files name, as user and as group."""
_PLAIN = re.compile(r"[\w./@+:,=-]+", re.ASCII)
_SHIPPED_EXECUTABLE = "/opt/bqsync/bin/bqsync"
_HEADER = "# Written by `bqsync service`. To change a line, leave this file alone: {how}\n# sha256 {digest}\n"
_HEADER_LINES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """What differs between machines. Paths are absolute, and hold neither quotes nor backslashes."""

    executable: str
    config: str | None = None
    """None: where the shipped unit expects it."""
    user: str = USER
    group: str | None = None
    """None: the group of the user."""
    app_groups: tuple[str, ...] = ()
    """Groups that may read the database."""
    credentials: str | None = None
    """A key file of a service account, for LoadCredential."""
    instance: str | None = None
    """One of several on a machine."""

    @property
    def unit(self) -> str:
        """`bqsync`, or `bqsync@NAME`: as systemctl takes it."""
        return USER if self.instance is None else f"{USER}@{self.instance}"

    @property
    def unit_file(self) -> str:
        """The name of the unit's file. That of an instance goes before the template."""
        return f"{self.unit}.service"

    @property
    def shipped_unit(self) -> str:
        """The file of `systemd/` that the unit is made of."""
        return f"{USER}.service" if self.instance is None else f"{USER}@.service"

    @property
    def folder(self) -> str:
        """Below /etc and /var/lib: where configuration and state are."""
        return USER if self.instance is None else f"{USER}/{self.instance}"

    @property
    def config_file(self) -> str:
        """Where the configuration is."""
        return self.config or f"/etc/{self.folder}/config.toml"

    @property
    def companion_file(self) -> str:
        """The name of the tmpfiles.d file."""
        return f"{self.folder.replace('/', '-')}.conf"


def unit_text(shipped: str, settings: ServiceSettings) -> str:
    """
    The unit of a machine.

    Args:
        shipped: the text of `settings.shipped_unit`.
        settings: of the machine.
    """
    body = shipped[shipped.index("[Unit]"):]
    lines = (changed for line in body.splitlines() for changed in _unit_lines(line, settings))
    return signed("\n".join(lines) + "\n", f"systemctl edit {settings.unit}")


def _unit_lines(line: str, settings: ServiceSettings) -> Iterator[str]:
    """What becomes of one line of the shipped unit."""
    name, sign, value = line.removeprefix("#").partition("=")
    if name == "User" and sign:
        yield f"User={settings.user}"
        if settings.group is not None:
            yield f"Group={settings.group}"
    elif name == "SupplementaryGroups" and settings.app_groups:
        yield f"SupplementaryGroups={' '.join(settings.app_groups)}"
    elif name == "LoadCredential" and settings.credentials is not None:
        # The path is taken as it stands, but for specifiers: quotes would be a part of it.
        yield f"LoadCredential={value.partition(':')[0]}:{settings.credentials.replace('%', '%%')}"
    elif value.startswith("GOOGLE_APPLICATION_CREDENTIALS=") and settings.credentials is not None:
        yield line.removeprefix("#")
    elif name == "Documentation" and settings.config is not None:
        yield f"Documentation=file://{quote(settings.config).replace('%', '%%')}"
    elif name == "ExecStart":
        command, option, config = value.removeprefix(_SHIPPED_EXECUTABLE).rpartition("--config ")
        yield (f"ExecStart={_word(settings.executable, program=True)}{command}{option}"
               f"{config if settings.config is None else _word(settings.config)}")
    else:
        yield line


def _word(path: str, *, program: bool = False) -> str:
    """
    A path as one word of ExecStart.

    Source: https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html#Command%20lines
    """
    if _PLAIN.fullmatch(path):
        return path
    escaped = path.replace("%", "%%")
    # Variables are replaced in arguments, never in the program's own path.
    return f'"{escaped}"' if program else f'"{escaped.replace("$", "$$")}"'


def user_text(shipped: str) -> str:
    """The file for sysusers.d, which makes the user `bqsync`."""
    return signed(_without_comment(shipped), f"write another into sysusers.d, after {USER}.conf")


def folders_text(shipped: str, settings: ServiceSettings, group: str) -> str:
    """
    The file for tmpfiles.d: configuration readable for the service, state its own.

    Args:
        shipped: the text of `systemd/tmpfiles.d/bqsync.conf`.
        settings: of the machine.
        group: of the service's user, or the one that was chosen for it.
    """
    lines = []
    for line in _without_comment(shipped).splitlines():
        kind, path, mode, user, _group, age = line.split()
        path = path.removesuffix(USER) + settings.folder
        lines.append(" ".join((kind, path, mode, settings.user if user == USER else user, group, age)))
    return signed("\n".join(lines) + "\n", f"write another into tmpfiles.d, before {settings.companion_file}")


def _without_comment(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))


def signed(body: str, how: str) -> str:
    """A text with a heading by which an edit is found out. `how` tells what to do instead of editing."""
    return _HEADER.format(how=how, digest=_digest(body)) + body


def is_as_written(text: str) -> bool:
    """Whether a text is one of ours, of this version or another, that nobody has edited since."""
    lines = text.splitlines(keepends=True)
    found = re.match(r"# sha256 ([0-9a-f]{64})\n", lines[1]) if len(lines) > _HEADER_LINES else None
    return found is not None and found[1] == _digest("".join(lines[_HEADER_LINES:]))


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()

"""Lines of a log, as they come out of a file, a pipe or the journal, become events again. Pure."""

from __future__ import annotations

import re
from typing import Any

import msgspec

_LONGEST_BYTES = 256 << 10
"""Of a line that has not ended yet. Ours are below 16 KiB; what goes on for longer is no log."""
_PRIORITY = re.compile(rb"<([0-7])>")
_JOURNAL_HEAD = re.compile(rb"[^{]{0,300}?\[\d{1,10}\]: (?:<[0-7]>)?(?=\{)")
"""What `journalctl` puts before a line unless it is told `-o cat`: time, machine, program and process."""
_LEVELS = {b"7": "debug", b"6": "info", b"5": "info", b"4": "warning"}


class Head(msgspec.Struct, frozen=True, gc=False):
    """What a line is chosen by, whatever it holds. To read it alone takes a third of the time of the whole."""

    level: Any = None
    event: Any = None
    table: Any = None


_decode = msgspec.json.Decoder(dict[str, Any]).decode
_decode_head = msgspec.json.Decoder(Head).decode


def head_of(line: bytes) -> Head | None:
    """The head of an event, or of another JSON object; None where a line holds none. Never raises."""
    try:
        return _decode_head(line if line[:1] == b"{" else json_of(line))
    except (ValueError, RecursionError):  # msgspec's own errors and those of UTF-8 are ValueErrors
        return None


def event_of(line: bytes) -> dict[str, Any] | None:
    """All of its fields; None where a line holds none, or one that can't be. Never raises."""
    try:
        return _decode(line if line[:1] == b"{" else json_of(line))
    except (ValueError, RecursionError):
        return None


def json_of(line: bytes) -> bytes:
    """A line without what syslog's priority or the journal has put before it."""
    if found := _PRIORITY.match(line):
        return line[found.end():]
    if found := _JOURNAL_HEAD.match(line):
        return line[found.end():]
    return line


def priority_of(line: bytes) -> str | None:
    """The level that a line's prefix such as `<3>` tells; None without one."""
    found = _PRIORITY.match(line)
    return _LEVELS.get(found[1], "error") if found else None


class LineCutter:
    """Cuts what is read into lines. What a line that never ends holds is kept only in part."""

    def __init__(self) -> None:
        self._begun = b""
        self._dropped_bytes = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that have ended, without their ends."""
        lines = chunk.split(b"\n")
        lines[0] = self._begun + lines[0]
        if len(lines) > 1:
            lines[0] = self._marked(lines[0])
        self._begun = lines.pop()
        excess = len(self._begun) - _LONGEST_BYTES
        if excess > 0:
            self._begun = self._begun[:_LONGEST_BYTES]
            self._dropped_bytes += excess
        return lines

    def end(self) -> list[bytes]:
        """What has begun and will not go on."""
        left, self._begun = self._begun, b""
        return [self._marked(left)] if left else []

    def _marked(self, line: bytes) -> bytes:
        dropped, self._dropped_bytes = self._dropped_bytes, 0
        return line + f" … {dropped} bytes more".encode() if dropped else line

"""Which lines of a log are wanted. Pure."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from bqsync.observe.lines import Head, event_of, head_of, priority_of

_RANKS = {"debug": 0, "info": 1, "warning": 2, "error": 3}
_LITERAL = re.compile(r"[\w.-]+", re.ASCII)


class Selection:
    """
    Lines of these tables, these events, and at least this level. What is not asked for is not looked at.

    Args:
        tables: names or patterns such as `job_*`.
        events: names or patterns such as `merge.*`.
        level: debug, info, warning or error.
    """

    def __init__(self, tables: Sequence[str] = (), events: Sequence[str] = (), level: str | None = None) -> None:
        self._tables, self._events = _matcher(tables), _matcher(events)
        self._lowest = 0 if level is None else _RANKS[level]
        self._needles = [needle for needle in (_needle(tables), _needle(events)) if needle is not None]
        self._is_narrow = bool(tables or events)        # It asks for what only an event can have.

    def event_of(self, line: bytes) -> dict[str, Any] | None:
        """The fields of a line's event, if it is wanted. What is not wanted is read as little as can be."""
        for needle in self._needles:
            if needle.search(line) is None:
                return None
        head = head_of(line)
        return event_of(line) if head is not None and self._admits(head) else None

    def _admits(self, head: Head) -> bool:
        if self._lowest and _rank(head.level) < self._lowest:
            return False
        if self._events is not None and not self._events(str(head.event)):
            return False
        return self._tables is None or self._tables(str(head.table))

    def admits_plain(self, line: bytes) -> bool:
        """Whether a line is wanted that is no event: a traceback has no level, and is what one looks for."""
        if self._is_narrow or not line.strip():
            return False
        head = head_of(line)
        if head is not None and not self._admits(head):
            return False
        level = priority_of(line)
        return level is None or _rank(level) >= self._lowest


def _rank(level: object) -> int:
    """What is not known may matter."""
    return _RANKS.get(level, 3) if isinstance(level, str) else 3


def _matcher(patterns: Sequence[str]) -> Any:  # noqa: ANN401 - the type of a cached function says nothing
    if not patterns:
        return None
    pattern = re.compile("|".join(map(fnmatch.translate, patterns)))
    return lru_cache(maxsize=1_000)(lambda name: pattern.match(name) is not None)


def _needle(patterns: Sequence[str]) -> re.Pattern[bytes] | None:
    """What a line must hold if only plain names are asked for: these are written as they are in JSON."""
    if not patterns or not all(map(_LITERAL.fullmatch, patterns)):
        return None
    return re.compile(b"|".join(re.escape(pattern.encode()) for pattern in patterns))

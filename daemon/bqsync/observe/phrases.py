"""
The fields of an event as people say them: amounts in their units, what matters first. Pure.

A field that is not known here, or does not hold what it should, is left to be shown as `name=value`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from bqsync.observe.amounts import duration, size

_PLAIN, _GOOD, _DOUBTFUL, _BAD = "", "32", "33", "31"


@dataclass(frozen=True, slots=True)
class Phrase:
    """A few words, and the color they have where there are colors."""

    text: str
    color: str = _PLAIN


_Say = Callable[[Any], Phrase | None]
"""None: there is nothing to say. Raises TypeError for what can't be said."""


def phrases(event: str, fields: Mapping[str, Any]) -> tuple[list[Phrase], dict[str, Any]]:
    """
    Say what can be said.

    Args:
        event: its name.
        fields: of the event, of JSON's types; without those of the head.

    Returns:
        The phrases in their order, and the fields that are left.
    """
    hidden = _HIDDEN.get(event, frozenset())
    left = {name: value for name, value in fields.items() if name not in hidden}
    if "code" in left:
        left.pop("kind", None)  # the same in words
    said: list[Phrase] = []
    for name, say in _SAID.items():
        if name not in left:
            continue
        try:
            phrase = say(left[name])
        except (TypeError, ValueError, OverflowError):
            continue
        del left[name]
        said += [] if phrase is None else [phrase]
    return said, left


def _counted(words: str, color: str = _PLAIN, *, at_zero: bool = False) -> _Say:
    def say(value: object) -> Phrase | None:
        return Phrase(f"{_whole(value):,} {words}", color) if value or at_zero else None

    return say


def _one_of(one: str, many: str) -> _Say:
    def say(value: object) -> Phrase | None:
        return Phrase(f"{_whole(value):,} {one if value == 1 else many}") if value else None

    return say


def _sized(form: str) -> _Say:
    return lambda value: Phrase(form.format(size(_whole(value)))) if value else None


def _timed(words: str, color: str = _PLAIN) -> _Say:
    return lambda value: Phrase(f"{words} {duration(_number(value))}", color)


def _stages(value: object) -> Phrase | None:
    """The whole, and the stage that took longest."""
    if not isinstance(value, Mapping):
        raise TypeError(value)
    if not value:
        return None
    stages = {str(name): _number(seconds) for name, seconds in value.items()}
    longest = max(stages, key=lambda name: stages[name])
    whole = f"took {duration(sum(stages.values()))}"
    return Phrase(whole if len(stages) == 1 or not longest.isidentifier()
                  else f"{whole} ({longest} {duration(stages[longest])})")


def _listed(words: str, color: str = _PLAIN) -> _Say:
    def say(value: object) -> Phrase | None:
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            raise TypeError(value)
        return Phrase(f"{words} {', '.join(value)}", color) if value else None

    return say


def _swept(value: object) -> Phrase | None:
    if not isinstance(value, bool):
        raise TypeError(value)
    return Phrase("sweep") if value else None


def _code(value: object) -> Phrase:
    if not isinstance(value, str) or not value.isalnum():
        raise TypeError(value)
    return Phrase(value, _BAD)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(value)
    return value


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(value)
    return value


_HIDDEN: Mapping[str, frozenset[str]] = MappingProxyType({
    # What was read is what follows, and the target is the same in every line.
    "sync.completed": frozenset({"target", "rows_read", "merges"}),
    "verify.completed": frozenset({"target"}),
})
_SAID: Mapping[str, _Say] = MappingProxyType({
    "code": _code,
    "rows_upserted": _counted("upserted", _GOOD),
    "rows_deleted": _counted("deleted", _GOOD),
    "rows_unchanged": _counted("unchanged"),
    "rows_quarantined": _counted("quarantined", _DOUBTFUL),
    "quarantine_total": _counted("in quarantine", _DOUBTFUL),
    "deletes_deferred": _one_of("delete waits", "deletes wait"),
    "deletes": _one_of("delete", "deletes"),
    "rows": _counted("rows", at_zero=True),
    "rows_different": _counted("different", at_zero=True),
    "rows_pending": _counted("pending"),
    "tables": _one_of("table", "tables"),
    "failing": _listed("failing", _DOUBTFUL),
    "running": _listed("at work"),
    "abandoned": _listed("abandoned", _DOUBTFUL),
    "cycles": _one_of("cycle", "cycles"),
    "file_events": _one_of("file event", "file events"),
    "failures": _one_of("failure", "failures"),
    "bytes_sent": _sized("{} sent"),
    "bytes_billed": _sized("{} billed"),
    "limit_bytes": _sized("of {}"),
    "lag_s": _timed("lag"),
    "duration_s": _timed("took"),
    "durations_s": _stages,
    "interval_s": _timed("every"),
    "before_s": _timed("before"),
    "configured_s": _timed("configured"),
    "poll_interval_s": _timed("every"),
    "silent_s": _timed("silent for", _BAD),
    "wait_s": _timed("again in"),
    "retry_in_s": _timed("again in"),
    "uptime_s": _timed("up"),
    "rss_bytes": _sized("{} of memory"),
    "swept": _swept,
})

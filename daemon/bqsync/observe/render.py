"""A log event becomes one line of text: JSON for machines, columns for a terminal. Pure."""

import json
import math
import re
from collections.abc import Mapping
from datetime import datetime, tzinfo
from itertools import islice
from typing import Any

from bqsync.errors import one_line, utf8
from bqsync.observe.phrases import phrases

MAX_LINE_BYTES = 15_000
"""Below 16 KiB: journald and syslog relays split longer lines. Counted in UTF-8, without the line's end."""

_HEAD = ("timestamp", "level", "event")
_ADVICE = ("what", "why", "fix")
_HEAD_BYTES = 8_000
"""Of a line of text: what, why, fix and an exception, all bounded, come on top."""
_MAX_FIELDS = 100
_MAX_DEPTH = 4
# Tried in turn until the line fits: characters of a text, entries of a list or table.
_BUDGETS = ((4_000, 200), (1_000, 50), (200, 20), (50, 5))
_COLORS = {"debug": "2", "info": "32", "warning": "33", "error": "31"}
_EVENT_WIDTH, _TABLE_WIDTH = 20, 16
_MARGIN = " " * 14
_PLAIN_CHARACTERS = 2_000
_STEERING = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""DEL, the C1 controls (an escape sequence may begin with one), what changes the direction of a text, and
what stands for bytes of a file's name that are no UTF-8."""


def json_line(event: Mapping[str, Any], *, ascii_only: bool = False) -> str:
    """One JSON object without a line's end, at most `MAX_LINE_BYTES`; what was cut says so."""
    for characters, entries in _BUDGETS:
        fields = {str(key)[:100]: _plain(value, characters, entries) for key, value in _ordered(event)}
        line = _dump(fields, ascii_only=ascii_only)
        if len(line.encode()) <= MAX_LINE_BYTES:
            return line
    head = {key: _plain(event[key], 100, 1) for key in _HEAD if key in event}
    return _dump({**head, "truncated": True}, ascii_only=ascii_only)


def text_line(event: Mapping[str, Any], *, color: bool, zone: tzinfo | None = None) -> str:
    """
    Time, level, table and event in columns, then what matters of the fields.

    What, why and fix of an error, and an exception, follow on lines of their own.

    Args:
        event: as it is logged.
        color: with the escape sequences of a terminal.
        zone: of the time; None for that of the machine.
    """
    head = {**dict.fromkeys(_HEAD, ""), **event}
    exception = head.pop("exception", None)
    advice = [(name, _described(head.pop(name))) for name in _ADVICE if name in head] if "fix" in head else []
    line = ""
    for characters, entries in _BUDGETS[1:]:
        line = "  ".join(_columns(head, characters, entries, color=color, zone=zone)).rstrip()
        if len(line.encode()) <= _HEAD_BYTES:
            break
    else:
        line = _cut(line, _HEAD_BYTES // 4)
    lines = [line, *(_advised(name, text, color=color) for name, text in advice)]
    if exception is not None:
        lines.append(_indented(_cut(str(exception), 4_000)))
    return "\n".join(lines)


def plain_line(text: str, *, color: bool) -> str:
    """A line that is no event, such as one of a traceback: as it is, dimmed, and not too long."""
    return _paint(one_line(_cut(text.expandtabs(), _PLAIN_CHARACTERS)).rstrip(), "2", color=color)


def moment_of(event: Mapping[str, Any], zone: tzinfo | None = None) -> datetime | None:
    """When an event was logged, in a zone, by default that of the machine; None where it does not tell."""
    timestamp = event.get("timestamp")
    try:
        moment = datetime.fromisoformat(timestamp) if isinstance(timestamp, str) else None
        # A time of day without a zone might be any.
        return None if moment is None or moment.tzinfo is None else moment.astimezone(zone)
    except (ValueError, OverflowError, OSError):
        return None


def _columns(
    event: Mapping[str, Any], characters: int, entries: int, *, color: bool, zone: tzinfo | None
) -> list[str]:
    fields = dict(_ordered(event))
    timestamp, level, name = (one_line(str(_plain(fields.pop(key), 100, 1))) for key in _HEAD)
    moment = moment_of(event, zone)
    # The day and the sixth digit help a machine; at a terminal the time of day does.
    time = timestamp if moment is None else moment.isoformat(timespec="milliseconds")[11:23]
    table = one_line(_cut(fields.pop("table"), characters)) if isinstance(fields.get("table"), str) else ""
    said, unsaid = phrases(name, fields)
    left = {_cut(str(key), 100): _plain(value, characters, entries) for key, value in unsaid.items()}
    return [
        _paint(f"{time:<12}", "2", color=color),
        _paint(f"{level:<7}", _COLORS.get(level, "0"), color=color),
        _paint(f"{table:<{_TABLE_WIDTH}}", "36", color=color),
        _paint(f"{name:<{_EVENT_WIDTH}}" if said or left else name, "1", color=color),
        *(_paint(one_line(phrase.text), phrase.color, color=color and phrase.color != "") for phrase in said),
        *(f"{_paint(one_line(key) + '=', '2', color=color)}{_shown(value)}" for key, value in left.items()),
    ]


def _advised(name: str, text: str, *, color: bool) -> str:
    """One of what, why and fix; its further lines stand below its first one."""
    lines = [one_line(line) for line in _cut(text, 2_000).splitlines()] or [""]
    return (f"{_MARGIN}{_paint(f'{name:<5}', '2', color=color)} "
            + f"\n{_MARGIN}      ".join(lines)).rstrip()


def _ordered(event: Mapping[str, Any]) -> list[tuple[str, Any]]:
    head = [(key, event[key]) for key in _HEAD if key in event]
    return (head + [(key, value) for key, value in event.items() if key not in _HEAD])[:_MAX_FIELDS]


def _plain(value: object, characters: int, entries: int, depth: int = 0) -> Any:  # noqa: ANN401 - JSON has no type
    """`value` as JSON can hold it, within the budget."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, str):
        return _cut(str(value), characters)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if isinstance(value, Mapping | list | tuple | set | frozenset) and depth < _MAX_DEPTH:
        return _container(value, characters, entries, depth)
    return _cut(_described(value), characters)


def _number(value: float) -> float | str:
    """JSON knows neither NaN nor infinity; a giant integer takes long to print, or is refused by Python."""
    if isinstance(value, int):
        return int(value) if value.bit_length() <= 64 else f"<integer of {value.bit_length()} bits>"
    return float(value) if math.isfinite(value) else str(value)


def _container(
    value: Mapping[Any, Any] | list[Any] | tuple[Any, ...] | set[Any] | frozenset[Any],
    characters: int,
    entries: int,
    depth: int,
) -> object:
    left_out = len(value) - entries
    # What is nested gets a part of the budget, or the parts would multiply.
    share = (characters // 4, max(entries // 8, 2), depth + 1)
    if isinstance(value, Mapping):
        taken = islice(value.items(), entries)
        table = {_cut(str(key), 100): _plain(item, *share) for key, item in taken}
        return table | ({"…": f"{left_out} more"} if left_out > 0 else {})
    items = [_plain(item, *share) for item in islice(value, entries)]
    return items + ([f"… {left_out} more"] if left_out > 0 else [])


def _described(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - a log line must not fail because an object can't describe itself
        return f"<{type(value).__name__}>"


def _cut(text: str, characters: int) -> str:
    """Beginning and end: the end of a traceback says what happened."""
    if len(text) > characters:
        half = characters // 2
        text = f"{text[:half]} … {len(text) - 2 * half} characters … {text[-half:]}"
    return utf8(text)


def _dump(fields: Mapping[str, Any], *, ascii_only: bool) -> str:
    return escape_json(json.dumps(fields, ensure_ascii=ascii_only, allow_nan=False, separators=(",", ":")))


def escape_json(text: str) -> str:
    """JSON escapes the control characters below 32 alone: here the others that steer a terminal, or turn its lines."""
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _shown(value: object) -> str:
    """A value at a terminal: bare where nothing can be misread, else as JSON."""
    if isinstance(value, str):
        return value if value and value.isprintable() and not set(value) & set(' "=') else _quoted(value)
    if isinstance(value, dict):
        return "{" + " ".join(f"{one_line(str(key))}={_shown(item)}" for key, item in value.items()) + "}"
    return f"{value:.6g}" if isinstance(value, float) else one_line(json.dumps(value, ensure_ascii=False))


def _quoted(text: str) -> str:
    return '"' + one_line(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _indented(text: str) -> str:
    return "\n".join(f"    {one_line(line)}" for line in text.rstrip().splitlines())


def _paint(text: str, code: str, *, color: bool) -> str:
    return f"\033[{code}m{text}\033[0m" if color else text

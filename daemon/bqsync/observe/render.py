"""A log event becomes one line of text: JSON for machines, columns for a terminal. Pure."""

import json
import math
import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

MAX_LINE_BYTES = 15_000
"""Below 16 KiB: journald and syslog relays split longer lines. Counted in UTF-8, without the line's end."""

_HEAD = ("timestamp", "level", "event")
_MAX_FIELDS = 100
_MAX_DEPTH = 4
# Tried in turn until the line fits: characters of a text, entries of a list or table.
_BUDGETS = ((4_000, 200), (1_000, 50), (200, 20), (50, 5))
_COLORS = {"debug": "2", "info": "32", "warning": "33", "error": "31"}
_EVENT_WIDTH = 20
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


def text_line(event: Mapping[str, Any], *, color: bool) -> str:
    """Time, level and event in columns, then `key=value`; an exception follows on lines of its own."""
    head = {**dict.fromkeys(_HEAD, ""), **event}
    exception = head.pop("exception", None)
    line = ""
    for characters, entries in _BUDGETS[1:]:
        line = "  ".join(_columns(head, characters, entries, color=color)).rstrip()
        if len(line.encode()) <= MAX_LINE_BYTES:
            break
    else:
        line = _cut(line, MAX_LINE_BYTES // 4)
    return line if exception is None else f"{line}\n{_indented(_cut(str(exception), 4_000))}"


def _columns(event: Mapping[str, Any], characters: int, entries: int, *, color: bool) -> list[str]:
    plain = {_cut(str(key), 100): _plain(value, characters, entries) for key, value in _ordered(event)}
    timestamp, level, name = (one_line(str(plain.pop(key))) for key in _HEAD)
    # The day and the sixth digit help a machine; at a terminal the time of day does.
    time = timestamp[11:23] if len(timestamp) > 23 else timestamp
    return [
        _paint(time, "2", color=color),
        _paint(f"{level:<7}", _COLORS.get(level, "0"), color=color),
        _paint(f"{name:<{_EVENT_WIDTH}}", "1", color=color),
        *(f"{_paint(one_line(key) + '=', '36', color=color)}{_shown(value)}" for key, value in plain.items()),
    ]


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
    # A lone surrogate has no UTF-8; Python's file names may hold some.
    return text.encode("utf-8", "backslashreplace").decode()


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


def one_line(text: str) -> str:
    """Without control characters: a value can neither break the line nor steer the terminal."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def _indented(text: str) -> str:
    return "\n".join(f"    {one_line(line)}" for line in text.rstrip().splitlines())


def _paint(text: str, code: str, *, color: bool) -> str:
    return f"\033[{code}m{text}\033[0m" if color else text

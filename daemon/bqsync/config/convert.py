"""One value at a time: from what TOML or the environment holds to what a field of the schema wants."""

import os.path
import re
import unicodedata
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, get_origin

import msgspec

from bqsync.config.listen import LISTEN_FORMS, parse_listen
from bqsync.config.quantities import (
    DURATION_FORMS,
    SIZE_FORMS,
    format_duration,
    format_size,
    parse_duration,
    parse_size,
)
from bqsync.errors import one_line
from bqsync.model import folded

_TYPE_NAMES = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "list": "a list",
    "object": "a table",
    "dict": "a table",
}
# Letters, marks, numbers, connectors, dashes, spaces; at most 1,024 bytes of UTF-8.
# Source: https://cloud.google.com/bigquery/docs/tables#table_naming
_TARGET_CATEGORIES = ("L", "M", "N", "Pc", "Pd", "Zs")
_TARGET_MAX_BYTES = 1024
_HOST = r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])"
_REST_ENDPOINT = re.compile(rf"(?:https?://)?{_HOST}(?::[0-9]{{1,5}})?/?", re.ASCII)
_GRPC_ENDPOINT = re.compile(rf"(?:http://)?{_HOST}:[0-9]{{1,5}}/?", re.ASCII)


_MAX_INT64 = (1 << 63) - 1
_SHOWN_LETTERS = 100


class UnfitValueError(Exception):
    """A value that its field can't take: what is wrong, and how to write it."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.fix = fix


def convert(value: object, declared: Any, folder: Path) -> Any:  # noqa: ANN401 - types are data here
    """
    Turn `value` into the type `declared`, a field's annotation; relative paths start at `folder`.

    Raises:
        UnfitValueError: wrong type, unknown choice, out of range, or a character that is not allowed.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        # Every range ends far before; what is larger fits no float, which messages are made with.
        value = max(-_MAX_INT64, min(value, _MAX_INT64))
    limits = _limits(declared)
    kind = (limits.extra or {}).get("kind", "")
    if kind in _PARSERS:
        value = _PARSERS[kind](value, folder)
        if kind in {"path", "paths"}:
            return value
    converted = _typed(value, declared)
    _require_range(converted, limits, kind)
    _require_text(converted, limits)
    return converted


def found(value: object) -> str:
    """What kind of TOML value this is, for a message."""
    name = type(value).__name__
    return "a date or time" if name in {"datetime", "date", "time"} else _TYPE_NAMES.get(name, name)


def plain_table_name(name: str) -> str:
    """`name` as a BigQuery table name that needs no quoting anywhere: `_` for all but ASCII letters, digits and `_`."""
    return re.sub(r"[^A-Za-z0-9_]", "_", name)


def _limits(declared: Any) -> msgspec.Meta:  # noqa: ANN401 - as above
    metadata = declared.__metadata__ if get_origin(declared) is Annotated else ()
    return next((item for item in metadata if isinstance(item, msgspec.Meta)), msgspec.Meta())


def _typed(value: object, declared: Any) -> Any:  # noqa: ANN401 - as above
    bare = declared.__origin__ if get_origin(declared) is Annotated else declared
    try:
        return msgspec.convert(value, bare)
    except msgspec.ValidationError as error:
        if isinstance(bare, type) and issubclass(bare, Enum) and isinstance(value, str):
            choices = ", ".join(f'"{member.value}"' for member in bare)
            raise UnfitValueError(f"{_quoted(value)} is not one of its values", f"use one of {choices}") from None
        expected = re.search(r"Expected `(\w+)", str(error))
        name = _TYPE_NAMES.get(expected[1], expected[1]) if expected else "another type"
        raise UnfitValueError(f"expected {name}, found {found(value)}", f"write {name}") from None


def _require_range(value: object, limits: msgspec.Meta, kind: str) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return
    low = limits.ge if limits.ge is not None else limits.gt
    if low is None or limits.le is None:
        return
    # Written so that NaN, which compares as false with everything, is refused.
    if (value >= low if limits.ge is not None else value > low) and value <= limits.le:
        return
    show: Callable[[float], str] = {"duration": format_duration, "size": format_size}.get(kind, "{:,.15g}".format)
    lower = f"from {show(low)}" if limits.ge is not None else f"more than {show(low)}"
    raise UnfitValueError(f"{show(value)} is out of range", f"use a value {lower} to {show(limits.le)}")


def _require_text(value: object, limits: msgspec.Meta) -> None:
    if not isinstance(value, str):
        return
    if limits.min_length and len(value) < limits.min_length:
        raise UnfitValueError("is an empty string", "give it a value, or leave the key out")
    if limits.pattern and not re.search(limits.pattern, value):
        raise UnfitValueError(f"{_quoted(value)} is not allowed", f"use {limits.description}")


def _duration(value: object, _folder: Path) -> float:
    seconds = parse_duration(value)
    if seconds is None:
        raise UnfitValueError(f"expected a duration, found {_quoted(value)}", f"write {DURATION_FORMS}")
    return seconds


def _size(value: object, _folder: Path) -> int:
    count = parse_size(value)
    if count is None:
        raise UnfitValueError(f"expected a size, found {_quoted(value)}", f"write {SIZE_FORMS}")
    return count


def _path(value: object, folder: Path) -> Path:
    text = str(_typed(str(value) if isinstance(value, Path) else value, str))
    if not text:
        raise UnfitValueError("is an empty path", "name a file, or leave the key out")
    if "\0" in text:
        raise UnfitValueError("a path can't hold a NUL character", "remove the \\u0000")
    # Not `resolve()`: a symbolic link may be switched to another file later, and it is the link that was named.
    return folder / os.path.expanduser(text)  # noqa: PTH111 - Path.expanduser raises where there is no home


def _paths(value: object, folder: Path) -> tuple[Path, ...]:
    if not isinstance(value, list | tuple):
        raise UnfitValueError(f"expected a list of paths, found {_quoted(value)}", 'write a list: ["a.proto"]')
    return tuple(_path(item, folder) for item in value)


def _names(value: object, _folder: Path) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise UnfitValueError(f"expected a list of columns, found {_quoted(value)}", 'write a list: ["column"]')
    names = tuple(str(_typed(item, str)) for item in value)
    if "" in names:
        raise UnfitValueError("holds an empty name", "name a column of the table")
    if len({folded(name) for name in names}) < len(names):
        raise UnfitValueError("names a column twice", "name each column once; upper and lower case are the same")
    return names


def _time_zone(value: object, _folder: Path) -> str:
    name = str(_typed(value, str))
    if name != "UTC":
        from zoneinfo import ZoneInfo

        try:
            ZoneInfo(name)
        # A key that names a folder or leaves the database raises ValueError or OSError instead of "not found".
        except (KeyError, ValueError, OSError):
            fix = 'use an IANA name such as "Europe/Berlin"; a system without zone data needs the package tzdata'
            raise UnfitValueError(f"{_quoted(name)} is no time zone that this system knows", fix) from None
    return name


def _target_name(value: object, _folder: Path) -> str:
    name = str(_typed(value, str))
    if not name or len(name.encode("utf-8", "surrogatepass")) > _TARGET_MAX_BYTES:
        raise UnfitValueError("a table name has 1 to 1024 bytes", "choose a shorter name, or leave the key out")
    if refused := next((character for character in name if not _allowed_in_target(character)), None):
        fix = f"use {plain_table_name(name)!r}"
        raise UnfitValueError(f"BigQuery refuses {refused!r} in a table name", fix)
    if name.lower().startswith("_bqsync"):
        raise UnfitValueError("names that start with _bqsync are staging tables", "choose another name")
    return name


def _rest_endpoint(value: object, _folder: Path) -> str:
    text = str(_typed(value, str))
    if not _REST_ENDPOINT.fullmatch(text) or not _port_fits(text):
        raise UnfitValueError(f"{_quoted(text)} is no address", 'write "host:port" or "http://host:port"')
    return (text if "://" in text else f"http://{text}").rstrip("/")


def _grpc_endpoint(value: object, _folder: Path) -> str:
    text = str(_typed(value, str))
    if not _GRPC_ENDPOINT.fullmatch(text) or not _port_fits(text):
        raise UnfitValueError(f"{_quoted(text)} is no address", 'write "host:port"')
    return text.removeprefix("http://").rstrip("/")


def _loopback_address(value: object, _folder: Path) -> str:
    text = str(_typed(value, str))
    address = parse_listen(text)
    if address is None:
        raise UnfitValueError(f"{_quoted(text)} is no numeric address with a port", f"write {LISTEN_FORMS}")
    if not address.is_loopback:
        message = f"other machines can reach {_quoted(text)}, and nobody is asked for a password there"
        raise UnfitValueError(message, f"write {LISTEN_FORMS}; a reverse proxy with TLS and a password may serve it")
    return text


def _port_fits(endpoint: str) -> bool:
    port = re.search(r":([0-9]+)/?$", endpoint)
    return port is None or 1 <= int(port[1]) <= 65535


def _allowed_in_target(character: str) -> bool:
    return unicodedata.category(character).startswith(_TARGET_CATEGORIES)


def _quoted(value: object) -> str:
    if not isinstance(value, str):
        return found(value)
    shown = value if len(value) <= _SHOWN_LETTERS else f"{value[:_SHOWN_LETTERS]}…"
    return one_line(f'"{shown}"')


_PARSERS: Mapping[str, Callable[[object, Path], object]] = {
    "duration": _duration,
    "size": _size,
    "path": _path,
    "paths": _paths,
    "names": _names,
    "time_zone": _time_zone,
    "target_name": _target_name,
    "rest_endpoint": _rest_endpoint,
    "grpc_endpoint": _grpc_endpoint,
    "loopback_address": _loopback_address,
}

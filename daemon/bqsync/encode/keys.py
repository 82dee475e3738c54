"""
Keys as bytes: one injective, order-preserving form for tuples of SQLite or wire values.

Two uses. The *target key* of a row (its wire values) is the identity that BigQuery sees: it is staged as BYTES, is the
ledger's key, and leads back to typed values when a delete has to be staged. The *source key* (SQLite's own values,
NULL and invalid UTF-8 included) is the identity of a row in quarantine.

Each component is a tag byte and a body; comparing two encodings as bytes compares the tuples component by component,
within one type as BigQuery and SQLite (BINARY) do.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from bqsync.model import WireValue

_NULL, _BOOL, _INT, _FLOAT, _TEXT, _BYTES = range(1, 7)
_INT_OFFSET = 1 << 63
_UINT64 = struct.Struct(">Q")
_DOUBLE = struct.Struct(">d")
_SIGN_BIT = 1 << 63
_ALL_BITS = (1 << 64) - 1


def encode_key(values: Iterable[WireValue]) -> bytes:
    """
    Encode a tuple of values.

    Args:
        values: integers within 64 bits. Text may carry surrogate escapes: they stand for the bytes they escaped.
            -0.0 is 0.0, since every database compares them as equal.
    """
    return b"".join(map(encode_component, values))


def encode_component(value: WireValue) -> bytes:
    """Encode one value of a tuple."""
    if type(value) is str:
        body = value.encode("utf-8", "surrogateescape")
        return b"\x05" + (body.replace(b"\0", b"\0\xff") if b"\0" in body else body) + b"\0\0"
    if type(value) is int:
        return b"\x03" + _UINT64.pack(value + _INT_OFFSET)
    if value is None:
        return b"\x01"
    if type(value) is float:
        return b"\x04" + _UINT64.pack(_sortable_double(value))
    if type(value) is bytes:
        return b"\x06" + value.replace(b"\0", b"\0\xff") + b"\0\0"
    return b"\x02\x01" if value else b"\x02\x00"


def _sortable_double(value: float) -> int:
    """The bits of a double, arranged so that unsigned order is numeric order."""
    (bits,) = _UINT64.unpack(_DOUBLE.pack(value + 0.0))
    number = int(bits)
    return number ^ _ALL_BITS if number & _SIGN_BIT else number | _SIGN_BIT


class BrokenKeyError(Exception):
    """Bytes that `encode_key` has never made: they were altered where they were kept."""


def decode_key(encoded: bytes) -> tuple[WireValue, ...]:
    """
    The values that `encode_key` was given (0.0 for -0.0).

    Raises:
        BrokenKeyError: the bytes are no encoding of a key.
    """
    values: list[WireValue] = []
    position = 0
    try:
        while position < len(encoded):
            value, position = _decode_component(encoded, position)
            values.append(value)
    except (IndexError, ValueError, struct.error) as exc:
        raise BrokenKeyError("an encoded key is cut short") from exc
    return tuple(values)


def _decode_component(encoded: bytes, position: int) -> tuple[WireValue, int]:
    tag, start = encoded[position], position + 1
    if tag == _NULL:
        return None, start
    if tag == _BOOL:
        return encoded[start] == 1, start + 1
    if tag in (_INT, _FLOAT):
        number = int(_UINT64.unpack_from(encoded, start)[0])
        return (number - _INT_OFFSET if tag == _INT else _double_of(number)), start + 8
    if tag in (_TEXT, _BYTES):
        body, end = _decode_body(encoded, start)
        return (body.decode("utf-8", "surrogateescape") if tag == _TEXT else body), end
    raise BrokenKeyError(f"unknown tag {tag} at byte {position} of an encoded key")


def _double_of(number: int) -> float:
    bits = number ^ _SIGN_BIT if number & _SIGN_BIT else number ^ _ALL_BITS
    return float(_DOUBLE.unpack(_UINT64.pack(bits))[0])


def _decode_body(encoded: bytes, start: int) -> tuple[bytes, int]:
    end = encoded.index(b"\0\0", start)
    body = encoded[start:end]
    return body.replace(b"\0\xff", b"\0"), end + 2


def source_values(source_key: bytes) -> tuple[int | float | str | bytes | None, ...]:
    """The values that SQLite compares for an encoded key. It knows no booleans: they are 0 and 1 there."""
    return tuple(int(value) if isinstance(value, bool) else value for value in decode_key(source_key))


def key_text(key: bytes) -> tuple[str, ...]:
    """The values of an encoded key for human eyes: NULL, x'00ff' for bytes, escapes for bytes that are no UTF-8."""
    return tuple(map(_text, decode_key(key)))


def _text(value: WireValue) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")

"""Rows as they reached a staging table, and what their envelope says: read off the wire, without the project's code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_FIRST_DATA_FIELD = 16
_KEY, _OPERATION, _SEQUENCE = 1, 2, 3
_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True, slots=True)
class AppendedRow:
    """A row that was appended and acknowledged; whether its writer heard of it is another question."""

    table: str
    """`projects/P/datasets/D/tables/T`"""
    offset: int
    row: bytes


@dataclass(frozen=True, slots=True)
class StagedRow:
    """The envelope of a row in a staging table, and its data."""

    key: bytes
    operation: str
    """`U` or `D`"""
    sequence: int
    data: bytes
    """The fields of the columns as they were serialized."""


def staged_row(row: bytes) -> StagedRow:
    """
    Take a serialized row apart.

    Raises:
        ValueError: it has no whole envelope, or is no protobuf message.
    """
    envelope: dict[int, bytes] = {}
    data = bytearray()
    for number, start, value, end in _fields(row):
        if number < _FIRST_DATA_FIELD:
            envelope[number] = row[value:end]
        else:
            data += row[start:end]
    if set(envelope) != {_KEY, _OPERATION, _SEQUENCE}:
        raise ValueError(f"the envelope has the fields {sorted(envelope)}")
    sequence, _ = _varint(envelope[_SEQUENCE], 0)
    return StagedRow(envelope[_KEY], envelope[_OPERATION].decode(), sequence, bytes(data))


def _fields(message: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Number of each field, and where it, its value, and the next one begin."""
    at = 0
    while at < len(message):
        start = at
        tag, at = _varint(message, at)
        value, at = _value(message, at, tag & 7)
        if at > len(message):
            raise ValueError("the message ends within a field")
        yield tag >> 3, start, value, at


def _value(message: bytes, at: int, wire_type: int) -> tuple[int, int]:
    """Where the value at a place begins and ends."""
    if wire_type == _VARINT:
        return at, _varint(message, at)[1]
    if wire_type == _LENGTH_DELIMITED:
        length, at = _varint(message, at)
        return at, at + length
    if wire_type in {_FIXED64, _FIXED32}:
        return at, at + (8 if wire_type == _FIXED64 else 4)
    raise ValueError(f"wire type {wire_type}")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """
    A base-128 number, and the place behind it.

    Source: https://protobuf.dev/programming-guides/encoding/#varints
    """
    number = shift = 0
    while at < len(message):
        byte = message[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at
    raise ValueError("the message ends within a number")

"""
Protobuf's wire form, written by hand where millions of values are written: a column of a page at a time.

The bytes are those that the protobuf library writes; a property test holds it. The library makes a message of each row,
in Python objects; here one call writes all values of a column, and a row is a join of its pieces.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import repeat
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

Pieces = Iterable[bytes]
"""One for each row; all the pieces of a row, one after the other, are the row."""

VARINT, FIXED64, LENGTH_DELIMITED = 0, 1, 2
"""The types on the wire. Source: https://protobuf.dev/programming-guides/encoding/#structure"""

_Field = descriptor_pb2.FieldDescriptorProto
_NUMBER_OF_VALUES = 1
_split_varints = re.compile(rb"[\x80-\xff]*[\x00-\x7f]").findall


def varint(number: int) -> bytes:
    """A non-negative number in protobuf's base-128 form."""
    if number < 128:
        return bytes((number,))
    parts = bytearray()
    while number >= 128:
        parts.append(number & 127 | 128)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def tag(field_number: int, wire_type: int) -> bytes:
    """What stands before the value of a field."""
    return varint(field_number << 3 | wire_type)


def varints(numbers: Iterable[int]) -> list[bytes]:
    """
    Signed 64-bit numbers, each as a varint.

    The library writes them as one packed field, at a cost of hundredths of a microsecond each; where one ends and the
    next begins, the high bit of its last byte tells.

    Raises:
        ValueError: a number is none of 64 bits.
    """
    packed: bytes = _packed_class()(values=numbers).SerializeToString()
    if not packed:
        return []
    return _split_varints(packed, _length_of_head(packed))


def varint_fields(field_number: int, numbers: Iterable[int]) -> tuple[Pieces, ...]:
    """A field of signed 64-bit numbers, for each row."""
    return repeat(tag(field_number, VARINT)), varints(numbers)


def double_fields(field_number: int, numbers: Iterable[float]) -> tuple[Pieces, ...]:
    """A field of doubles, for each row."""
    head = tag(field_number, FIXED64)
    return (map(struct.Struct(f"<{len(head)}sd").pack, repeat(head), numbers),)


def bytes_fields(field_number: int, values: Sequence[bytes]) -> tuple[Pieces, ...]:
    """A field of bytes or of texts in UTF-8, for each row."""
    head = repeat(tag(field_number, LENGTH_DELIMITED))
    lengths = list(map(len, values))
    if max(lengths, default=0) < len(_SHORT_LENGTHS):
        return head, map(_SHORT_LENGTHS.__getitem__, lengths), values
    return head, map(_length, lengths), values


def spread(pieces: Sequence[Pieces], is_present: Iterable[bool]) -> Pieces:
    """The pieces of those rows that have the field, spread over all rows: the others get nothing."""
    joined = joined_rows(pieces)
    return [next(joined) if present else b"" for present in is_present]


def joined_rows(pieces: Sequence[Pieces]) -> Iterator[bytes]:
    """The rows of which those are the pieces."""
    return map(b"".join, zip(*pieces, strict=False))  # what repeats itself has no end


def _length(length: int) -> bytes:
    return _SHORT_LENGTHS[length] if length < len(_SHORT_LENGTHS) else varint(length)


_SHORT_LENGTHS = list(map(varint, range(4096)))
"""One table for all fields, for there may be thousands. A list: its lookup takes half the time of that of a tuple."""


@cache
def _packed_class() -> Any:  # noqa: ANN401 - built at run time
    file = descriptor_pb2.FileDescriptorProto(name="packed.proto", syntax="proto2")
    field = file.message_type.add(name="Packed").field.add(
        name="values", number=_NUMBER_OF_VALUES, type=_Field.TYPE_INT64, label=_Field.LABEL_REPEATED)
    field.options.packed = True
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("Packed"))


def _length_of_head(packed: bytes) -> int:
    """Its tag, and how many bytes follow."""
    end = 1
    while packed[end] & 128:
        end += 1
    return end + 1

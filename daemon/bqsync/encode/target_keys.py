"""The target keys of source rows, without encoding the rest of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, tzinfo

from bqsync.encode.keys import encode_component
from bqsync.encode.rejection import Rejected
from bqsync.encode.values import PASSED_UNCHANGED, converter
from bqsync.model import ColumnSpec, Reason, SqlValue, TableSpec, WireValue

KeyPart = Callable[[SqlValue], bytes]


def target_key_reader(
    spec: TableSpec, zone: tzinfo = UTC
) -> Callable[[Sequence[Sequence[SqlValue]]], list[bytes | None]]:
    """
    A function from the rows of a page to their encoded target keys.

    A row gets None where its key can't be delivered; one that is no UTF-8 gets a key that nothing is delivered under.
    Where its other cells can't be delivered, the key is there all the same.
    """
    names = [column.source_name for column in spec.columns]
    parts = [(names.index(column.source_name), _part(column, zone)) for column in spec.key_columns]
    if len(parts) == 1:
        ((position, encode),) = parts
        return lambda rows: [_key_or_none(encode, row[position]) for row in rows]
    return lambda rows: [_keys_or_none(parts, row) for row in rows]


def check_key(values: Sequence[WireValue]) -> None:
    """
    Refuse key values that no equality in BigQuery finds again.

    A text with a NUL is one of them: tools and engines that treat it as the end of the text see another key.

    Raises:
        Rejected: with the reason.
    """
    for value in values:
        if value is None:
            raise Rejected(Reason.NULL_KEY)
        if type(value) is str and "\0" in value:
            raise Rejected(Reason.INVALID_TEXT)


def _part(column: ColumnSpec, zone: tzinfo) -> KeyPart:
    plain, convert = PASSED_UNCHANGED.get(column.target_type), converter(column, zone)

    def encode(value: SqlValue) -> bytes:
        if value is None:
            raise Rejected(Reason.NULL_KEY)
        wire = value if type(value) is plain else convert(value)
        if type(wire) is str:
            check_key((wire,))
        return encode_component(wire)

    return encode


def _key_or_none(encode: KeyPart, value: SqlValue) -> bytes | None:
    try:
        return encode(value)
    except Rejected:
        return None


def _keys_or_none(parts: Sequence[tuple[int, KeyPart]], row: Sequence[SqlValue]) -> bytes | None:
    try:
        return b"".join([encode(row[position]) for position, encode in parts])
    except Rejected:
        return None

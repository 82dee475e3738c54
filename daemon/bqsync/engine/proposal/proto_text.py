"""
The text of a .proto file. Pure.

In proto2: proto3 makes of each `optional` a oneof, whose name may meet the JSON name of another field.
"""

from __future__ import annotations

from collections.abc import Iterator

from bqsync.engine.proposal.facts import ColumnProposal, Proposal, TableProposal
from bqsync.engine.proposal.names import meeting_names
from bqsync.engine.proposal.propose import scalar_of
from bqsync.model import ProtoScalar

_TYPES = {
    ProtoScalar.INTEGER: "int64", ProtoScalar.FLOATING: "double", ProtoScalar.BOOL: "bool",
    ProtoScalar.STRING: "string", ProtoScalar.BYTES: "bytes",
}
_FIRST_RESERVED, _LAST_RESERVED = 19_000, 19_999
"""Field numbers of protobuf's own. Source: https://protobuf.dev/programming-guides/proto3/#assigning"""


def proto_text(proposal: Proposal) -> str:
    """One message for each table that can be synced, one field for each of its columns."""
    return "\n".join([*_head(proposal), *(line for table in proposal.accepted for line in _message(table))]) + "\n"


def comment(text: str) -> str:
    """Text that stays on its line, whatever names a database has."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _head(proposal: Proposal) -> Iterator[str]:
    yield f"// The tables of {comment(proposal.db.name)}, one message a table, one field a column, in column order."
    yield "//"
    yield "// Every field is `optional`: a NULL is an absent field, and 0, false and '' are values. Types that protobuf"
    yield "// has no word for stand in config.toml, under `types` and `timestamps`. Field numbers are never reused."
    yield "//"
    yield "// After a change: bqsync protos"
    yield 'syntax = "proto2";'
    if any(column.target_name for table in proposal.accepted for column in table.columns):
        yield ""
        yield 'import "bq_field.proto";'


def _message(table: TableProposal) -> Iterator[str]:
    meeting = meeting_names([column.name for column in table.columns])
    yield ""
    yield f"// Table {comment(table.name)}. Key: {comment(', '.join(table.key))}."
    yield f"message {table.message} {{"
    for number, column in enumerate(table.columns, 1):
        if not column.field_name:
            yield f"  // Column {comment(column.name)}: no field can have that name; config.toml has its type."
            continue
        wire_number = number if number < _FIRST_RESERVED else number + _LAST_RESERVED - _FIRST_RESERVED + 1
        options = list(_options(column, names_meet=column.name in meeting))
        written = f" [{', '.join(options)}]" if options else ""
        declared = f"  // {comment(column.declared_type)}" if column.declared_type else ""
        yield f"  optional {_TYPES[scalar_of(column.choice)]} {column.field_name} = {wire_number}{written};{declared}"
    yield "}"


def _options(column: ColumnProposal, *, names_meet: bool) -> Iterator[str]:
    if column.field_name != column.name or names_meet:
        yield f"json_name = {_quoted(column.name)}"
    if column.target_name is not None:
        yield f"(gen_bq_schema.bigquery).name = {_quoted(column.target_name)}"


def _quoted(text: str) -> str:
    """A string literal of protobuf: bytes that are no printable ASCII as octal escapes, whatever follows them."""
    letters = []
    for byte in text.encode("utf-8"):
        plain = 0x20 <= byte < 0x7F and byte not in b'"\\'
        letters.append(chr(byte) if plain else f"\\{byte:03o}")
    return f'"{"".join(letters)}"'

"""A row becomes bytes that any protobuf reader understands, or is rejected by the right column for the right reason."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest
import xxhash
from tests.encode.specs import accepted, column, parsed, rejected, table

from bqsync.encode.keys import decode_key, encode_key
from bqsync.encode.rejection import Rejected
from bqsync.encode.rows import MAX_ROW_BYTES, PROTO_TYPES, RowEncoder
from bqsync.model import Operation, Reason, SqlValue, TargetType, TimestampFormat

SECONDS = TimestampFormat.UNIX_SECONDS
EVERY_TYPE = table(
    column("id", TargetType.INT64), column("ratio", TargetType.FLOAT64), column("flag", TargetType.BOOL),
    column("name"), column("raw", TargetType.BYTES), column("moment", TargetType.TIMESTAMP, timestamp_format=SECONDS),
    column("price", TargetType.NUMERIC), column("huge", TargetType.BIGNUMERIC), column("day", TargetType.DATE),
    column("local", TargetType.DATETIME), column("clock", TargetType.TIME), column("extra", TargetType.JSON),
)
FULL: tuple[SqlValue, ...] = (
    7, 0.5, 1, "Zoë", b"\0", 1700000000, 0.1, "1e38", "2024-02-29", "2024-02-29 12:00", "12:00", "{}",
)
FULL_WIRE = {
    "id": 7, "ratio": 0.5, "flag": True, "name": "Zoë", "raw": b"\0", "moment": 1700000000000000, "price": "0.1",
    "huge": "1" + "0" * 38, "day": 19782, "local": "2024-02-29T12:00:00", "clock": "12:00:00", "extra": "{}",
}
NOTHING: tuple[SqlValue, ...] = (7, *[None] * 11)
ZEROS: tuple[SqlValue, ...] = (0, 0.0, 0, "", b"", 0, 0, 0, "1970-01-01", "0001-01-01", "00:00", "0")
ZEROS_WIRE = {
    "id": 0, "ratio": 0.0, "flag": False, "name": "", "raw": b"", "moment": 0, "price": "0", "huge": "0", "day": 0,
    "local": "0001-01-01T00:00:00", "clock": "00:00:00", "extra": "0",
}


def test_a_row_of_every_type_reads_back_as_its_wire_values() -> None:
    encoder = RowEncoder(EVERY_TYPE)
    assert parsed(encoder, accepted(encoder, FULL).row) == FULL_WIRE
    assert dict(zip(FULL_WIRE, encoder.wire_row(FULL), strict=True)) == FULL_WIRE


def test_null_is_an_absent_field() -> None:
    encoder = RowEncoder(EVERY_TYPE)
    assert parsed(encoder, accepted(encoder, NOTHING).row) == {"id": 7}


def test_zero_false_and_empty_are_present_fields() -> None:
    encoder = RowEncoder(EVERY_TYPE)
    assert parsed(encoder, accepted(encoder, ZEROS).row) == ZEROS_WIRE


def test_a_staged_row_is_data_and_envelope_in_one_message() -> None:
    encoder = RowEncoder(EVERY_TYPE)
    row = accepted(encoder, FULL)
    for sequence in (0, 1, 127, 128, 16383, 16384, 2**31, 2**62):
        envelope = {"_bqsync_key": row.key, "_bqsync_operation": "U", "_bqsync_sequence": sequence}
        assert parsed(encoder, encoder.stage_upsert(row, sequence)) == FULL_WIRE | envelope


def test_a_staged_delete_is_the_typed_key_and_the_envelope() -> None:
    spec = table(column("at", TargetType.TIMESTAMP, timestamp_format=SECONDS), column("name"), column("rest"),
                 key=("name", "at"))
    encoder = RowEncoder(spec)
    key = accepted(encoder, (5, "x" * 200, "gone")).key
    assert decode_key(key) == ("x" * 200, 5000000)
    assert parsed(encoder, encoder.stage_delete(key, 3)) == {
        "at": 5000000, "name": "x" * 200, "_bqsync_key": key, "_bqsync_operation": Operation.DELETE.value,
        "_bqsync_sequence": 3,
    }


def test_the_fingerprint_is_that_of_the_bytes_as_a_signed_number() -> None:
    encoder = RowEncoder(EVERY_TYPE)
    for row in (FULL, NOTHING, ZEROS):
        encoded = accepted(encoder, row)
        assert encoded.fingerprint == xxhash.xxh3_64_intdigest(encoded.row) - 2**63
        assert -(2**63) <= encoded.fingerprint < 2**63


def test_the_fingerprint_changes_with_every_cell() -> None:
    encoder = RowEncoder(EVERY_TYPE)
    changed = {
        (*FULL[:index], other[index], *FULL[index + 1:]) for index in range(len(FULL)) for other in (NOTHING, ZEROS)
    }
    assert len(changed | {FULL}) == 2 * len(FULL), "NULL and zero in every cell but the key, which knows no NULL"
    assert len({accepted(encoder, row).fingerprint for row in changed | {FULL}}) == 2 * len(FULL)


def test_the_fingerprint_changes_with_the_field_number_of_a_column() -> None:
    before = RowEncoder(table(column("id"), column("x", field_number=17)))
    after = RowEncoder(table(column("id"), column("x", field_number=18)))
    assert accepted(before, ("a", "b")).fingerprint != accepted(after, ("a", "b")).fingerprint


def test_bytes_and_fingerprints_are_the_same_in_every_process() -> None:
    program = ("from tests.encode.test_rows import *\nencoder = RowEncoder(EVERY_TYPE)\n"
               "for row in (FULL, NOTHING, ZEROS):\n    print(accepted(encoder, row))\n")
    printed = {
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True,
                       env={**os.environ, "PYTHONHASHSEED": seed}).stdout
        for seed in ("0", "1", "4242")
    }
    encoder = RowEncoder(EVERY_TYPE)
    assert printed == {"".join(f"{accepted(encoder, row)}\n" for row in (FULL, NOTHING, ZEROS))}


@pytest.mark.parametrize(("index", "value", "reason"), [
    (0, "7", Reason.WRONG_TYPE), (0, 0.5, Reason.WOULD_CHANGE), (1, 2**53 + 1, Reason.WOULD_CHANGE),
    (2, 2, Reason.WOULD_CHANGE), (3, b"raw", Reason.WRONG_TYPE), (3, "\udcff", Reason.INVALID_TEXT),
    (4, "text", Reason.WRONG_TYPE), (5, float("inf"), Reason.NOT_FINITE), (5, 10**12, Reason.OUT_OF_RANGE),
    (6, "0.1234567891", Reason.WOULD_CHANGE), (7, "1e39", Reason.OUT_OF_RANGE), (8, "2024-02-30", Reason.OUT_OF_RANGE),
    (9, "noon", Reason.WRONG_TYPE), (10, "25:00", Reason.OUT_OF_RANGE), (11, "{", Reason.WRONG_TYPE),
])
def test_a_rejection_names_the_column_and_the_reason(index: int, value: SqlValue, reason: Reason) -> None:
    encoder = RowEncoder(EVERY_TYPE)
    row = (*FULL[:index], value, *FULL[index + 1:])
    refused = rejected(encoder, row)
    assert (refused.column, refused.reason) == (EVERY_TYPE.columns[index].source_name, reason)
    assert refused.source_key == encode_key([row[0]])
    assert refused.key == (None if index == 0 else encode_key([7]))
    with pytest.raises(Rejected) as caught:
        encoder.wire_row(row)
    assert caught.value.reason is reason


def test_the_first_column_that_does_not_fit_is_named_by_its_source_name() -> None:
    encoder = RowEncoder(table(column("id"), column("Größe", TargetType.INT64, target_name="Gr__e"),
                               column("b", TargetType.INT64)))
    assert rejected(encoder, ("k", "x", "y")).column == "Größe"


def test_a_rejected_row_keeps_its_fingerprint_until_one_of_its_cells_changes() -> None:
    encoder = RowEncoder(table(column("id"), column("n", TargetType.INT64), column("rest")))
    first = rejected(encoder, ("k", "x", "a"))
    assert rejected(encoder, ("k", "x", "a")) == first
    others = [rejected(encoder, row) for row in (("k", "y", "a"), ("k", "x", "b"), ("k", "x", None), ("l", "x", "a"))]
    assert len({first.fingerprint, *(row.fingerprint for row in others)}) == 5


def test_a_null_in_the_key_is_refused_and_such_rows_are_told_apart_by_their_contents() -> None:
    spec = table(column("a", required=True), column("b", TargetType.INT64), column("rest"), key=("a", "b"))
    encoder = RowEncoder(spec)
    one, other = rejected(encoder, ("x", None, "1")), rejected(encoder, ("x", None, "2"))
    assert (one.column, one.reason, one.key) == ("b", Reason.NULL_KEY, None)
    assert one.source_key != other.source_key
    assert rejected(encoder, (None, 1, "")).reason is Reason.NULL_KEY, "a required key column is refused as a key"


def test_a_nul_in_a_text_key_is_refused_and_elsewhere_it_is_delivered() -> None:
    encoder = RowEncoder(table(column("id"), column("x")))
    refused = rejected(encoder, ("a\0b", "x"))
    assert (refused.column, refused.reason, refused.source_key) == ("id", Reason.INVALID_TEXT, encode_key(["a\0b"]))
    assert parsed(encoder, accepted(encoder, ("a", "x\0y")).row) == {"id": "a", "x": "x\0y"}


def test_a_row_over_the_limit_is_refused_by_its_largest_column() -> None:
    encoder = RowEncoder(table(column("id"), column("small"), column("large", TargetType.BYTES)))
    overhead = len(accepted(encoder, ("k", "s", b"x" * 9_000_000)).row) - 9_000_000 + len(encode_key(["k"]))
    fits = MAX_ROW_BYTES - overhead
    assert len(accepted(encoder, ("k", "s", b"x" * fits)).row) == MAX_ROW_BYTES - len(encode_key(["k"]))
    refused = rejected(encoder, ("k", "s", b"x" * (fits + 1)))
    assert (refused.column, refused.reason, refused.key) == ("large", Reason.ROW_TOO_LARGE, encode_key(["k"]))


def test_null_for_a_required_column_is_refused_unless_zero_takes_its_place() -> None:
    encoder = RowEncoder(table(column("id"), column("n", TargetType.INT64, required=True)))
    refused = rejected(encoder, ("k", None))
    assert (refused.column, refused.reason) == ("n", Reason.NULL_REQUIRED)
    zeroed = RowEncoder(table(column("id"), column("n", TargetType.INT64, required=True, zero_for_null=True)))
    assert parsed(zeroed, accepted(zeroed, ("k", None)).row) == {"id": "k", "n": 0}


def test_zero_for_null_is_the_zero_of_each_type_that_has_one() -> None:
    identity, *others = EVERY_TYPE.columns
    encoder = RowEncoder(table(identity, *(replace(one, zero_for_null=True) for one in others)))
    assert parsed(encoder, accepted(encoder, NOTHING).row) == {
        "id": 7, "ratio": 0.0, "flag": False, "name": "", "price": "0", "huge": "0",
    }


@pytest.mark.parametrize(("key_type", "value", "leads_back"), [
    (TargetType.STRING, "a", True), (TargetType.STRING, 5, False), (TargetType.INT64, 5, True),
    (TargetType.INT64, 5.0, False), (TargetType.FLOAT64, 0.5, True), (TargetType.FLOAT64, 5, False),
    (TargetType.BYTES, b"a", True), (TargetType.NUMERIC, "5", False), (TargetType.BOOL, 1, False),
    (TargetType.DATE, "1970-01-01", False),
])
def test_the_source_key_is_kept_where_the_target_key_does_not_lead_back_to_it(
    key_type: TargetType, value: SqlValue, *, leads_back: bool,
) -> None:
    row = accepted(RowEncoder(table(column("id", key_type))), (value,))
    assert row.source_key == (None if leads_back else encode_key([value]))


def test_keys_that_bigquery_can_not_tell_apart_are_one_key() -> None:
    text = RowEncoder(table(column("id")))
    assert accepted(text, (1,)).key == accepted(text, ("1",)).key
    number = RowEncoder(table(column("id", TargetType.FLOAT64)))
    assert accepted(number, (-0.0,)).key == accepted(number, (0.0,)).key == accepted(number, (0,)).key
    instant = RowEncoder(table(column("id", TargetType.TIMESTAMP, timestamp_format=TimestampFormat.UNIX_NANOS)))
    assert accepted(instant, (1001,)).key == accepted(instant, (1002,)).key


def test_a_row_that_was_encoded_can_be_refused_later() -> None:
    encoder = RowEncoder(table(column("id"), column("x")))
    row = accepted(encoder, (5, "x"))
    refused = encoder.refuse(row, Reason.KEY_COLLISION)
    assert (refused.source_key, refused.key, refused.column) == (encode_key([5]), encode_key(["5"]), "id")
    assert (refused.reason, refused.fingerprint) == (Reason.KEY_COLLISION, row.fingerprint)


def test_rows_read_back_compare_equal_to_the_rows_sent() -> None:
    encoder = RowEncoder(EVERY_TYPE)
    sent = encoder.wire_row(FULL)
    printed = (*sent[:6], "0.100", sent[7], sent[8], "2024-02-29 12:00:00", "12:00:00.000", "{ }")
    assert encoder.reread(printed) == sent
    assert encoder.fingerprint(encoder.reread(printed)) == encoder.fingerprint(sent)
    assert encoder.key_of(sent) == encoder.reread_key([7]) == accepted(encoder, FULL).key
    assert encoder.reread(encoder.wire_row(NOTHING)) == encoder.wire_row(NOTHING)
    assert encoder.reread_key([None]) is None


def test_the_descriptor_needs_nothing_but_itself_and_every_field_may_be_absent() -> None:
    descriptor = RowEncoder(EVERY_TYPE).descriptor
    assert {field.label for field in descriptor.field} == {1}
    assert not any(field.type_name or field.HasField("proto3_optional") for field in descriptor.field)
    assert [field.number for field in descriptor.field] == [1, 2, 3, *range(16, 28)]
    assert set(PROTO_TYPES) == set(TargetType)


@pytest.mark.parametrize("name", ["foo_bar", "SerializeToString", "self", "class", "DESCRIPTOR", "_x", "json_name"])
def test_column_names_mean_nothing_to_the_encoder(name: str) -> None:
    """`fooBar` would be the JSON name of `foo_bar`; the others are names that Python's messages have taken."""
    encoder = RowEncoder(table(column("fooBar"), column(name)))
    row = accepted(encoder, ("a", "b"))
    assert parsed(encoder, row.row) == {"fooBar": "a", name: "b"}
    assert parsed(encoder, encoder.stage_delete(row.key, 0))["fooBar"] == "a"

"""A page becomes the very rows, byte for byte, that its rows become one by one."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.encode.specs import column, parsed, table
from tests.properties import MODEST

from bqsync.encode.pages import PageEncoder
from bqsync.encode.rejection import Rejected
from bqsync.encode.rows import MAX_ROW_BYTES, RowEncoder
from bqsync.encode.wire_form import bytes_fields, joined_rows, varint, varints
from bqsync.model import (
    EncodedRow,
    Partitioning,
    PartitionUnit,
    Reason,
    RejectedRow,
    SqlValue,
    TableSpec,
    TargetType,
    TimestampFormat,
)

FIELD_NUMBERS = st.sampled_from([4, 15, 16, 17, 127, 128, 2047, 2048, 100_000, 536_870_911])
"""Where the tag of a field takes one byte more."""
INTEGERS = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, 1, 127, 128, 16383, 16384, 2**53 + 1, -1])
TEXTS = st.text(max_size=8) | st.sampled_from(["", "x" * 127, "ä" * 64, "x" * 4095, "y" * 4096, "a\0b"])
PLAIN: dict[TargetType, st.SearchStrategy[SqlValue]] = {
    TargetType.INT64: INTEGERS, TargetType.FLOAT64: st.floats(allow_nan=False),
    TargetType.BOOL: st.sampled_from([0, 1]), TargetType.STRING: TEXTS, TargetType.BYTES: st.binary(max_size=8),
    TargetType.NUMERIC: st.integers(-(10**9), 10**9),
    TargetType.BIGNUMERIC: st.integers(-(10**9), 10**9), TargetType.DATE: st.dates().map(str),
    TargetType.DATETIME: st.datetimes().map(str), TargetType.TIME: st.times().map(str), TargetType.JSON: st.just("[1]"),
    TargetType.TIMESTAMP: st.integers(-(10**10), 10**10) | st.sampled_from([-62_135_596_800, 253_402_300_799]),
}
ODD = st.sampled_from([0, 1, 2, 2.0, 0.5, -0.0, math.inf, "", "5", "a\0", "\udcff", b"", b"\xff", 2**62, "{"])
FORMATS = st.sampled_from(list(TimestampFormat))
KEYS = st.sampled_from([TargetType.INT64, TargetType.STRING, TargetType.BYTES, TargetType.TIMESTAMP])
COMPANY: st.SearchStrategy[list[st.SearchStrategy[SqlValue]]] = st.sampled_from(
    [[], [], [st.none()], [ODD], [st.none(), ODD]])
"""What else a column holds."""


@st.composite
def pages(draw: st.DrawFn) -> tuple[TableSpec, list[tuple[SqlValue, ...]]]:
    """A table of any columns, its key first, and rows of it: each cell one of a few of its column, which mostly fit."""
    kinds = draw(st.lists(st.sampled_from(list(TargetType)), max_size=5))
    kinds.insert(0, draw(KEYS))
    numbers = draw(st.lists(FIELD_NUMBERS, min_size=len(kinds), max_size=len(kinds), unique=True))
    spec = table(*(
        column(f"c{index}", kind, field_number=number, required=draw(st.booleans()),
               zero_for_null=index > 0 and draw(st.booleans()),
               timestamp_format=draw(FORMATS) if kind is TargetType.TIMESTAMP else None)
        for index, (kind, number) in enumerate(zip(kinds, numbers, strict=True))))
    cells = [draw(st.lists(st.one_of([PLAIN[kind], *draw(COMPANY)]), min_size=1, max_size=6)) for kind in kinds]
    rng = Random(draw(st.integers(0, 1000)))
    return spec, [tuple(rng.choice(few) for few in cells) for _ in range(rng.choice([1, 5, 17, 40]))]


@MODEST
@given(pages())
def test_a_page_becomes_what_its_rows_become(page: tuple[TableSpec, list[tuple[SqlValue, ...]]]) -> None:
    spec, rows = page
    encoder = RowEncoder(spec)
    expected = [encoder.encode(row) for row in rows]
    assert encoder.encode_page(rows, encoder.target_keys(rows)) == expected
    # By columns alone, however few they are.
    fitting = [row for row, result in zip(rows, expected, strict=True) if isinstance(result, EncodedRow)]
    if fitting:
        found = by_columns(spec, fitting)
        assert found == [result for result in expected if isinstance(result, EncodedRow)]
        staged = [encoder.stage_upsert(row, 2**40 + at) for at, row in enumerate(found)]
        assert encoder.stage_upserts(found, 2**40) == staged
    for row in [row for row, result in zip(rows, expected, strict=True) if isinstance(result, RejectedRow)][:1]:
        with pytest.raises((Rejected, ValueError)):
            by_columns(spec, [*fitting, row])


def by_columns(spec: TableSpec, rows: Sequence[Sequence[SqlValue]]) -> list[EncodedRow]:
    pages = PageEncoder(spec, UTC, max_row_bytes=MAX_ROW_BYTES, partition_of=None)
    return pages.encode(rows, RowEncoder(spec).target_keys(rows))


@MODEST
@given(st.lists(INTEGERS, max_size=50))
def test_numbers_become_the_varints_of_their_64_bits(numbers: list[int]) -> None:
    assert varints(numbers) == [varint(number % 2**64) for number in numbers]


def test_the_lengths_of_texts_are_kept_once_and_not_for_each_field() -> None:
    list(joined_rows(bytes_fields(1, [b"x"])))
    tracemalloc.start()
    for number in range(1000, 1100):
        assert list(joined_rows(bytes_fields(number, [b"xy"]))) == [varint(number << 3 | 2) + b"\x02xy"]
    kept_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept_bytes < 100_000


def test_one_row_that_can_not_be_delivered_leaves_the_others_of_its_page_alone() -> None:
    encoder = RowEncoder(table(column("id", TargetType.INT64), column("n", TargetType.INT64)))
    rows: list[tuple[SqlValue, ...]] = [(number, number) for number in range(1000)]
    rows[17], rows[990] = (17, "text"), (990, None)
    results = encoder.encode_page(rows, encoder.target_keys(rows))
    assert [at for at, result in enumerate(results) if isinstance(result, RejectedRow)] == [17]
    assert results == [encoder.encode(row) for row in rows]


def test_a_row_that_is_too_large_is_told_from_the_others_of_its_page() -> None:
    encoder = RowEncoder(table(column("id", TargetType.INT64), column("text")))
    rows = [(number, "x" * (MAX_ROW_BYTES if number == 30 else number)) for number in range(40)]
    results = encoder.encode_page(rows, encoder.target_keys(rows))
    assert [result.reason for result in results if isinstance(result, RejectedRow)] == [Reason.ROW_TOO_LARGE]
    assert results[30] == encoder.encode(rows[30])


def test_a_page_tells_partitions_and_source_keys_as_its_rows_do() -> None:
    spec = replace(
        table(column("id"), column("at", TargetType.TIMESTAMP, timestamp_format=TimestampFormat.UNIX_SECONDS)),
        partitioning=Partitioning(column="at", column_type=TargetType.TIMESTAMP, unit=PartitionUnit.DAY))
    encoder = RowEncoder(spec)
    rows: list[tuple[SqlValue, ...]] = [
        (number if number % 2 else f"{number}", None if number % 5 == 0 else number * 50_000) for number in range(60)]
    results = encoder.encode_page(rows, encoder.target_keys(rows))
    assert results == [encoder.encode(row) for row in rows]
    assert {bool(result.source_key) for result in results if isinstance(result, EncodedRow)} == {False, True}
    assert len({result.partition for result in results if isinstance(result, EncodedRow)}) > 10


def test_a_wide_page_takes_little_more_memory_than_its_rows() -> None:
    encoder = RowEncoder(table(column("id", TargetType.INT64), *(column(f"c{at}", TargetType.INT64)
                                                                  for at in range(999))))
    rows = [(number, *range(999)) for number in range(1200)]
    keys = encoder.target_keys(rows)
    tracemalloc.start()
    results = encoder.encode_page(rows, keys)
    kept_bytes, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(results) == len(rows)
    assert peak_bytes < kept_bytes + 20_000_000, (kept_bytes, peak_bytes)


def test_a_wide_page_reads_back_as_its_wire_values() -> None:
    rng = Random(7)
    spec = table(column("id", TargetType.INT64), *(column(f"c{at}", TargetType.INT64) for at in range(300)))
    encoder = RowEncoder(spec)
    rows: list[tuple[SqlValue, ...]] = [
        (number, *(None if rng.random() < 0.5 else rng.randrange(-(2**63), 2**63) for _ in range(300)))
        for number in range(40)]
    for row, result in zip(rows, encoder.encode_page(rows, encoder.target_keys(rows)), strict=True):
        assert isinstance(result, EncodedRow)
        values = {one.source_name: cell for one, cell in zip(spec.columns, row, strict=True) if cell is not None}
        assert parsed(encoder, result.row) == values

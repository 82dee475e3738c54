from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.cloud.bigquery_storage_v1.types import ProtoRows
from hypothesis import given
from hypothesis import strategies as st

from bqsync.encode.batches import framed_size, split

if TYPE_CHECKING:
    from collections.abc import Iterator


@given(st.lists(st.binary(max_size=300)), st.integers(1, 20), st.integers(305, 2000))
def test_groups_hold_all_rows_in_order_within_both_bounds(rows: list[bytes], max_rows: int, max_bytes: int) -> None:
    groups = list(split(rows, max_rows, max_bytes))
    assert [row for group in groups for row in group] == rows
    for group, following in zip(groups, [*groups[1:], None], strict=False):
        size = len(ProtoRows.serialize(ProtoRows(serialized_rows=group)))
        assert 1 <= len(group) <= max_rows
        assert size <= max_bytes
        if following is not None:
            assert len(group) == max_rows or size + framed_size(following[0]) > max_bytes, "no group ends early"


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16383, 16384, 2_097_151, 2_097_152])
def test_a_row_counts_as_it_stands_in_the_request(size: int) -> None:
    row = b"x" * size
    assert framed_size(row) == len(ProtoRows.serialize(ProtoRows(serialized_rows=[row])))


def test_a_row_larger_than_the_bound_travels_alone() -> None:
    assert list(split([b"ab", b"x" * 98], 10, 100)) == [[b"ab"], [b"x" * 98]]
    assert list(split([b"ab", b"x" * 200, b"cd", b"ef"], 10, 100)) == [[b"ab"], [b"x" * 200], [b"cd", b"ef"]]


@pytest.mark.parametrize(("max_rows", "max_bytes"), [(0, 1), (1, 0), (-1, 5)])
def test_bounds_must_be_positive(max_rows: int, max_bytes: int) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        list(split([], max_rows, max_bytes))


def test_rows_are_read_one_group_at_a_time() -> None:
    def rows() -> Iterator[bytes]:
        for number in range(100):
            read.append(number)
            yield b"x"

    read: list[int] = []
    groups = split(rows(), 10, 1000)
    next(groups)
    assert len(read) == 11

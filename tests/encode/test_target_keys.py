"""The key that is read without encoding the row is the very key that the row is delivered under."""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.encode.specs import column, table
from tests.properties import MODEST

from bqsync.encode.rejection import Rejected
from bqsync.encode.rows import RowEncoder
from bqsync.encode.target_keys import check_key, target_key_reader
from bqsync.model import EncodedRow, Reason, RejectedRow, SqlValue, TargetType, TimestampFormat

KEY_TYPES = sorted(set(TargetType) - {TargetType.JSON})
CELLS: st.SearchStrategy[SqlValue] = (
    st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 2) | st.floats(allow_nan=False)
    | st.text(max_size=4) | st.binary(max_size=4) | st.binary(max_size=4).map(
        lambda raw: raw.decode("utf-8", "surrogateescape"))
    | st.sampled_from(["12.50", "2024-05-06", "2024-05-06T07:08:09Z", "2024-05-06 07:08:09", "07:08:09", "1e3", "a\0b",
                       -0.0, 0.0, 1.0, 2.5, 1_700_000_000, 1e300, float("inf")])
)


@st.composite
def tables_and_rows(draw: st.DrawFn) -> tuple[RowEncoder, list[list[SqlValue]]]:
    kinds = draw(st.lists(st.sampled_from(KEY_TYPES), min_size=1, max_size=3))
    keys = [column(f"k{index}", kind, timestamp_format=draw(st.sampled_from(TimestampFormat)))
            if kind is TargetType.TIMESTAMP else column(f"k{index}", kind) for index, kind in enumerate(kinds)]
    others = [column("x", draw(st.sampled_from(KEY_TYPES[:4])))]
    columns = draw(st.permutations([*keys, *others]))
    spec = table(*columns, key=[one.source_name for one in keys])
    rows = draw(st.lists(st.lists(CELLS, min_size=len(columns), max_size=len(columns)), max_size=6))
    return RowEncoder(spec, draw(st.sampled_from([UTC, ZoneInfo("Europe/Berlin")]))), rows


@MODEST
@given(tables_and_rows())
@example((RowEncoder(table(column("id", TargetType.FLOAT64))), [[-0.0], [0.0]]))
@example((RowEncoder(table(column("a"), column("b", TargetType.BYTES), key=["b", "a"])), [["\0", b"\0"], ["a", b""]]))
def test_a_key_is_that_of_the_encoded_row(case: tuple[RowEncoder, list[list[SqlValue]]]) -> None:
    encoder, rows = case
    keys = encoder.target_keys(rows)
    assert len(keys) == len(rows)
    for key, result in zip(keys, map(encoder.encode, rows), strict=True):
        if isinstance(result, EncodedRow):
            assert key == result.key
        elif result.key is not None:
            assert key == result.key, "another cell is to blame: the row is told by its key all the same"
        elif key is not None:
            assert result.reason is Reason.INVALID_TEXT, "no row is delivered under it, so that the ledger lacks it"


@pytest.mark.parametrize(("value", "deliverable"), [
    (1, True), (None, False), ("1", False), (b"1", False), (1.5, False), (2**63 - 1, True),
])
@pytest.mark.parametrize("composite", [False, True])
def test_only_a_key_that_can_not_be_delivered_is_none(value: SqlValue, *, deliverable: bool, composite: bool) -> None:
    columns = [column("id", TargetType.INT64), column("x", TargetType.INT64)]
    read = target_key_reader(table(*columns, key=["id", "x"] if composite else ["id"]))
    assert [key is not None for key in read([[value, 5]])] == [deliverable]


def test_a_cell_that_can_not_be_delivered_does_not_take_the_key_away() -> None:
    encoder = RowEncoder(table(column("id", TargetType.INT64), column("x", TargetType.INT64)))
    row: list[SqlValue] = [7, "no number"]
    assert isinstance(encoder.encode(row), RejectedRow)
    assert encoder.target_keys([row, [8, 1]])[0] == encoder.target_keys([[7, 1]])[0] is not None


def test_a_text_with_a_nul_is_no_key_whole_or_in_part() -> None:
    for key in (["a"], ["b", "a"]):
        read = target_key_reader(table(column("a"), column("b"), key=key))
        assert [one is None for one in read([["x\0", "y"], ["x", "y"]])] == [True, False]


def test_a_page_without_rows_has_no_keys() -> None:
    assert target_key_reader(table(column("id")))([]) == []


@pytest.mark.parametrize(("values", "reason"), [
    ((1, None), Reason.NULL_KEY), (("a\0", 1), Reason.INVALID_TEXT), ((None, "\0"), Reason.NULL_KEY),
])
def test_a_key_that_no_equality_finds_is_refused(values: tuple[SqlValue, ...], reason: Reason) -> None:
    with pytest.raises(Rejected) as caught:
        check_key(values)
    assert caught.value.reason is reason
    check_key((1, "a", b"\0", 0.0, False))

"""Ids of rows without a key: equal for one row in every walk, different for any two, and the same for all time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.properties import MODEST

from bqsync.encode.row_ids import columns_of, contents_of, digests, row_ids, signature
from bqsync.model import Affinity, SourceColumn, SqlValue

VALUES = st.none() | st.integers(-2, 2) | st.sampled_from([0.5, 1.0, "", "1", "a", b"", b"a"])
ROWS = st.lists(st.tuples(VALUES, VALUES), max_size=30)


class Counts:
    """As the state's own tally, in memory."""

    def __init__(self) -> None:
        self.met: Counter[bytes] = Counter()

    def add(self, counts: Mapping[bytes, int]) -> dict[bytes, int]:
        before = {digest: self.met[digest] for digest in counts if digest in self.met}
        self.met.update(counts)
        return before


def ids_of(rows: list[tuple[SqlValue, ...]], page_rows: int) -> list[bytes]:
    counts = Counts()
    pages = [rows[start : start + page_rows] for start in range(0, len(rows), page_rows)]
    return [row_id for page in pages for row_id in row_ids(digests(page, 2), counts.add)]


@MODEST
@given(ROWS, st.integers(1, 7), st.integers(1, 7))
def test_ids_do_not_depend_on_where_pages_end(rows: list[tuple[SqlValue, ...]], one: int, other: int) -> None:
    assert ids_of(rows, one) == ids_of(rows, other)


@MODEST
@given(ROWS)
def test_every_row_has_an_id_of_its_own(rows: list[tuple[SqlValue, ...]]) -> None:
    ids = ids_of(rows, 3)
    assert len(set(ids)) == len(rows)


@MODEST
@given(ROWS, st.randoms())
def test_the_ids_of_a_table_do_not_depend_on_its_order(rows: list[tuple[SqlValue, ...]], random: Random) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert sorted(ids_of(rows, 3)) == sorted(ids_of(shuffled, 3))


def test_more_than_a_byte_of_likes() -> None:
    ids = ids_of([("a", None)] * 700, 100)
    assert len(set(ids)) == 700
    assert [len(row_id) for row_id in (ids[0], ids[1], ids[254], ids[255], ids[699])] == [16, 17, 17, 18, 18]


def test_ids_are_those_of_every_release() -> None:
    """They stand in targets: with another form, every row would be taken for a new one."""
    rows: list[tuple[SqlValue, ...]] = [(1, "a"), (1, "a"), (1.0, "a"), (None, b"\0"), ("ä\udcff", 0.5)]
    assert [row_id.hex() for row_id in ids_of(rows, 10)] == EVERY_RELEASE


EVERY_RELEASE = [
    "35d2591f43e68e968567f102b4123492",
    "35d2591f43e68e968567f102b412349202",
    "a0b1cd4f80babba19056704f6f904328",
    "2afdc60c90160f9c7b4eb65ba2829d30",
    "13a6ea4e74752855daba1c6cc59565d6",
]


def column(name: str, affinity: Affinity = Affinity.TEXT) -> SourceColumn:
    return SourceColumn(name=name, declared_type="", affinity=affinity, not_null=False)


def test_a_column_that_comes_is_no_part_of_what_was_signed() -> None:
    before = contents_of([column("a"), column("b")])
    signed = signature(before)
    assert columns_of(signed, before) == 2
    assert columns_of(signed, contents_of([column("A"), column("b"), column("c")])) == 2


@pytest.mark.parametrize("now", [
    [column("a")], [column("a"), column("c")], [column("b"), column("a")], [],
    [column("a"), column("b", Affinity.INTEGER), column("c")],
])
def test_another_column_is_noticed(now: list[SourceColumn]) -> None:
    assert columns_of(signature(contents_of([column("a"), column("b")])), contents_of(now)) is None


@pytest.mark.parametrize("text", ["", "-", "2", "x-1", "2-00", "-1-00", "99999999999999999999-00", "٢-00"])
def test_what_somebody_else_wrote_into_the_label_is_no_signature(text: str) -> None:
    assert columns_of(text, contents_of([column("a"), column("b")])) is None


def test_a_signature_is_made_of_what_a_label_takes() -> None:
    assert len(signature(["ä\udcff TEXT"] * 2_000)) <= 63
    assert signature(["a TEXT"]).replace("-", "").isalnum()

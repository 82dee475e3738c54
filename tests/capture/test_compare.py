"""Rows that the ledger has as they are need no encoding, and marks are a set of one bit each."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.properties import MODEST

from bqsync.capture.compare import Marks, unknown_rows
from bqsync.model import RawEntry

SALT = 0x5A5A


def entry(key: bytes, source_print: int | None, slot: int = 0, *, salt: int = SALT) -> RawEntry:
    return (key, 1, slot, None if source_print is None else source_print ^ salt, None)


@MODEST
@given(st.lists(st.integers(0, 200) | st.integers(0, 100_000)), st.lists(st.integers(0, 100_100)),
       st.integers(0, 100_000))
def test_marks_are_a_set_of_slots_that_counts_the_old_ones(
    slots: list[int], asked: list[int], first_new_slot: int,
) -> None:
    marks, model = Marks(first_new_slot), set[int]()
    for slot in slots:
        assert marks.add(slot) == (slot not in model)
        model.add(slot)
        assert len(marks) == sum(one < first_new_slot for one in model)
    assert [slot in marks for slot in asked + slots] == [slot in model for slot in asked + slots]


@MODEST
@given(st.lists(st.lists(st.integers(0, 60)) | st.builds(lambda first, count: list(range(first, first + count)),
                                                          st.integers(0, 60), st.integers(0, 60))),
       st.integers(0, 100))
def test_many_marks_at_once_are_as_many_single_ones(portions: list[list[int]], first_new_slot: int) -> None:
    marks, model = Marks(first_new_slot), Marks(first_new_slot)
    for slots in portions:
        assert marks.mark(slots) == [place for place, slot in enumerate(slots) if not model.add(slot)]
        assert len(marks) == len(model)
        assert [slot in marks for slot in range(130)] == [slot in model for slot in range(130)]


def test_marks_take_a_bit_or_two_for_a_slot() -> None:
    marks = Marks(100_000)
    marks.mark(range(100_000))
    assert len(marks) == 100_000
    assert len(marks._bits) <= 100_000 / 8 * 2


def test_a_row_that_the_ledger_lacks_is_looked_at() -> None:
    assert unknown_rows([b"a", None], [1, 2], SALT, {}, None) == [0, 1]


def test_a_row_that_the_ledger_has_as_it_is_needs_no_look_and_is_marked() -> None:
    seen = Marks(9)
    assert unknown_rows([b"a"], [5], SALT, {b"a": entry(b"a", 5, 3)}, seen) == []
    assert 3 in seen
    assert unknown_rows([b"a"], [5], SALT, {b"a": entry(b"a", 5, 3)}, None) == []


def test_a_row_that_is_another_one_by_now_is_looked_at_and_left_unmarked() -> None:
    seen = Marks(9)
    for known in (entry(b"a", 4, 3), entry(b"a", None, 3), entry(b"a", 5, 3, salt=SALT + 1)):
        assert unknown_rows([b"a"], [5], SALT, {b"a": known}, seen) == [0]
        assert 3 not in seen, "whoever encodes it marks it: a row that moved over a page bound is met twice"


def test_a_print_of_zero_is_one() -> None:
    assert unknown_rows([b"a"], [0], 0, {b"a": entry(b"a", None, salt=0)}, None) == [0]
    assert unknown_rows([b"a"], [0], 0, {b"a": entry(b"a", 0, salt=0)}, None) == []


def test_a_second_row_under_the_same_key_is_looked_at() -> None:
    known: dict[bytes | None, RawEntry] = {b"a": entry(b"a", 5, 3)}
    seen = Marks(9)
    assert unknown_rows([b"a", b"a"], [5, 5], SALT, known, seen) == [1]
    assert unknown_rows([b"a"], [5], SALT, known, seen) == [0], "over pages as well"


@MODEST
@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c", None]), st.integers(0, 2))),
       st.dictionaries(st.sampled_from([b"a", b"b", b"d"]), st.none() | st.integers(0, 2)), st.integers(1, 5))
def test_whatever_the_pages_a_row_is_passed_over_once_and_only_as_it_is_known(
    rows: list[tuple[bytes | None, int]], ledger: dict[bytes, int | None], page: int,
) -> None:
    known: dict[bytes | None, RawEntry] = {
        key: entry(key, source_print, slot) for slot, (key, source_print) in enumerate(ledger.items())
    }
    seen = Marks(len(ledger))
    passed: list[bytes | None] = []
    for start in range(0, len(rows), page):
        portion = rows[start : start + page]
        places = unknown_rows([key for key, _ in portion], [one for _, one in portion], SALT, known, seen)
        passed += [key for place, (key, _) in enumerate(portion) if place not in places]
    met = {key for key, source_print in rows if key is not None and ledger.get(key, -1) == source_print}
    assert sorted(map(str, passed)) == sorted(map(str, met))
    assert len(seen) == len(met)

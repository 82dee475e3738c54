"""Rows whose bytes the ledger has are not sent again, rows that share a key are told, and marks are a set."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.properties import MODEST

from bqsync.capture.compare import Marks, compare
from bqsync.model import EncodedRow, LedgerEntry


def row(key: bytes, fingerprint: int = 0) -> EncodedRow:
    return EncodedRow(key, b"bytes", fingerprint)


@MODEST
@given(st.lists(st.integers(0, 200) | st.integers(0, 100_000)), st.lists(st.integers(0, 100_100)))
def test_marks_are_a_set_of_slots(slots: list[int], asked: list[int]) -> None:
    marks, model = Marks(), set[int]()
    for slot in slots:
        marks.add(slot)
        model.add(slot)
        assert len(marks) == len(model)
    assert [slot in marks for slot in asked + slots] == [slot in model for slot in asked + slots]


def test_marks_take_a_bit_or_two_for_a_slot() -> None:
    marks = Marks()
    for slot in range(100_000):
        marks.add(slot)
    assert len(marks._bits) <= 100_000 / 8 * 2


def test_a_row_that_the_ledger_lacks_is_sent() -> None:
    fresh: set[bytes] = set()
    result = compare([row(b"a"), row(b"b")], {}, Marks(), fresh)
    assert (result.changed, result.collided, result.unchanged_rows) == ([row(b"a"), row(b"b")], [], 0)
    assert fresh == {b"a", b"b"}


def test_a_row_that_the_ledger_has_is_not_sent_and_marked() -> None:
    seen, fresh = Marks(), set[bytes]()
    result = compare([row(b"a", 5)], {b"a": LedgerEntry(5, 3)}, seen, fresh)
    assert (result.changed, result.collided, result.unchanged_rows) == ([], [], 1)
    assert 3 in seen
    assert not fresh


def test_a_row_with_another_fingerprint_is_sent_and_marked() -> None:
    seen = Marks()
    for known in (4, None):
        result = compare([row(b"a", 5)], {b"a": LedgerEntry(known, 3)}, seen := Marks(), set())
        assert (result.changed, result.collided, result.unchanged_rows) == ([row(b"a", 5)], [], 0)
        assert 3 in seen


def test_a_fingerprint_of_zero_is_one() -> None:
    assert compare([row(b"a", 0)], {b"a": LedgerEntry(None, 0)}, Marks(), set()).changed == [row(b"a", 0)]
    assert compare([row(b"a", 0)], {b"a": LedgerEntry(0, 0)}, Marks(), set()).unchanged_rows == 1


def test_two_rows_of_one_key_collide_within_a_page_and_over_pages() -> None:
    """Whether the ledger has the key or not, and whether their bytes are equal or not."""
    known = {b"old": LedgerEntry(1, 0)}
    seen, fresh = Marks(), set[bytes]()
    first = compare([row(b"old", 1), row(b"old", 2), row(b"new", 1), row(b"new", 1)], known, seen, fresh)
    assert (first.unchanged_rows, first.changed) == (1, [row(b"new", 1)])
    assert first.collided == [row(b"old", 2), row(b"new", 1)]
    second = compare([row(b"old", 1), row(b"new", 3)], known, seen, fresh)
    assert (second.unchanged_rows, second.changed, second.collided) == (0, [], [row(b"old", 1), row(b"new", 3)])


@MODEST
@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c", b"d"]), st.integers(0, 2))),
       st.dictionaries(st.sampled_from([b"a", b"b", b"c"]), st.none() | st.integers(0, 2)), st.integers(1, 5))
def test_every_row_has_one_verdict_whatever_the_pages(
    rows: list[tuple[bytes, int]], ledger: dict[bytes, int | None], page: int,
) -> None:
    known = {key: LedgerEntry(fingerprint, slot) for slot, (key, fingerprint) in enumerate(ledger.items())}
    encoded = [row(key, fingerprint) for key, fingerprint in rows]
    seen, fresh = Marks(), set[bytes]()
    changed: list[EncodedRow] = []
    collided: list[EncodedRow] = []
    unchanged = 0
    for start in range(0, len(encoded), page):
        result = compare(encoded[start : start + page], known, seen, fresh)
        changed += result.changed
        collided += result.collided
        unchanged += result.unchanged_rows
    first = {one.key: one for one in reversed(encoded)}
    assert {one.key for one in changed} == {key for key, one in first.items() if ledger.get(key) != one.fingerprint}
    assert unchanged + len(changed) == len(first)
    assert len(changed) + len(collided) + unchanged == len(encoded)
    assert len(seen) == len(first.keys() & ledger.keys())
    assert fresh == first.keys() - ledger.keys()

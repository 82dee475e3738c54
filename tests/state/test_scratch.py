"""Two sides of a comparison, crossed off against each other on disk."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from tests.properties import COSTLY

from bqsync.state.scratch import DigestCounts, Scratch

if TYPE_CHECKING:
    from pathlib import Path

KEYS = st.binary(min_size=1, max_size=2)


@COSTLY
@given(st.dictionaries(KEYS, st.none() | st.integers(-(2**63), 2**63 - 1)), st.lists(st.lists(KEYS, unique=True)))
def test_what_was_met_is_crossed_off(tmp_path: Path, rows: dict[bytes, int | None], pages: list[list[bytes]]) -> None:
    with Scratch(tmp_path) as scratch:
        scratch.add((key, fingerprint, key * 2) for key, fingerprint in rows.items())
        met: set[bytes] = set()
        for page in pages:
            found = scratch.meet(page)
            assert found == {key: (rows[key], key * 2, key in met) for key in page if key in rows}
            met.update(page)
        left = sorted(key for key, fingerprint in rows.items() if key not in met and fingerprint is not None)
        assert list(scratch.unmet()) == [(key, key * 2, rows[key]) for key in left]


def test_the_first_row_of_a_key_stays(tmp_path: Path) -> None:
    with Scratch(tmp_path) as scratch:
        scratch.add([(b"a", 1, None), (b"a", 2, b"x")])
        scratch.add([(b"a", 3, None)])
        assert scratch.meet([b"a"]) == {b"a": (1, None, False)}
        assert scratch.meet([b"a"]) == {b"a": (1, None, True)}


def test_more_rows_than_one_statement_takes_are_met(tmp_path: Path) -> None:
    keys = [f"{number:05}".encode() for number in range(12_000)]
    with Scratch(tmp_path) as scratch:
        scratch.add((key, 1, None) for key in keys)
        assert len(scratch.meet(keys[:1501])) == 1501
        assert [key for key, _, _ in scratch.unmet()] == keys[1501:]


def test_a_row_without_a_fingerprint_is_never_missing(tmp_path: Path) -> None:
    with Scratch(tmp_path) as scratch:
        scratch.add([(b"a", None, None), (b"b", 0, None)])
        assert list(scratch.unmet()) == [(b"b", None, 0)]


def test_its_file_has_no_name_that_a_kill_could_leave_behind(tmp_path: Path) -> None:
    with Scratch(tmp_path) as scratch:
        scratch.add([(b"a", 1, None)])
        assert list(tmp_path.iterdir()) == []
        assert scratch.meet([b"a"]) == {b"a": (1, None, False)}


@COSTLY
@given(st.lists(st.lists(KEYS)))
def test_it_tells_how_often_each_was_met_before(tmp_path: Path, pages: list[list[bytes]]) -> None:
    met: Counter[bytes] = Counter()
    with DigestCounts(tmp_path) as counted:
        for page in pages:
            assert counted.add(Counter(page)) == {key: met[key] for key in page if met[key]}
            met.update(page)


def test_counts_take_more_than_sqlite_takes_at_once(tmp_path: Path) -> None:
    counts = {str(number).encode(): number for number in range(1, 3_000)}
    with DigestCounts(tmp_path) as counted:
        assert counted.add(counts) == {}
        assert counted.add(counts) == counts

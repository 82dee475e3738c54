"""The print of a source row is that of its cells and their types, and of nothing else."""

from __future__ import annotations

import marshal
import sys
from contextlib import closing
from itertools import combinations
from typing import TYPE_CHECKING

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st
from tests.capture.files import application
from tests.capture.test_pages import MIXED, identity
from tests.capture.test_ranges import TABLES, make, numbers, reader
from tests.properties import COSTLY

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from bqsync.capture.pages import Page
    from bqsync.model import SqlValue


def prints(pages: Iterable[Page]) -> dict[str, int]:
    """By row."""
    return {repr(row): one for page in pages for row, one in zip(page.rows, page.prints, strict=True)}


@COSTLY
@given(st.lists(st.tuples(MIXED, st.none() | MIXED), max_size=12, unique_by=lambda row: repr(row[0])),
       st.integers(1, 5))
def test_equal_rows_have_equal_prints_over_pages_ranges_and_readers(
    tmp_path: Path, cells: list[tuple[SqlValue, SqlValue]], page_rows: int,
) -> None:
    path = tmp_path / "app.db"
    at_once = make(path, "(k, ts, x); CREATE INDEX at ON t (ts)", [(key, 1, x) for key, x in cells])
    expected = prints(at_once.pages())
    again = reader(path, page_rows=page_rows)
    assert prints(again.pages()) == prints(again.pages()) == expected
    for indexed in (False, True):
        assert prints(again.range_pages(numbers(1, indexed=indexed))) == expected
    assert all(-(2**63) <= one < 2**63 for one in expected.values())


ALIKE: list[SqlValue] = [
    None, 0, 0.0, "", b"", 1, 1.0, "1", b"1", "1.0", 2**53, float(2**53), "a", "A", "a\0", "a\0b", b"a", " a", "\udcff",
    b"\xff", "ÿ", "é", "e\u0301", -1, 4294967295, -(2**63), 2**63 - 1, float("inf"),
]


def test_values_that_compare_as_equal_and_are_not_the_same_have_different_prints(tmp_path: Path) -> None:
    found: dict[int, SqlValue] = {}
    for value in ALIKE:
        table = make(tmp_path / "app.db", "(k INTEGER PRIMARY KEY, ts, x)", [(7, 1, value)])
        (page,) = table.pages()
        assert identity(page.rows[0]) == identity((7, 1, value))
        assert found.setdefault(page.prints[0], value) is value, (value, found[page.prints[0]])
    assert len(found) == len(ALIKE)


@pytest.mark.parametrize(("one", "other"), list(combinations(["xy|", "x|y", "|xy", "||", "|||"], 2)))
def test_cells_do_not_run_into_each_other(tmp_path: Path, one: str, other: str) -> None:
    made = []
    for text in (one, other):
        parts = [*text.split("|"), "", ""][:2]
        (page,) = make(tmp_path / "app.db", TABLES["rowid"], [(1, *parts)]).pages()
        made.append((page.rows[0], page.prints[0]))
    assert (made[0][0] == made[1][0]) == (made[0][1] == made[1][1])


def test_a_text_that_is_repeated_or_known_to_python_has_the_print_of_any_other(tmp_path: Path) -> None:
    """Python writes an object that it met before as a reference, and interned ones otherwise, unless told not to."""
    word = sys.intern("interned")
    table = make(tmp_path / "app.db", "(k TEXT PRIMARY KEY, ts, x)", [(word, 1, word), ("a" * 300, 1, "a" * 300)])
    (page,) = table.pages()
    unlike = [tuple("".join(list(cell)) if isinstance(cell, str) else cell for cell in row) for row in page.rows]
    assert [one[0] is not one[2] for one in unlike] == [True, True]
    alike = [(row[0], row[1], row[0]) for row in page.rows]
    assert unlike == alike == page.rows
    for rows in (unlike, alike):
        assert [xxhash.xxh3_64_intdigest(marshal.dumps(row, 2)) - 2**63 for row in rows] == page.prints


@pytest.mark.parametrize("kind", ["text key", "two names of the rowid are columns", "a key that an index keeps"])
def test_a_rowid_that_changes_changes_no_print(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "app.db"
    table = make(path, TABLES[kind], [(f"k{number}", 1, "x") for number in range(20)], page_rows=3)
    with closing(application(path)) as writer:
        before = prints(table.range_pages(numbers()))
        name = "_rowid_" if kind.startswith("two") else "rowid"
        writer.execute(f"UPDATE t SET {name} = 1000 - {name}")  # VACUUM is free to do as much
    assert prints(table.range_pages(numbers())) == before == prints(table.pages())


def test_a_change_of_any_cell_changes_the_print(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    table = make(path, TABLES["rowid"], [(1, 1, "x"), (2, 2, "y")])
    before = prints(table.pages())
    with closing(application(path)) as writer:
        writer.execute("UPDATE t SET x = 'z' WHERE k = 2")
    after = prints(table.pages())
    assert len({*before.values(), *after.values()}) == 3
    assert before["(1, 1, 'x')"] == after["(1, 1, 'x')"]

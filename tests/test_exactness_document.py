"""The page about exactness leaves no rule, no break and no fault of a watermark out."""

from __future__ import annotations

import re

import pytest

from tests.named_tests import NAMED_TEST, page_text

PAGE = page_text("exactness.md")
FAULTS, BREAKS = 32, 14


def section(heading: str) -> str:
    """The text below a heading, up to the next one."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, heading
    return found[1]


def rows(text: str) -> list[list[str]]:
    """The cells of every row of the tables in a text, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[1:]]


def test_every_fault_of_a_watermark_has_its_row_and_its_test() -> None:
    faults = rows(section("Faults of a timestamp watermark"))
    assert [row[0] for row in faults] == [str(number) for number in range(1, FAULTS + 1)]
    assert [row[0] for row in faults if NAMED_TEST.search(row[-1]) is None] == []


@pytest.mark.parametrize("heading", ["Rules", "Broken on purpose"])
def test_every_rule_and_every_break_has_its_test(heading: str) -> None:
    found = rows(section(heading))
    assert len(found) >= BREAKS
    assert [row[0] for row in found if NAMED_TEST.search(row[-1]) is None] == []

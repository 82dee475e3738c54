"""The page about exactness names tests that exist, and leaves no fault of a watermark out."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "exactness.md").read_text(encoding="utf-8")
NAME = re.compile(r"`(?P<file>tests/[\w/]+\.py)::(?P<test>\w+)(?:\[[^\]`]*\])?`")
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


def names_of_tests(file: str) -> set[str]:
    """The names of all test functions of a module."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@pytest.mark.parametrize("file", sorted({match["file"] for match in NAME.finditer(PAGE)}))
def test_every_test_that_the_page_names_exists(file: str) -> None:
    named = {match["test"] for match in NAME.finditer(PAGE) if match["file"] == file}
    assert named <= names_of_tests(file)


def test_every_test_is_named_in_full() -> None:
    assert PAGE.count("::") == len(NAME.findall(PAGE))


def test_every_fault_of_a_watermark_has_its_row_and_its_test() -> None:
    faults = rows(section("Faults of a timestamp watermark"))
    assert [row[0] for row in faults] == [str(number) for number in range(1, FAULTS + 1)]
    assert [row[0] for row in faults if NAME.search(row[-1]) is None] == []


@pytest.mark.parametrize("heading", ["Rules", "Broken on purpose"])
def test_every_rule_and_every_break_has_its_test(heading: str) -> None:
    found = rows(section(heading))
    assert len(found) >= BREAKS
    assert [row[0] for row in found if NAME.search(row[-1]) is None] == []

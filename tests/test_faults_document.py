"""The page about faults leaves none out, and names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
NAME = re.compile(r"`(?P<file>tests/[\w/]+\.py)::(?P<test>\w+)`")
ROW = re.compile(r"^\| (?P<number>\d+) \|(?P<cells>.*)\|$", re.MULTILINE)
FAULTS = 82


def test_every_fault_has_one_row_with_its_test() -> None:
    rows = list(ROW.finditer(PAGE))
    assert [int(row["number"]) for row in rows] == list(range(1, FAULTS + 1))
    assert [row["number"] for row in rows if len(NAME.findall(row["cells"].rpartition("|")[2])) != 1] == []
    assert PAGE.count("::") == FAULTS


@pytest.mark.parametrize("file", sorted({match["file"] for match in NAME.finditer(PAGE)}))
def test_every_test_that_the_page_names_exists(file: str) -> None:
    named = {match["test"] for match in NAME.finditer(PAGE) if match["file"] == file}
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert named <= {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}

"""The page about changes of schemas has a test for each, and names only tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "schema-changes.md").read_text(encoding="utf-8")
NAME = re.compile(r"`(?P<file>tests/[\w/]+\.py)::(?P<test>\w+)`")
ROW = re.compile(r"^\| (?P<change>[^|]+) \| [^|]+ \| [^|]+ \| (?P<test>[^|]+) \|$", re.MULTILINE)
CHANGES = {"The source": 25, "The message": 8, "The configuration": 9, "The target": 13}
"""How many there are at least, by section."""


@pytest.mark.parametrize("heading", CHANGES)
def test_every_change_has_its_test(heading: str) -> None:
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [row for row in ROW.finditer(section) if not row["change"].startswith(("change", "-"))]
    assert len(rows) >= CHANGES[heading]
    assert [row["change"] for row in rows if NAME.fullmatch(row["test"]) is None] == []
    assert len(rows) == section.count("::"), "a line that is no row"


@pytest.mark.parametrize("file", sorted({match["file"] for match in NAME.finditer(PAGE)}))
def test_every_test_that_the_page_names_exists(file: str) -> None:
    named = {match["test"] for match in NAME.finditer(PAGE) if match["file"] == file}
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert named <= {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("file", sorted(path.name for path in (ROOT / "tests" / "evolution").glob("test_*.py")))
def test_every_test_of_such_a_change_is_on_the_page(file: str) -> None:
    named = {match["test"] for match in NAME.finditer(PAGE) if match["file"] == f"tests/evolution/{file}"}
    tree = ast.parse((ROOT / "tests" / "evolution" / file).read_text(encoding="utf-8"))
    tests = {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}
    assert tests - named == set()

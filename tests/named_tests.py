"""The tests that pages of the documentation name, and those that there are."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAMED_TEST = re.compile(r"`(?P<file>tests/[\w/]+\.py)::(?P<test>\w+)(?:\[[^\]`]*\])?`")


def page_text(name: str) -> str:
    """A page of `docs/`."""
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def named_by(page: str, file: str) -> set[str]:
    """The tests of a module that the text of a page names."""
    return {match["test"] for match in NAMED_TEST.finditer(page) if match["file"] == file}


def defined_in(file: str) -> set[str]:
    """The names of all test functions of a module."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}

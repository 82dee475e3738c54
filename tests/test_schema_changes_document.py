"""The page about changes of schemas has a test for each, and names every test of such a change."""

from __future__ import annotations

import re

import pytest

from tests.named_tests import NAMED_TEST, ROOT, defined_in, named_by, page_text

PAGE = page_text("schema-changes.md")
ROW = re.compile(r"^\| (?P<change>[^|]+) \| [^|]+ \| [^|]+ \| (?P<test>[^|]+) \|$", re.MULTILINE)
CHANGES = {"The source": 25, "The message": 8, "The configuration": 9, "The target": 13}
"""How many there are at least, by section."""


@pytest.mark.parametrize("heading", CHANGES)
def test_every_change_has_its_test(heading: str) -> None:
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [row for row in ROW.finditer(section) if not row["change"].startswith(("change", "-"))]
    assert len(rows) >= CHANGES[heading]
    assert [row["change"] for row in rows if NAMED_TEST.fullmatch(row["test"]) is None] == []
    assert len(rows) == section.count("::"), "a line that is no row"


@pytest.mark.parametrize("file", sorted(path.name for path in (ROOT / "tests" / "evolution").glob("test_*.py")))
def test_every_test_of_such_a_change_is_on_the_page(file: str) -> None:
    module = f"tests/evolution/{file}"
    assert defined_in(module) - named_by(PAGE, module) == set()

"""The page about faults leaves none out, and names a test for each."""

from __future__ import annotations

import re

from tests.named_tests import NAMED_TEST, page_text

PAGE = page_text("faults.md")
ROW = re.compile(r"^\| (?P<number>\d+) \|(?P<cells>.*)\|$", re.MULTILINE)
FAULTS = 82


def test_every_fault_has_one_row_with_its_test() -> None:
    rows = list(ROW.finditer(PAGE))
    assert [int(row["number"]) for row in rows] == list(range(1, FAULTS + 1))
    assert [row["number"] for row in rows if len(NAMED_TEST.findall(row["cells"].rpartition("|")[2])) != 1] == []
    assert PAGE.count("::") == FAULTS



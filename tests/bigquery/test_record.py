"""The record of the emulator's answers and the table of its differences speak of the checks that there are."""

from __future__ import annotations

import os

import pytest

from tests.bigquery import chosen
from tests.bigquery.answers import WRITE, Observation, recorded
from tests.bigquery.differences import DIFFERENCES
from tests.bigquery.report import lines
from tests.workbench import ROOT


def test_the_record_holds_every_check_and_no_other(request: pytest.FixtureRequest) -> None:
    files = {path.name for path in (ROOT / "tests" / "bigquery").glob("test_*.py")}
    items = [item for item in request.session.items if item.path.parent.name == "bigquery"]
    options = request.config.option
    if os.environ.get(WRITE) or {item.path.name for item in items} != files or options.keyword or options.markexpr:
        pytest.skip("only a part of the checks was collected")
    assert set(recorded()) == {item.name for item in items if "compare" in getattr(item, "fixturenames", ())}


def test_the_table_of_differences_names_checks_that_there_are() -> None:
    assert set(DIFFERENCES) <= set(recorded())


@pytest.mark.parametrize("node", chosen.CHOSEN)
def test_a_test_that_was_chosen_exists(node: str) -> None:
    path, _, name = node.partition("::")
    assert f"def {name.partition('[')[0]}(" in (ROOT / path).read_text(encoding="utf-8")


def test_the_report_tells_what_differs_from_what() -> None:
    known = next(iter(DIFFERENCES))
    text = "\n".join(lines([
        Observation("test_as_it_should_be", {"a": 1}, {"a": 1}, {"a": 1}),
        Observation("test_wrong", {"a": 1, "b": 2}, {"a": 3, "b": 2}, {"a": 3, "b": 2}),
        Observation("test_new", {"a": 5}, None, {"a": 6}),
        Observation("test_unforeseen", {"a": 7}, {"a": 7}, {"a": 8}),
        Observation(known, {"a": 9}, {"a": 9}, {"a": 0}),
    ]))
    assert text.splitlines()[0] == "5 checks of the contract; 1 not as expected"
    assert "  wrong\n    a: here 1\n      expected 3\n      emulator 3" in text
    assert "  new\n    a: here 5\n      emulator 6" in text
    assert "  unforeseen\n    a: here 7\n      expected 7\n      emulator 8" in text
    assert f"there, {DIFFERENCES[known]}" in text
    assert "as it should be" not in text

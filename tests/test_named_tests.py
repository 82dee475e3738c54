"""Every test that a page of the documentation names exists."""

from __future__ import annotations

import pytest

from tests.named_tests import NAMED_TEST, ROOT, defined_in, named_by, page_text

PAGES = sorted(path.name for path in (ROOT / "docs").glob("*.md"))
NAMED = sorted({(page, match["file"]) for page in PAGES for match in NAMED_TEST.finditer(page_text(page))})


@pytest.mark.parametrize(("page", "file"), NAMED)
def test_every_test_that_a_page_names_exists(page: str, file: str) -> None:
    assert named_by(page_text(page), file) <= defined_in(file)


@pytest.mark.parametrize("page", PAGES)
def test_every_test_is_named_in_full(page: str) -> None:
    text = page_text(page)
    assert text.count("::test_") == len(NAMED_TEST.findall(text))


def test_the_pages_that_live_by_their_tests_name_some() -> None:
    assert {"exactness.md", "faults.md", "schema-changes.md"} <= {page for page, _ in NAMED}

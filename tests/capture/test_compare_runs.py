"""A page that is compared as a run has the same changed rows as one that is compared row by row."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.properties import MODEST

from bqsync.capture.compare import Marks, changed_rows
from bqsync.capture.compare_runs import changed_in_run
from bqsync.model import Delivery, RawEntry, Run, StoredRun, Stretch, run_of

KEYS = 60
SLOTS = 1_000


def packed(rows: dict[int, int]) -> Run:
    run = run_of([Delivery(bytes([7, number]), one, None, None) for number, one in sorted(rows.items())])
    assert run is not None
    return run


@st.composite
def pieces(draw: st.DrawFn) -> Stretch:
    """What a ledger may hold: runs and single rows, none of them within a run."""
    runs, rows = list[StoredRun](), dict[bytes | None, RawEntry]()
    number = slot = 0
    while number < KEYS:
        count, is_run = draw(st.integers(1, 20)), draw(st.booleans())
        numbers = [one for one in range(number, min(number + count, KEYS)) if draw(st.integers(0, 5))]
        prints = {one: draw(st.integers(0, 1)) for one in numbers}
        if numbers and is_run:
            runs.append(StoredRun(packed(prints), slot))
        for one in [] if is_run else numbers:
            key = bytes([7, one])
            owner = b"another row" if draw(st.integers(0, 9)) == 0 else None
            rows[key] = (key, prints[one], slot + one - number, None, owner)
        number, slot = number + count, slot + count
    return Stretch(runs, rows)


pages = st.dictionaries(st.integers(0, KEYS + 3), st.integers(0, 1), min_size=1).map(packed)
met = st.lists(st.integers(0, KEYS), max_size=5)


@MODEST
@given(pages, pieces(), met)
def test_runs_and_rows_agree(page: Run, known: Stretch, met_before: list[int]) -> None:
    by_runs, by_rows = Marks(SLOTS), Marks(SLOTS)
    for slot in met_before:
        by_runs.add(slot)
        by_rows.add(slot)
    entries = known.rows | {entry[0]: entry for one in known.runs for entry in one.entries()}
    fingerprints = [row.fingerprint for row in page.deliveries()]
    assert changed_in_run(page, known, by_runs) == changed_rows(page.all_keys(), fingerprints, entries, by_rows)
    assert [slot in by_runs for slot in range(SLOTS)] == [slot in by_rows for slot in range(SLOTS)]
    assert len(by_runs) == len(by_rows)
    assert changed_in_run(page, known, None) == changed_rows(page.all_keys(), fingerprints, entries, None)

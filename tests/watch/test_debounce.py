"""Writing is gathered into few looks, and no writer can put them off."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.properties import MODEST

from bqsync.watch import Debounce

TIMES_S = st.floats(min_value=-1e6, max_value=1e6, allow_nan=False)
DURATIONS_S = st.floats(min_value=0, max_value=100)


def looks(events_s: list[float], *, debounce_s: float = 0.2, max_delay_s: float = 2.0) -> list[tuple[float, float]]:
    """When a daemon that never oversleeps looks: the instants, and what `take` gave for each."""
    debounce, seen = Debounce(debounce_s=debounce_s, max_delay_s=max_delay_s), []
    for event_s in [*events_s, float("inf")]:
        due_s = debounce.due_s()
        if due_s is not None and due_s < event_s:
            first_s = debounce.take()
            assert first_s is not None
            seen.append((due_s, first_s))
        debounce.note(event_s)
    return seen


def steady(*, per_s: int, for_s: int) -> list[float]:
    return [number / per_s for number in range(per_s * for_s)]


def test_nothing_is_due_while_nothing_waits() -> None:
    debounce = Debounce(debounce_s=0.2, max_delay_s=2.0)
    assert debounce.due_s() is None
    assert debounce.first_s is None
    assert debounce.take() is None


def test_a_single_event_is_looked_at_after_the_debounce() -> None:
    assert looks([10.0]) == [(10.2, 10.0)]


def test_a_look_forgets_what_waited() -> None:
    debounce = Debounce(debounce_s=0.2, max_delay_s=2.0)
    debounce.note(1.0)
    debounce.note(1.1)
    assert debounce.first_s == 1.0
    assert debounce.take() == 1.0
    assert debounce.due_s() is None
    debounce.note(5.0)
    assert debounce.due_s() == pytest.approx(5.2)


def test_a_look_waits_for_a_breath_in_the_writing() -> None:
    """Two events of one commit, 10 ms apart, at the end of the debounce: it is not cut in two."""
    assert looks([0.0, 0.19, 0.2]) == [(0.2 + 0.2 / 8, 0.0)]


def test_a_clock_that_goes_back_cuts_no_breath_short() -> None:
    debounce = Debounce(debounce_s=0.2, max_delay_s=2.0)
    for now_s in (0.0, 0.5, 0.1):
        debounce.note(now_s)
    assert debounce.due_s() == 0.5 + 0.2 / 8


def test_the_longest_delay_wins_over_a_longer_debounce() -> None:
    assert looks([0.0], debounce_s=5.0, max_delay_s=1.0) == [(1.0, 0.0)]


@pytest.mark.parametrize(("per_s", "least", "most"), [
    (1, 30, 30),      # each commit for itself
    (2, 60, 60),
    (10, 99, 151),    # every 0.2 s: two or three commits together
    (20, 120, 150),
    (50, 14, 16),     # no breath of 25 ms: the longest delay
    (200, 14, 16),
    (1000, 14, 16),
])
def test_a_steady_writer_gets_the_looks_that_are_worth_it(per_s: int, least: int, most: int) -> None:
    assert least <= len(looks(steady(per_s=per_s, for_s=30))) <= most


def test_ten_commits_a_second_wait_for_the_debounce_and_a_breath_at_most() -> None:
    """Commits are no points: each makes five events within 4 ms."""
    events_s = [commit_s + part * 0.001 for commit_s in steady(per_s=10, for_s=30) for part in range(5)]
    assert max(due_s - first_s for due_s, first_s in looks(events_s)) < 0.2 + 0.025 + 0.005


@MODEST
@given(st.lists(TIMES_S, min_size=1), DURATIONS_S, DURATIONS_S)
def test_due_stays_within_its_bounds_whatever_the_clock_does(
    times_s: list[float], debounce_s: float, max_delay_s: float,
) -> None:
    """Not even a clock that jumps moves the look out of them."""
    debounce = Debounce(debounce_s=debounce_s, max_delay_s=max_delay_s)
    for now_s in times_s:
        debounce.note(now_s)
        due_s = debounce.due_s()
        assert due_s is not None
        assert times_s[0] + min(debounce_s, max_delay_s) <= due_s <= times_s[0] + max_delay_s
    assert debounce.take() == times_s[0]
    assert debounce.due_s() is None


@MODEST
@given(st.lists(st.floats(min_value=0, max_value=60), min_size=1))
def test_every_event_is_followed_by_a_look(events_s: list[float]) -> None:
    """Each waits for the longest delay at most, and each look has something to see."""
    ordered_s = sorted(events_s)
    seen = looks(ordered_s)
    for event_s in ordered_s:
        assert any(first_s <= event_s <= due_s <= event_s + 2.0 for due_s, first_s in seen)
    assert len(seen) <= len(ordered_s)
    assert [due_s for due_s, _ in seen] == sorted(due_s for due_s, _ in seen)

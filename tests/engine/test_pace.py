"""How far apart cycles begin: wider at each quota, half of that after each cycle that met none."""

from __future__ import annotations

import pytest

from bqsync.engine.pace import FIRST_S, LONGEST_S, Pace


def throttled(pace: Pace, times: int = 1) -> list[float]:
    for _ in range(times):
        pace.ended(was_throttled=True, has_sent=True)
    return [pace.interval_s]


def test_it_doubles_up_to_the_longest_and_halves_back_to_what_is_configured() -> None:
    pace = Pace(0.0)
    widened = [throttled(pace)[0] for _ in range(10)]
    assert widened == [2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0, 300.0]
    narrowed = []
    while pace.ended(was_throttled=False, has_sent=True):
        narrowed.append(pace.interval_s)
    assert narrowed == [150.0, 75.0, 37.5, 18.75, 9.375, 4.6875, 2.34375, 0.0]


def test_a_cycle_that_sent_nothing_tells_nothing_of_quotas() -> None:
    pace = Pace(0.0)
    throttled(pace, 3)
    assert not pace.ended(was_throttled=False, has_sent=False)
    assert pace.interval_s == 8.0


@pytest.mark.parametrize("configured_s", [0.0, 1.5, 10.0, 299.0, LONGEST_S, 3_600.0])
def test_it_is_never_less_than_configured_and_ends_there(configured_s: float) -> None:
    pace = Pace(configured_s)
    assert not pace.ended(was_throttled=False, has_sent=True)
    throttled(pace, 20)
    assert pace.interval_s == max(LONGEST_S, configured_s)
    for _ in range(20):
        pace.ended(was_throttled=False, has_sent=True)
        assert pace.interval_s >= configured_s
    assert pace.interval_s == configured_s


def test_a_configured_interval_is_what_the_first_step_doubles() -> None:
    pace = Pace(10.0)
    assert throttled(pace) == [20.0]
    assert Pace(0.5).ended(was_throttled=True, has_sent=False)
    assert throttled(Pace(0.5)) == [FIRST_S]

"""What the end of a cycle says of the next one is what the next one finds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bqsync.engine.schedule import Facts, SweepMode, Work, outlook, plan_work
from bqsync.state.tables import Effort

S = 1_000_000
NOW_US = 1_700_000_000 * S
_NEAR = st.sampled_from([-86_400 * S, -3_600 * S, -100 * S, -1, 0, 1, 50 * S, 86_400 * S])
_EFFORTS = st.one_of(st.none(), st.builds(Effort, _NEAR.map(lambda offset: NOW_US + offset),
                                          st.sampled_from([0, 1, 1_000, 2 * S, 600 * S])))
_FACTS = st.builds(
    Facts, mode=st.just(SweepMode.DUE), sweeps_off=st.booleans(), has_watermark=st.booleans(),
    is_indexed=st.booleans(), is_first_copy=st.booleans(), is_asked=st.booleans(),
    changed_since_sweep=st.just(False), changed_since_pass=st.just(False),
    last_sweep_us=st.one_of(st.none(), _NEAR.map(lambda offset: NOW_US + offset)), last_walk=_EFFORTS,
    last_pass=_EFFORTS, now_us=st.just(NOW_US), sweep_interval_us=st.sampled_from([1 * S, 3_600 * S]),
    duty=st.sampled_from([0.01, 0.05, 1.0]),
)
_LATER = st.one_of(st.sampled_from([0, 1, S, 3_600 * S, 86_400 * S]), st.integers(0, 200_000 * S))


def finds_work(facts: Facts, at_us: int, *, is_changed: bool) -> bool:
    later = replace(facts, now_us=at_us, changed_since_pass=is_changed, changed_since_sweep=is_changed)
    return plan_work(later) != Work(watermark_pass=False, sweep=False)


@given(facts=_FACTS, later_us=_LATER, is_changed=st.booleans())
def test_a_table_is_due_when_a_cycle_would_find_work(facts: Facts, later_us: int, is_changed: bool) -> None:
    if facts.sweeps_off and not facts.has_watermark:
        return  # such a table is an error
    at_us = NOW_US + later_us
    seen = outlook(facts)
    is_due = seen.is_due(at_us, is_changed=is_changed)
    finds = finds_work(facts, at_us, is_changed=is_changed)
    if seen_from_ahead(facts, at_us):
        assert is_due or not finds, "a clock that went back puts nothing off"
    else:
        assert is_due == finds


def seen_from_ahead(facts: Facts, at_us: int) -> bool:
    """Whether something has ended after that instant, as a clock that went back says."""
    efforts = [effort for effort in (facts.last_walk, facts.last_pass) if effort is not None]
    ended = [facts.last_sweep_us, *(effort.ended_us for effort in efforts)]
    return any(instant_us is not None and (instant_us > NOW_US or instant_us > at_us) for instant_us in ended)


@given(facts=_FACTS, is_changed=st.booleans())
def test_the_loop_is_woken_when_a_table_comes_to_be_due(facts: Facts, is_changed: bool) -> None:
    seen = outlook(facts)
    next_us = seen.next_us(is_changed=is_changed)
    if next_us is None:
        assert not seen.is_due(NOW_US + 10**15, is_changed=is_changed)
    else:
        assert seen.is_due(max(next_us, NOW_US), is_changed=is_changed)
        assert next_us <= NOW_US or not seen.is_due(next_us - 1, is_changed=is_changed)


@pytest.mark.parametrize("back_us", [1, 86_400 * S])
def test_a_clock_that_went_back_makes_every_table_due(back_us: int) -> None:
    facts = Facts(
        mode=SweepMode.DUE, sweeps_off=False, has_watermark=True, is_indexed=True, is_first_copy=False, is_asked=False,
        changed_since_sweep=False, changed_since_pass=False, last_sweep_us=NOW_US, last_walk=Effort(NOW_US, S),
        last_pass=None, now_us=NOW_US, sweep_interval_us=3_600 * S, duty=0.05)
    assert not outlook(facts).is_due(NOW_US, is_changed=False)
    assert outlook(facts).is_due(NOW_US - back_us, is_changed=False)
    # A sweep that seems to have ended in the future is no reason to wait for it.
    assert outlook(replace(facts, now_us=NOW_US - back_us)).is_due(NOW_US - back_us, is_changed=False)


@given(facts=_FACTS)
def test_a_sweep_that_only_rests_is_owed(facts: Facts) -> None:
    rested = replace(facts, last_walk=None)
    assert outlook(facts).owes_sweep == plan_work(rested).sweep

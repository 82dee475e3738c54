"""What a cycle does: passes when something was written, sweeps when there is a reason, and neither too often."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bqsync.engine.schedule import Facts, SweepMode, Work, plan_work, ready_us
from bqsync.state.tables import Effort

NOW_US = 1_000_000_000_000
S = 1_000_000
RESTED = Effort(NOW_US - 600 * S, 1 * S)
"""Ten minutes ago, one second of work: at a duty of 5 %, the next one may come 19 s after it."""
TIRED = Effort(NOW_US - 10 * S, 1 * S)

BASE = Facts(
    mode=SweepMode.DUE, sweeps_off=False, has_watermark=True, is_indexed=True, is_first_copy=False, is_asked=False,
    changed_since_sweep=False, changed_since_pass=False, last_sweep_us=RESTED.ended_us, last_walk=RESTED,
    last_pass=RESTED, now_us=NOW_US, sweep_interval_us=3600 * S, duty=0.05,
)
NOTHING, PASS, SWEEP, BOTH = Work(False, False), Work(True, False), Work(False, True), Work(True, True)


def facts(**changes: Any) -> Facts:
    """`last_sweep` stands for a sweep that ended well."""
    if "last_sweep" in changes:
        effort = changes.pop("last_sweep")
        changes |= {"last_walk": effort, "last_sweep_us": effort.ended_us if isinstance(effort, Effort) else None}
    return replace(BASE, **changes)


def work(**changes: Any) -> Work:
    return plan_work(facts(**changes))


def test_a_file_that_nobody_has_written_to_asks_for_nothing() -> None:
    assert work() == NOTHING
    assert work(has_watermark=False) == NOTHING


def test_what_was_written_asks_for_a_pass_or_for_a_sweep_where_there_is_no_watermark() -> None:
    written = {"changed_since_pass": True, "changed_since_sweep": True}
    assert work(**written) == PASS
    assert work(**written, has_watermark=False) == SWEEP
    assert work(changed_since_sweep=True) == NOTHING, "a table with a watermark is swept by the interval"


def test_a_sweep_that_was_asked_for_is_made_once_the_last_one_is_far_enough() -> None:
    assert work(is_asked=True) == SWEEP
    assert work(is_asked=True, changed_since_pass=True) == BOTH
    assert work(is_asked=True, last_sweep=None) == SWEEP
    assert work(is_asked=True, last_sweep=TIRED) == NOTHING
    assert work(is_asked=True, last_sweep=TIRED, changed_since_pass=True) == PASS
    assert work(has_watermark=False, changed_since_sweep=True, last_sweep=TIRED) == NOTHING


def test_the_interval_asks_for_a_sweep_whether_anything_was_written_or_not() -> None:
    for has_watermark in (False, True):
        assert work(has_watermark=has_watermark, last_sweep=Effort(NOW_US - 3600 * S, 0)) == SWEEP
        assert work(has_watermark=has_watermark, last_sweep=Effort(NOW_US - 3600 * S + 1, 0)) == NOTHING
        assert work(has_watermark=has_watermark, last_sweep=None) == SWEEP


def test_a_sweep_that_takes_long_is_spaced_further_than_the_interval() -> None:
    long = Effort(NOW_US - 4_000 * S, 600 * S)
    assert work(last_sweep=long) == NOTHING
    assert work(last_sweep=long, duty=0.2) == SWEEP


def test_a_first_copy_waits_for_nothing_and_needs_no_pass() -> None:
    assert work(is_first_copy=True, is_asked=True, last_sweep=TIRED, changed_since_pass=True) == SWEEP
    assert work(is_first_copy=True, is_asked=True, last_sweep=TIRED, has_watermark=False) == SWEEP
    assert work(mode=SweepMode.ALWAYS, is_first_copy=True) == SWEEP
    assert work(mode=SweepMode.NEVER, is_first_copy=True) == PASS, "unless there is no sweep that would read it all"
    assert work(sweeps_off=True, mode=SweepMode.ALWAYS, is_first_copy=True) == PASS


def test_a_sync_by_hand_passes_and_sweeps_whatever_was_done_before() -> None:
    for last in (None, RESTED, TIRED):
        assert work(mode=SweepMode.ALWAYS, last_sweep=last, last_pass=last) == BOTH
    assert work(mode=SweepMode.ALWAYS, is_indexed=False, last_pass=TIRED) == BOTH
    assert work(mode=SweepMode.ALWAYS, has_watermark=False) == SWEEP


def test_without_sweeps_there_are_passes_and_nothing_else() -> None:
    everything = {"is_asked": True, "changed_since_sweep": True, "changed_since_pass": True, "last_sweep": None}
    assert work(mode=SweepMode.NEVER, **everything) == PASS
    assert work(mode=SweepMode.NEVER, has_watermark=False, **everything) == NOTHING
    for mode in SweepMode:
        assert work(mode=mode, sweeps_off=True, **everything) == PASS
        assert work(mode=mode, sweeps_off=True, has_watermark=False, **everything) == NOTHING


def test_a_pass_that_reads_the_whole_table_rests_as_a_sweep_does() -> None:
    written = {"changed_since_pass": True, "last_pass": TIRED}
    assert work(**written) == PASS
    assert work(**written, is_indexed=False) == NOTHING
    assert work(changed_since_pass=True, last_pass=RESTED, is_indexed=False) == PASS
    assert work(changed_since_pass=True, last_pass=None, is_indexed=False) == PASS


@pytest.mark.parametrize(("effort", "duty", "expected"), [
    (None, 0.05, 0), (Effort(100, 0), 0.05, 100), (Effort(100, 50), 0.5, 150), (Effort(100, 50), 0.1, 550),
    (Effort(100, 50), 1.0, 100), (Effort(1_000, 1_000), 0.05, 20_000),
])
def test_so_much_of_a_core_is_taken_and_no_more(effort: Effort | None, duty: float, expected: int) -> None:
    assert ready_us(effort, duty) == expected


@pytest.mark.parametrize("duty", [0.01, 0.05, 0.25, 0.9])
def test_in_the_long_run_the_duty_is_kept(duty: float) -> None:
    now_us, worked_us, cost_us = 0, 0, 700_000
    effort: Effort | None = None
    for _ in range(50):
        now_us = max(now_us, ready_us(effort, duty)) + cost_us
        worked_us += cost_us
        effort = Effort(now_us, cost_us)
    assert worked_us / now_us == pytest.approx(duty, rel=0.1)


def test_the_last_microsecond_counts() -> None:
    at = ready_us(TIRED, BASE.duty)
    assert work(is_asked=True, last_sweep=TIRED, now_us=at - 1) == NOTHING
    assert work(is_asked=True, last_sweep=TIRED, now_us=at) == SWEEP


def test_a_clock_that_went_back_puts_nothing_off() -> None:
    """The last sweep seems to be a year ahead; the next one must not wait for a year."""
    ahead = Effort(NOW_US + 365 * 86_400 * S, 100 * S)
    assert work(last_sweep=ahead) == SWEEP
    assert work(is_asked=True, last_sweep=ahead) == SWEEP
    assert work(changed_since_pass=True, last_pass=ahead, last_sweep=RESTED, is_indexed=False) == PASS


def test_a_sweep_that_failed_has_cost_as_much_and_is_still_asked_for() -> None:
    failed = {"last_sweep_us": None, "is_asked": True}
    assert work(**failed, last_walk=TIRED) == NOTHING
    assert work(**failed, last_walk=RESTED) == SWEEP

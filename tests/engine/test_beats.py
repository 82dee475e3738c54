"""A cycle that makes no progress hangs, and the manager is told no more that all is well."""

from __future__ import annotations

from bqsync.engine.beats import STALL_S, Beats

A, B = ("db", "a"), ("db", "b")


class Clock:
    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def test_a_cycle_that_is_silent_for_too_long_hangs_until_it_is_heard_of() -> None:
    clock = Clock()
    beats = Beats(clock=clock)
    beats.beat(A)
    clock.now_s += STALL_S
    beats.beat(B)
    assert beats.silent_s() == {}
    clock.now_s += 1.0
    assert beats.silent_s() == {A: STALL_S + 1.0}
    beats.beat(A)
    assert beats.silent_s() == {}


def test_a_cycle_that_has_ended_or_waits_for_others_is_not_waited_for() -> None:
    clock = Clock()
    beats = Beats(stall_s=5.0, clock=clock)
    beats.beat(A)
    beats.end(A)
    beats.end(B)
    clock.now_s += 100.0
    assert beats.silent_s() == {}

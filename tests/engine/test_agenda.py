"""Which table has its turn, and when: no change that was looked at is ever forgotten."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from bqsync.engine.agenda import Agenda, Start, TableKey
from bqsync.engine.schedule import Outlook

S = 1_000_000
NOW_US = 1_700_000_000 * S
A, B, C = ("db", "a"), ("db", "b"), ("db", "c")
IDLE = Outlook(as_of_us=NOW_US, due_us=None, change_us=0)
"""Nothing to do unless somebody writes."""


def agenda(*keys: TableKey, interval_s: float = 0.0) -> Agenda:
    return Agenda(dict.fromkeys(keys or (A,), interval_s))


def settled(*keys: TableKey, interval_s: float = 0.0) -> Agenda:
    """Every table has seen the file as it is: `first`."""
    made = agenda(*keys, interval_s=interval_s)
    for key in keys or (A,):
        made.start(key, 0.0)
        made.succeed(key, IDLE, "first", is_done=True)
    return made


def ready(made: Agenda, now_us: int = NOW_US, now_s: float = 0.0) -> list[TableKey]:
    return made.ready(now_us, now_s)


def test_at_the_start_every_table_has_its_turn() -> None:
    made = agenda(A, B)
    assert ready(made) == [A, B]
    assert made.wake_s(NOW_US, 7.0) == 7.0


def test_nothing_is_ready_until_the_file_differs_from_what_the_last_cycle_saw() -> None:
    made = settled()
    made.look("db", "first", None)
    assert (ready(made), made.wake_s(NOW_US, 0.0)) == ([], None)
    made.look("another", "second", NOW_US)
    assert ready(made) == []
    made.look("db", "second", NOW_US)
    assert ready(made) == [A]
    assert made.oldest_change_us() == NOW_US


def test_the_oldest_change_comes_first() -> None:
    made = settled(A, B, C)
    made.start(A, 0.0)
    made.look("db", "second", NOW_US - 9)
    made.start(B, 0.0)
    made.look("db", "third", NOW_US - 5)
    made.succeed(A, IDLE, "first", is_done=True)
    made.succeed(B, IDLE, "second", is_done=True)
    made.look("db", "third", NOW_US - 1)
    assert ready(made) == [A, C, B] or ready(made) == [C, A, B]
    assert made.oldest_change_us() == NOW_US - 9


def test_a_cycle_that_has_read_nothing_leaves_its_change_waiting() -> None:
    made = settled()
    made.look("db", "second", NOW_US - 9)
    made.start(A, 0.0)
    made.succeed(A, IDLE, "first", is_done=False, has_read=False)
    assert made.oldest_change_us() == NOW_US - 9
    made.look("db", "second", NOW_US)
    made.start(A, 0.0)
    made.succeed(A, IDLE, "second", is_done=True)
    assert made.oldest_change_us() is None


def test_a_change_whose_time_is_not_known_counts_as_one_of_now() -> None:
    made = settled(A, B)
    made.start(B, 0.0)
    made.succeed(B, IDLE, "second", is_done=True)
    made.look("db", "second", None)
    made.look("db", "third", NOW_US - 1)
    assert made.start(A, 0.0) == Start(key=A, changed_us=NOW_US - 1, is_alone=False)
    assert ready(made) == [B]


def test_a_change_during_a_run_makes_another_one() -> None:
    made = agenda()
    made.look("db", "first", NOW_US - 20)
    assert made.start(A, 0.0).changed_us == NOW_US - 20
    made.look("db", "second", NOW_US - 10)
    assert ready(made) == []
    assert made.oldest_change_us() == NOW_US - 20, "what is under way is not delivered yet"
    made.succeed(A, IDLE, "first", is_done=True)
    assert ready(made) == [A]
    assert made.oldest_change_us() == NOW_US - 10
    assert made.start(A, 0.0).changed_us == NOW_US - 10


def test_a_failure_keeps_the_oldest_change_and_counts() -> None:
    made = settled()
    made.look("db", "second", NOW_US - 20)
    made.start(A, 0.0)
    made.look("db", "third", NOW_US - 10)
    assert (made.fail(A), made.failing(), made.oldest_change_us()) == (1, [A], NOW_US - 20)
    assert ready(made) == [A]
    made.start(A, 0.0)
    assert made.fail(A, counts=False) == 1, "what every table has met is not its own failure"
    made.start(A, 0.0)
    assert made.fail(A) == 2
    assert made.start(A, 0.0).changed_us == NOW_US - 20
    assert made.succeed(A, IDLE, "third", is_done=True) == 2
    assert (made.failing(), made.oldest_change_us()) == ([], None)


def test_the_next_session_knows_what_was_not_delivered_and_which_tables_it_has_not_seen() -> None:
    before = settled(A, B, C)
    before.look("db", "second", NOW_US - 9)
    before.start(A, 0.0)
    before.start(C, 0.0)
    before.succeed(C, IDLE, "second", is_done=True)
    made = agenda(B, A, C)
    made.take_over(before)
    made.look("db", "second", NOW_US)
    made.start(A, 0.0)
    made.succeed(A, IDLE, "second", is_done=True)
    standings = made.standings()
    assert {key: one.changed_us for key, one in standings.items()} == {A: None, B: NOW_US - 9, C: NOW_US}
    assert {key: one.has_ended for key, one in standings.items()} == {A: True, B: False, C: False}


def test_a_cycle_that_did_not_do_what_it_was_for_is_no_recovery() -> None:
    made = settled()
    made.start(A, 0.0)
    made.fail(A)
    made.start(A, 0.0)
    made.succeed(A, IDLE, "first", is_done=False)
    assert made.failing() == [A]
    made.start(A, 0.0)
    assert made.fail(A) == 2


def test_the_merge_interval_lies_between_two_beginnings() -> None:
    made = settled(interval_s=30.0)
    made.look("db", "second", NOW_US)
    assert (ready(made, now_s=29.9), ready(made, now_s=30.0)) == ([], [A])
    assert made.wake_s(NOW_US, 5.0) == 30.0
    made.start(A, 40.0)
    made.succeed(A, IDLE, "second", is_done=True)
    made.look("db", "third", NOW_US)
    assert made.wake_s(NOW_US, 41.0) == 70.0


def test_another_interval_counts_from_the_last_beginning() -> None:
    made = settled(interval_s=30.0)
    made.look("db", "second", NOW_US)
    made.start(A, 40.0)
    made.succeed(A, IDLE, "second", is_done=True)
    made.look("db", "third", NOW_US)
    made.set_interval(A, 60.0)
    assert made.wake_s(NOW_US, 41.0) == 100.0
    made.set_interval(A, 0.0)
    assert made.wake_s(NOW_US, 41.0) == 41.0
    made.start(A, 41.0)
    made.succeed(A, IDLE, "third", is_done=True)
    made.look("db", "fourth", NOW_US)
    assert ready(made, now_s=41.0) == [A]


def test_a_pause_only_grows() -> None:
    made = agenda()
    made.pause(A, 10.0)
    made.pause(A, 5.0)
    assert (ready(made, now_s=9.9), ready(made, now_s=10.0), made.wake_s(NOW_US, 0.0)) == ([], [A], 10.0)
    assert made.busy(NOW_US) == {A}, "it has work, though not now"


def test_deletes_that_are_alone_pass_in_the_next_cycle_which_begins_at_once() -> None:
    made = settled()
    made.pause(A, 10.0)
    made.release(A)
    assert ready(made, now_s=0.0) == [A]
    assert made.start(A, 0.0).is_alone
    made.succeed(A, IDLE, "second", is_done=True)
    made.look("db", "third", NOW_US)
    assert not made.start(A, 0.0).is_alone, "once"


def test_a_failure_does_not_wait_for_the_next_turn_of_a_long_interval() -> None:
    made = Agenda({A: 3600.0})
    made.start(A, 0.0)
    made.fail(A)
    made.pause(A, 7.0)
    assert (ready(made, now_s=6.9), ready(made, now_s=7.0)) == ([], [A])


def test_what_is_due_by_the_clock_needs_no_change() -> None:
    made = settled()
    made.start(A, 0.0)
    made.succeed(A, replace(IDLE, due_us=NOW_US + 60 * S), "first", is_done=True)
    assert (ready(made, NOW_US + 60 * S - 1), ready(made, NOW_US + 60 * S)) == ([], [A])
    assert made.wake_s(NOW_US, 3.0) == 63.0
    assert (made.is_due(A, NOW_US), made.is_due(A, NOW_US + 60 * S)) == (False, True)


def test_a_table_that_rests_after_a_change_is_woken_when_it_has_rested() -> None:
    made = settled()
    made.start(A, 0.0)
    made.succeed(A, replace(IDLE, change_us=NOW_US + 5 * S), "first", is_done=True)
    assert made.wake_s(NOW_US, 0.0) is None
    made.look("db", "second", NOW_US)
    assert (ready(made), made.wake_s(NOW_US, 1.0)) == ([], 6.0)
    assert ready(made, NOW_US + 5 * S) == [A]


@pytest.mark.parametrize("back_s", [1, 3600, 365 * 86_400])
def test_a_clock_that_goes_back_puts_nothing_off(back_s: int) -> None:
    made = settled()
    made.start(A, 0.0)
    made.succeed(A, replace(IDLE, due_us=NOW_US + 3600 * S), "first", is_done=True)
    assert ready(made, NOW_US - back_s * S) == [A]
    made.pause(A, 2.0)
    assert made.wake_s(NOW_US - back_s * S, 0.0) == 2.0


def test_a_change_that_was_delivered_already_is_dropped() -> None:
    made = settled()
    made.look("db", "second", NOW_US)
    made.skip(A)
    assert (ready(made), made.oldest_change_us(), made.look_of(A)) == ([], None, "first")


class NothingIsForgotten(RuleBasedStateMachine):
    """Whatever happens in whatever order, each change is delivered by a cycle that began after it, or is still due."""

    running = Bundle("running")

    def __init__(self) -> None:
        super().__init__()
        self.keys = [A, B]
        self.agenda = Agenda({A: 0.0, B: 2.0})
        self.now_us, self.now_s = NOW_US, 0.0
        self.latest_us = NOW_US
        """However often the clock went back since."""
        self.version = 0
        self.seen = {A: -1, B: -1}
        """The version of the file that is delivered."""
        self.begun = dict(self.seen)
        self.deferred: set[TableKey] = set()

    @rule(has_time=st.booleans())
    def write(self, *, has_time: bool) -> None:
        self.version += 1
        self.agenda.look("db", self.version, self.now_us if has_time else None)

    @rule(seconds=st.sampled_from([-3600.0, 0.1, 1.0, 10.0, 3600.0]))
    def tick(self, seconds: float) -> None:
        self.now_us += int(seconds * S)
        self.latest_us = max(self.latest_us, self.now_us)
        self.now_s += max(seconds, 0.0)

    @rule(target=running, number=st.integers(0, 1))
    def begin(self, number: int) -> TableKey | None:
        found = self.agenda.ready(self.now_us, self.now_s)
        if not found:
            return None
        key = found[number % len(found)]
        self.agenda.start(key, self.now_s)
        self.begun[key] = self.version
        return key

    @rule(key=consumes(running), due_s=st.sampled_from([None, 0, 5, 3600]), rest_s=st.sampled_from([0, 0, 30]),
          end=st.sampled_from(["well", "well", "failed", "outage", "deferred", "rested"]))
    def finish(self, key: TableKey | None, due_s: int | None, rest_s: int, end: str) -> None:
        if key is None:
            return
        if end in {"failed", "outage"}:
            self.agenda.fail(key, counts=end == "failed")
            self.agenda.pause(key, self.now_s + 7.0)
            return
        outlook = Outlook(as_of_us=self.now_us, due_us=None if due_s is None else self.now_us + due_s * S,
                          change_us=self.now_us + rest_s * S)
        look = self.begun[key] if end == "well" else None
        if end in {"rested", "deferred"}:  # the sweep is due still
            outlook = replace(outlook, due_us=self.now_us + rest_s * S)
        self.agenda.succeed(key, outlook, look, is_done=end == "well")
        if end == "well":
            self.seen[key] = self.begun[key]
        elif end == "deferred":
            self.agenda.pause(key, self.now_s + 10.0)
            self.deferred.add(key)

    @rule(is_alone=st.booleans())
    def decide(self, *, is_alone: bool) -> None:
        for key in self.deferred.difference(self.agenda.running()):
            if is_alone:
                self.agenda.release(key)
            else:
                self.agenda.fail(key)
        self.deferred.clear()

    @invariant()
    def every_change_has_a_future(self) -> None:
        running = set(self.agenda.running())
        for key in self.keys:
            if self.seen[key] == self.version or key in running:
                continue
            if key in self.agenda.ready(self.now_us, self.now_s):
                continue
            later_us, later_s = self.latest_us + 2 * 3600 * S, self.now_s + 2 * 3600
            assert key in self.agenda.ready(later_us, later_s), "a pause ends"
            wake_s = self.agenda.wake_s(self.now_us, self.now_s)
            assert wake_s is not None
            assert wake_s <= self.now_s + 2 * 3600, "and the loop wakes for it"


TestNothingIsForgotten = NothingIsForgotten.TestCase

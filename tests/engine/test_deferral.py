"""Deletes that wait for what other tables have lost."""

from __future__ import annotations

from bqsync.engine.deferral import Decision, DeferredDeletes
from bqsync.model import CycleOutcome

A, B, C = ("db", "a"), ("db", "b"), ("db", "c")


def lost(table: str, *, is_held: bool = False) -> CycleOutcome:
    outcome = CycleOutcome(table=table, target=table)
    outcome.deletes_deferred = 10
    if is_held:
        outcome.error = {"code": "E501"}
    return outcome


def test_nothing_waits_at_first() -> None:
    assert DeferredDeletes().decide(()) is None


def test_a_table_that_lost_alone_is_told_when_the_last_of_the_others_has_ended() -> None:
    deferred = DeferredDeletes()
    deferred.note(A, lost("a"), {A, B, C})
    deferred.ended(B)
    assert deferred.decide(()) is None
    deferred.ended(C)
    assert deferred.decide(()) == Decision(alone=A, losing=("a",))
    assert deferred.decide(()) is None


def test_a_table_that_lost_while_nothing_else_was_due_is_told_at_once() -> None:
    deferred = DeferredDeletes()
    deferred.note(A, lost("a"), set())
    assert deferred.decide(()) == Decision(alone=A, losing=("a",))


def test_tables_that_lost_together_are_held() -> None:
    deferred = DeferredDeletes()
    one, other = lost("a"), lost("b")
    deferred.note(A, one, {B})
    deferred.ended(B)
    deferred.note(B, other, set())
    assert deferred.decide(()) == Decision(held=(one, other), losing=("a", "b"))
    deferred.note(A, one, set())
    assert deferred.decide(()) == Decision(held=(one,), losing=("a", "b")), "the other one is held still"
    deferred.settled(B)
    deferred.note(A, one, set())
    assert deferred.decide(()) == Decision(alone=A, losing=("a",)), "its rows are back"


def test_one_that_the_guard_holds_back_anyway_is_a_loss_as_well() -> None:
    deferred = DeferredDeletes()
    waiting = lost("a")
    deferred.note(A, waiting, {B})
    deferred.ended(B)
    deferred.note(B, lost("b", is_held=True), set())
    assert deferred.decide(()) == Decision(held=(waiting,), losing=("a", "b"))


def test_one_that_is_found_later_makes_the_others_wait_for_what_it_waits_for() -> None:
    deferred = DeferredDeletes()
    deferred.note(A, lost("a"), {B})
    deferred.ended(B)
    deferred.note(B, lost("b"), {C})
    assert deferred.decide(()) is None
    deferred.ended(C)
    decision = deferred.decide(())
    assert decision is not None
    assert [outcome.table for outcome in decision.held] == ["a", "b"]


def test_one_that_goes_on_meanwhile_waits_for_nobody_else_and_is_not_decided_while_it_runs() -> None:
    deferred = DeferredDeletes()
    again = lost("a")
    deferred.note(A, lost("a"), {B})
    deferred.note(A, again, {C})
    deferred.ended(B)
    assert deferred.decide({A}) is None
    assert deferred.decide({B, C}) == Decision(alone=A, losing=("a",))


def test_those_that_wait_do_not_wait_for_each_other() -> None:
    deferred = DeferredDeletes()
    deferred.note(A, lost("a"), set())
    deferred.note(B, lost("b"), {A})
    decision = deferred.decide(())
    assert decision is not None
    assert decision.losing == ("a", "b")


def test_rows_that_are_back_before_the_decision_are_no_loss() -> None:
    deferred = DeferredDeletes()
    deferred.note(A, lost("a"), {C})
    deferred.note(B, lost("b"), {C})
    deferred.settled(B)
    deferred.ended(C)
    assert deferred.decide(()) == Decision(alone=A, losing=("a",))


def test_one_that_was_held_back_earlier_is_a_part_of_every_later_judgement() -> None:
    deferred = DeferredDeletes()
    deferred.note(B, lost("b", is_held=True), set())
    assert deferred.decide(()) is None
    deferred.note(A, lost("a"), set())
    decision = deferred.decide(())
    assert decision is not None
    assert decision.losing == ("a", "b")

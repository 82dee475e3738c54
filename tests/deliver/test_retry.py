"""One table of waits decides what is tried again, how soon and for how long."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, NoReturn

import pytest
from google.api_core import exceptions as api

from bqsync.deliver.retry import RESIDENT_WAITS, WAITS, Policy, Waits
from bqsync.errors import RULES, BqsyncError, ErrorKind, Retry

if TYPE_CHECKING:
    from collections.abc import Callable

QUICK = {
    Retry.SOON: Waits(first=0.01, longest=0.02, total=0.2),
    Retry.CONNECT: Waits(first=0.01, longest=0.02, total=9.9),
    Retry.SLOWLY: Waits(first=0.03, longest=0.06, total=0.4),
}
STALL_S = 20.0
"""For so long the machine may stand still; what the tests are there for would take longer, or for ever."""


class Failing:
    """A call that fails so many times, in turn with the given kinds, and then returns 'done'."""

    def __init__(self, *kinds: ErrorKind, times: int = 10**9, asked_s: float | None = None) -> None:
        self.kinds = kinds
        self.times = times
        self.asked_s = asked_s
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls > self.times:
            return "done"
        kind = self.kinds[(self.calls - 1) % len(self.kinds)]
        raise BqsyncError(kind, what=f"{self.calls}", why="", retry_after_s=self.asked_s)


def elapsed(function: Callable[[], object]) -> float:
    begun = time.monotonic()
    with pytest.raises(BqsyncError):
        function()
    return time.monotonic() - begun


def test_the_waits_are_those_that_the_documents_promise() -> None:
    assert dict(WAITS) == {
        Retry.SOON: Waits(first=0.2, longest=10.0, total=60.0),
        Retry.CONNECT: Waits(first=0.2, longest=2.0, total=6.0),
        Retry.SLOWLY: Waits(first=2.0, longest=60.0, total=300.0),
    }
    assert dict(RESIDENT_WAITS) == {
        Retry.SOON: Waits(first=0.2, longest=10.0, total=20.0),
        Retry.CONNECT: Waits(first=0.2, longest=2.0, total=6.0),
        Retry.SLOWLY: Waits(first=2.0, longest=60.0, total=40.0),
    }


@pytest.mark.parametrize("kind", [kind for kind in ErrorKind if RULES[kind].retry is not Retry.NEVER])
def test_a_kind_that_is_retried_is_tried_until_it_passes(kind: ErrorKind) -> None:
    call = Failing(kind, times=2)
    assert Policy(waits=QUICK).call("do it", call) == "done"
    assert call.calls == 3


def test_no_try_comes_earlier_than_bigquery_asks_for() -> None:
    told: list[float] = []
    policy = Policy(waits=QUICK, on_retry=lambda _failure, _attempt, wait_s: told.append(wait_s))
    assert policy.call("do it", Failing(ErrorKind.BIGQUERY_RATE_LIMITED, times=1, asked_s=0.15)) == "done"
    assert told == [0.15]
    begun = Failing(ErrorKind.BIGQUERY_RATE_LIMITED, asked_s=1_000.0)
    with pytest.raises(BqsyncError) as caught:
        policy.call("do it", begun)
    assert (begun.calls, caught.value.retry_after_s) == (1, 1_000.0), "more than there is time for: the caller is told"


def test_waits_double_to_their_bound_with_full_jitter() -> None:
    waits = Waits(first=0.2, longest=10.0, total=60.0)
    for attempt, bound in enumerate([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0], 1):
        drawn = [waits.before(attempt) for _ in range(2000)]
        assert 0 <= min(drawn) < 0.05 * bound
        assert 0.95 * bound < max(drawn) <= bound
    assert waits.before(10**9) <= 10.0


def test_what_passes_is_returned() -> None:
    call = Failing(ErrorKind.BIGQUERY_TRANSIENT, times=3)
    assert Policy(waits=QUICK).call("do it", call) == "done"
    assert call.calls == 4


@pytest.mark.parametrize("kind", [kind for kind in ErrorKind if RULES[kind].retry is Retry.NEVER])
def test_a_kind_that_is_never_retried_is_raised_at_once(kind: ErrorKind) -> None:
    call = Failing(kind)
    with pytest.raises(BqsyncError) as caught:
        Policy(waits=QUICK).call("do it", call)
    assert caught.value.kind is kind
    assert call.calls == 1


@pytest.mark.parametrize(("kind", "least", "most"), [
    (ErrorKind.BIGQUERY_TRANSIENT, 0.15, 0.21), (ErrorKind.BIGQUERY_UNREACHABLE, 0.25, 0.31),
    (ErrorKind.BIGQUERY_RATE_LIMITED, 0.3, 0.41), (ErrorKind.BIGQUERY_CONFLICT, 0.3, 0.41),
])
def test_the_time_for_trying_again_is_bounded_by_rule(kind: ErrorKind, least: float, most: float) -> None:
    call = Failing(kind)
    policy = Policy(waits=QUICK, connect_budget_s=0.3)
    assert least <= elapsed(lambda: policy.call("do it", call)) <= most + STALL_S
    assert call.calls > 3


def test_the_last_failure_is_the_one_that_is_raised() -> None:
    call = Failing(ErrorKind.BIGQUERY_TRANSIENT)
    with pytest.raises(BqsyncError) as caught:
        Policy(waits=QUICK).call("do it", call)
    assert caught.value.what == str(call.calls)


def test_kinds_that_take_turns_do_not_go_on_for_ever() -> None:
    call = Failing(ErrorKind.BIGQUERY_TRANSIENT, ErrorKind.BIGQUERY_UNREACHABLE, ErrorKind.BIGQUERY_RATE_LIMITED)
    assert elapsed(lambda: Policy(waits=QUICK, connect_budget_s=0.3).call("do it", call)) < 1.0 + STALL_S


def test_the_time_that_connecting_took_counts_and_the_time_of_an_answer_does_not() -> None:
    waits = {**QUICK, Retry.SOON: Waits(first=0.01, longest=0.02, total=0.15)}
    policy = Policy(waits=waits, connect_budget_s=0.15)

    def slowly(kind: ErrorKind) -> Callable[[], NoReturn]:
        call = Failing(kind)

        def fail() -> NoReturn:
            calls.append(kind)
            time.sleep(0.2)
            call()
            raise AssertionError

        return fail

    for kind, least, most in ((ErrorKind.BIGQUERY_UNREACHABLE, 1, 1), (ErrorKind.BIGQUERY_TRANSIENT, 2, 2)):
        calls: list[ErrorKind] = []
        elapsed(partial(policy.call, "do it", slowly(kind)))
        assert least <= len(calls) <= most


def test_an_exception_of_a_client_is_translated_and_judged() -> None:
    outcomes = [failure_of(503), failure_of(429)]

    def call() -> str:
        if outcomes:
            raise outcomes.pop()
        return "done"

    assert Policy(waits=QUICK).call("do it", call) == "done"
    with pytest.raises(BqsyncError, match="Could not create the table") as caught:
        Policy(waits=QUICK).call("create the table", lambda: _raise(failure_of(403)))
    assert caught.value.kind is ErrorKind.BIGQUERY_PERMISSION
    assert isinstance(caught.value.__cause__, api.Forbidden)


def test_a_fault_of_ours_is_not_retried_and_not_disguised() -> None:
    calls = []

    def call() -> None:
        calls.append(1)
        raise KeyError("x")

    with pytest.raises(KeyError):
        Policy(waits=QUICK).call("do it", call)
    assert len(calls) == 1


def test_patience_tries_a_kind_again_that_otherwise_ends_it() -> None:
    call = Failing(ErrorKind.BIGQUERY_NOT_FOUND, times=3)
    assert Policy(waits=QUICK).call("do it", call, patience={ErrorKind.BIGQUERY_NOT_FOUND: 5.0}) == "done"
    call = Failing(ErrorKind.BIGQUERY_NOT_FOUND)
    patience = {ErrorKind.BIGQUERY_NOT_FOUND: 0.3}
    assert 0.25 < elapsed(lambda: Policy(waits=QUICK).call("do it", call, patience=patience)) < 0.7 + STALL_S


def test_progress_gives_the_full_time_again() -> None:
    call = Failing(ErrorKind.BIGQUERY_TRANSIENT, times=60)
    assert Policy(waits=QUICK).call("do it", call, progress=lambda: call.calls // 5) == "done"


def test_each_wait_is_told_before_it_begins() -> None:
    told: list[tuple[ErrorKind, int, float]] = []
    policy = Policy(waits=QUICK, on_retry=lambda failure, *event: told.append((failure.kind, *event)))
    policy.call("do it", Failing(ErrorKind.BIGQUERY_TRANSIENT, times=3))
    assert [(kind, attempt) for kind, attempt, _ in told] == [(ErrorKind.BIGQUERY_TRANSIENT, n) for n in (1, 2, 3)]
    assert all(0 <= wait <= 0.02 for _, _, wait in told)


@pytest.mark.parametrize("which", ["stop", "until"])
@pytest.mark.parametrize("early", [True, False], ids=["before", "during the wait"])
def test_an_event_ends_the_waiting(which: str, *, early: bool) -> None:
    waits = {**QUICK, Retry.SLOWLY: Waits(first=1000.0, longest=1000.0, total=9999.0)}
    told: list[ErrorKind] = []
    policy, until = Policy(waits=waits, on_retry=lambda failure, *_: told.append(failure.kind)), threading.Event()
    event = policy.stop if which == "stop" else until
    if early:
        event.set()
    else:
        threading.Timer(0.1, event.set).start()
    call = Failing(ErrorKind.BIGQUERY_RATE_LIMITED)
    assert elapsed(lambda: policy.call("do it", call, until=until)) < 0.5 + STALL_S
    assert call.calls == 1
    assert len(told) == (0 if early else 1), "a wait that does not begin is not told"


def failure_of(status: int) -> api.GoogleAPICallError:
    error: api.GoogleAPICallError = api.from_http_status(status, "said")
    return error


def _raise(error: Exception) -> NoReturn:
    raise error

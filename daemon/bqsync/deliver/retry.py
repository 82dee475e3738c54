"""
How a failed call is tried again: the one module that knows tenacity.

The clients' own retry loops are switched off, so that one rule for each kind of error decides (`bqsync.errors.RULES`)
and its waits stand in one table, `WAITS`. Where BigQuery says how long it wants to be left alone, no try comes earlier.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from threading import Event
from types import MappingProxyType
from typing import TypeVar

import tenacity

from bqsync.deliver.translate import VENDOR_ERRORS, translate
from bqsync.errors import RULES, BqsyncError, ErrorKind, Retry

T = TypeVar("T")
OnRetry = Callable[[BqsyncError, int, float], None]
NO_PATIENCE: Mapping[ErrorKind, float] = MappingProxyType({})
CONNECT_BUDGET_S = 6.0
"""So that a one-shot command with a dead endpoint ends under 10 s in all."""
_LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Waits:
    """An exponential back-off with full jitter, in seconds."""

    first: float
    """The most that the first wait takes; every further one may take twice the one before."""
    longest: float
    total: float
    """No wait begins that would end later than this after the first failure under the rule."""

    def before(self, attempt: int) -> float:
        """
        How long to wait after the failed attempt of that number, counted from 1.

        Full jitter: anything up to the bound, so that clients that failed together do not come back together.
        Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
        """
        return random.uniform(0.0, self.bound(attempt))  # noqa: S311 (no secret hangs on it)

    def bound(self, attempt: int) -> float:
        """The most that the wait after that attempt takes."""
        return min(self.longest, self.first * 2.0 ** min(attempt - 1, 32))


WAITS: Mapping[Retry, Waits] = MappingProxyType({
    Retry.SOON: Waits(first=0.2, longest=10.0, total=60.0),
    Retry.CONNECT: Waits(first=0.2, longest=2.0, total=CONNECT_BUDGET_S),
    Retry.SLOWLY: Waits(first=2.0, longest=60.0, total=300.0),
})
RESIDENT_WAITS: Mapping[Retry, Waits] = MappingProxyType({
    **WAITS,
    Retry.SOON: replace(WAITS[Retry.SOON], total=20.0),
    Retry.SLOWLY: replace(WAITS[Retry.SLOWLY], total=40.0),
})
"""
The same for a process that comes back by itself: a table that goes on trying keeps its place from the others, and its
pauses between two cycles grow where no place is kept.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """
    Calls BigQuery and tries again as the kind of each failure asks. Without state, so threads may share one.

    Attributes:
        connect_budget_s: how long to go on while nothing answers at the other end.
        stop: once set, no wait begins and the one under way ends: the failure in hand is raised.
        on_retry: told of each wait before it begins (the failure, number of the failed attempt, seconds), in the
            thread of the call.
        on_progress: told whenever an attempt begins, or an answer has come on a stream.
        waits: the table of waits, where a kind's rule asks for any.
    """

    connect_budget_s: float = CONNECT_BUDGET_S
    stop: Event = field(default_factory=Event)
    on_retry: OnRetry | None = None
    on_progress: Callable[[], None] = lambda: None
    waits: Mapping[Retry, Waits] = field(default_factory=lambda: WAITS)

    def call(
        self,
        operation: str,
        function: Callable[[], T],
        *,
        patience: Mapping[ErrorKind, float] = NO_PATIENCE,
        progress: Callable[[], object] | None = None,
        until: Event | None = None,
    ) -> T:
        """
        Return what `function` returns, as soon as it does.

        Args:
            operation: what is being tried, in words that follow "could not".
            function: raises BqsyncError or an exception of Google's clients; any other exception is not retried. It
                must pass `retry=None` and a `timeout` to the client.
            patience: kinds that are tried again here though their rule may say otherwise, as `Retry.SOON` and for so
                many seconds.
            progress: a value that changes when something was achieved; the series of waits then begins anew.
            until: ends the waits as `stop` does.

        Raises:
            BqsyncError: the last failure, when its rule asks for no further try or the time for it is over.
        """
        series = _Series(policy=self, patience=patience, progress=progress, until=until)

        def attempt() -> T:
            series.begin()
            self.on_progress()
            try:
                return function()
            except VENDOR_ERRORS as error:
                raise translate(operation, error) from error

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(series.is_retried), wait=series.next_wait, stop=series.is_over,
            before_sleep=series.report, sleep=series.sleep, reraise=True)
        return retrying(attempt)


@dataclass(slots=True)
class _Clock:
    """When the failures under one rule began, and how many there were."""

    since: float
    attempt: int = 0


class _Series:
    """The failures of one call: each rule has a clock of its own, and all begin anew when something was achieved."""

    def __init__(
        self, *, policy: Policy, patience: Mapping[ErrorKind, float], progress: Callable[[], object] | None,
        until: Event | None,
    ) -> None:
        self._policy = policy
        self._patience = patience
        self._progress = progress or (lambda: None)
        self._events = (policy.stop,) if until is None else (policy.stop, until)
        self._achieved = self._progress()
        self._clocks: dict[Waits, _Clock] = {}
        self._begun = 0.0
        self._failure: BqsyncError | None = None
        self._waits = Waits(first=0.0, longest=0.0, total=0.0)
        self._clock = _Clock(since=0.0)

    def begin(self) -> None:
        self._begun = time.monotonic()

    def is_retried(self, error: BaseException) -> bool:
        """Take note of a failure; tenacity asks this first, then for the wait, then whether it is over."""
        waits = self._waits_for(error.kind) if isinstance(error, BqsyncError) else None
        if waits is None or not isinstance(error, BqsyncError):
            return False
        achieved = self._progress()
        if achieved != self._achieved:
            self._achieved = achieved
            self._clocks.clear()
        self._failure, self._waits = error, waits
        # An attempt to connect may itself take seconds, and they count; an answer that took a minute to fail to come
        # must not use up the time for trying again.
        connects = error.kind not in self._patience and RULES[error.kind].retry is Retry.CONNECT
        self._clock = self._clocks.setdefault(waits, _Clock(since=self._begun if connects else time.monotonic()))
        self._clock.attempt += 1
        return True

    def next_wait(self, _state: tenacity.RetryCallState) -> float:
        asked_s = self._failure.retry_after_s if self._failure is not None else None
        return max(self._waits.before(self._clock.attempt), asked_s or 0.0)

    def is_over(self, state: tenacity.RetryCallState) -> bool:
        ends = time.monotonic() + state.upcoming_sleep
        return any(event.is_set() for event in self._events) or ends > self._clock.since + self._waits.total

    def report(self, state: tenacity.RetryCallState) -> None:
        if self._policy.on_retry is not None and self._failure is not None:
            self._policy.on_retry(self._failure, self._clock.attempt, state.upcoming_sleep)

    def sleep(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        *others, last = self._events
        while (left := deadline - time.monotonic()) > 0:
            # Two events can't be waited for at once: one is, and the other is looked at a few times a second.
            ended = last.wait(min(left, _LOOK_S) if others else left) or any(event.is_set() for event in others)
            if ended and self._failure is not None:
                raise self._failure

    def _waits_for(self, kind: ErrorKind) -> Waits | None:
        waits = self._policy.waits
        if kind in self._patience:
            return replace(waits[Retry.SOON], total=self._patience[kind])
        rule = RULES[kind].retry
        if rule is Retry.NEVER:
            return None
        return replace(waits[rule], total=self._policy.connect_budget_s) if rule is Retry.CONNECT else waits[rule]

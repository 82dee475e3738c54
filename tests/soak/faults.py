"""What goes wrong at BigQuery, and for how long."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

import grpc

from tests.hostile.actions import (
    Delay,
    Method,
    RefuseRows,
    Reset,
    RestFailure,
    RunLate,
    StorageFailure,
    Truncate,
    UnknownFor,
    When,
)
from tests.hostile.calls import FOREVER, Rule
from tests.model.faults import FAULTS as FAULTS_OF_THE_MODEL
from tests.model.faults import Fault
from tests.soak.report import Report, SoakError
from tests.soak.site import Site
from tests.soak.tables import REFUSED

_MERGE = "MERGE"
_IDLE_S = 60.0
_LOOK_S = 0.02
_AT_ONCE = 3


def _rest(status: int, reason: str, message: str) -> RestFailure:
    return RestFailure(status=status, reason=reason, message=message)


LIMITED = _rest(403, "rateLimitExceeded", "Exceeded rate limits: too many table update operations for this table")
SLOW_DOWN = StorageFailure(status=grpc.StatusCode.RESOURCE_EXHAUSTED, message="Exceeded quota", retry_after_s=0.2)

FAULTS = (
    *FAULTS_OF_THE_MODEL,
    Fault(Method.ANY, LIMITED),
    Fault(Method.ANY, _rest(403, "quotaExceeded", "Quota exceeded: partition modifications")),
    Fault(Method.JOBS_INSERT, _rest(400, "jobRateLimitExceeded", "Job exceeded rate limits"), _MERGE),
    Fault(Method.ANY, _rest(429, "rateLimitExceeded", "Too many requests")),
    Fault(Method.ANY, _rest(500, "internalError", "An internal error occurred")),
    Fault(Method.ANY, _rest(502, "", "<html><title>502 Bad Gateway</title></html>")),
    Fault(Method.ANY, _rest(503, "", "upstream connect error")),
    Fault(Method.ANY, _rest(401, "authError", "Invalid Credentials")),
    Fault(Method.ANY, _rest(403, "accessDenied", "Access Denied: Dataset soak")),
    Fault(Method.ANY, Reset(When.BEFORE)),
    Fault(Method.ANY, Reset(When.AFTER)),
    Fault(Method.ANY, Truncate()),
    Fault(Method.ANY, Delay(0.3)),
    Fault(Method.JOBS_INSERT, Delay(3.0), _MERGE),
    Fault(Method.APPEND_ROWS, Delay(2.0)),
    Fault(Method.JOBS_INSERT, RunLate(visible=True), _MERGE),
    Fault(Method.JOBS_INSERT, RunLate(), "SELECT 1"),
    Fault(Method.APPEND_ROWS, RefuseRows(REFUSED.encode())),
    Fault(Method.CREATE_WRITE_STREAM, UnknownFor(seconds=1.5)),
    Fault(Method.APPEND_ROWS, UnknownFor(calls=2)),
    Fault(Method.APPEND_ROWS, StorageFailure(status=grpc.StatusCode.NOT_FOUND, message="Stream not found")),
    Fault(Method.APPEND_ROWS, SLOW_DOWN),
    Fault(Method.CREATE_WRITE_STREAM, StorageFailure(status=grpc.StatusCode.UNAUTHENTICATED)),
    Fault(Method.CREATE_WRITE_STREAM, StorageFailure(status=grpc.StatusCode.PERMISSION_DENIED)),
    Fault(Method.APPEND_ROWS, StorageFailure(status=grpc.StatusCode.ABORTED, in_band=True)),
)


@dataclass(slots=True)
class _Planted:
    fault: Fault
    rule: Rule
    until_s: float


class Faults:
    """
    A few at a time, each for some seconds; now and then nothing answers at all, and now and then all is well.

    Args:
        site: whose proxy and relay it has.
        rng: decides about everything.
        report: what happens is told and counted there.
    """

    def __init__(self, site: Site, rng: random.Random, report: Report) -> None:
        self._site = site
        self._rng = rng
        self._report = report
        self._planted: list[_Planted] = []
        self._next_s = time.monotonic() + rng.uniform(2, 5)
        self._back_s: float | None = None
        """When the way to BigQuery is open again."""
        self._release_s: float | None = None

    def step(self) -> None:
        """Do what is to be done now."""
        now_s = time.monotonic()
        for planted in [one for one in self._planted if now_s >= one.until_s]:
            self._drop(planted)
        self._release(now_s)
        if self._back_s is not None and now_s >= self._back_s:
            self._site.open_way()
            self._back_s = None
        if now_s >= self._next_s:
            self._next_s = now_s + self._rng.choice((0.3, 0.6, 1.5, 5.0))
            if self._rng.random() < 0.06 and self._back_s is None:
                self._cut(now_s)
            elif len(self._planted) < _AT_ONCE:
                self._plant(now_s)

    def calm(self) -> None:
        """No fault any more: what was held has arrived, and nothing is under way."""
        for planted in list(self._planted):
            self._drop(planted)
        if self._back_s is not None:
            self._site.open_way()
            self._back_s = None
        self._site.hostile.release()
        deadline = time.monotonic() + _IDLE_S
        while not self._site.hostile.is_idle:
            if time.monotonic() > deadline:
                raise SoakError("a request is under way for a minute")
            time.sleep(_LOOK_S)
        self._site.hostile.release()

    def _plant(self, now_s: float) -> None:
        fault = self._rng.choice(FAULTS)
        seconds = self._rng.uniform(0.3, 7.0)
        rule = self._site.hostile.rule(
            fault.method, fault.action, holding=fault.holding, times=self._rng.choice((1, 2, 5, FOREVER)),
            share=self._rng.choice((1.0, 1.0, 0.5, 0.2)), rng=random.Random(self._rng.random()))
        self._planted.append(_Planted(fault, rule, now_s + seconds))

    def _drop(self, planted: _Planted) -> None:
        self._planted.remove(planted)
        self._site.hostile.drop(planted.rule)
        if planted.rule.fired:
            kind = type(planted.fault.action).__name__
            self._report.faults[kind] += planted.rule.fired
            self._report.say(f"fault: {planted.fault.method} {planted.fault.holding}: {_words(planted.fault.action)}, "
                             f"{planted.rule.fired} of {planted.rule.seen} calls")

    def _cut(self, now_s: float) -> None:
        seconds = self._rng.choice((0.5, 2.0, 8.0))
        self._site.close_way()
        self._back_s = now_s + seconds
        self._report.faults["outage"] += 1
        self._report.say(f"fault: nothing answers for {seconds} s")

    def _release(self, now_s: float) -> None:
        if not self._site.hostile.held_jobs:
            self._release_s = None
        elif self._release_s is None:
            self._release_s = now_s + self._rng.uniform(0.2, 8.0)
        elif now_s >= self._release_s:
            fates = ", ".join(released.fate for released in self._site.hostile.release())
            self._report.say(f"fault: jobs that were late arrive: {fates}")
            self._release_s = None


def _words(action: object) -> str:
    text = str(action)
    return text if len(text) <= 110 else f"{text[:110]}…"

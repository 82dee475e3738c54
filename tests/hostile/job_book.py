"""Which job ids are used, and which submissions are stuck on their way: the emulator keeps no book of either."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import StrEnum

from tests.hostile.actions import FailJob
from tests.hostile.http_upstream import RestRequest


class Fate(StrEnum):
    """What became of a submission that was held."""

    RAN = "ran"
    FAILED = "failed"
    """It ran, and its statement failed."""
    REFUSED = "refused"
    """Another job had taken its id meanwhile."""


@dataclass(frozen=True, slots=True)
class Held:
    """A submission that is stuck on its way."""

    request: RestRequest
    visible: bool


@dataclass(frozen=True, slots=True)
class Released:
    """A submission that was held, and what became of it."""

    job_id: str
    statement: str
    fate: Fate


class JobBook:
    """
    Thread-safe.

    Args:
        strict: refuse a job whose id was used, as BigQuery does; else it runs again, as on the emulator.
    """

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._lock = threading.Lock()
        self._used: set[str] = set()
        self._held: list[Held] = []
        self._failed: dict[str, tuple[RestRequest, FailJob]] = {}
        self._billed: dict[str, int] = {}

    def claim(self, job_id: str) -> bool:
        """Use an id; False if it is used already. No id is one that BigQuery makes up."""
        with self._lock:
            return self._claim(job_id)

    def hold(self, held: Held) -> bool:
        """Keep a submission; False if the job is to exist already, and its id is used."""
        with self._lock:
            if held.visible and not self._claim(held.request.job_id):
                return False
            self._held.append(held)
            return True

    def fail(self, request: RestRequest, failure: FailJob) -> bool:
        """Have a job failed; False if its id is used."""
        with self._lock:
            if not self._claim(request.job_id):
                return False
            self._failed[request.job_id] = request, failure
            return True

    def failed(self, job_id: str) -> tuple[RestRequest, FailJob] | None:
        """The submission of a job that was made to fail, and how it did."""
        with self._lock:
            return self._failed.get(job_id)

    def bill(self, job_id: str, size_bytes: int) -> None:
        """Have the resource of a job say that it was billed with so many bytes."""
        with self._lock:
            self._billed[job_id] = size_bytes

    def billed(self, job_id: str) -> int | None:
        """With how many bytes a job was billed; None where nobody has said so."""
        with self._lock:
            return self._billed.get(job_id)

    @property
    def held(self) -> list[Held]:
        """In the order in which they came."""
        with self._lock:
            return list(self._held)

    def let_go(self, held: Held) -> None:
        """Note that a submission is held no longer."""
        with self._lock:
            self._held.remove(held)

    def running(self, job_id: str) -> RestRequest | None:
        """The submission of a job that exists and has not ended."""
        requests = [held.request for held in self.held if held.visible]
        return next((request for request in requests if request.job_id == job_id), None)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._used.clear()
            self._held.clear()
            self._failed.clear()
            self._billed.clear()

    def _claim(self, job_id: str) -> bool:
        if job_id and job_id in self._used and self._strict:
            return False
        self._used.add(job_id)
        return True

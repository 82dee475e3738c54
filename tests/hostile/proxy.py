"""
A BigQuery that misbehaves: a proxy for both of its interfaces, in front of the emulator.

    actions.py        what can happen to a call
    calls.py          a call, and the rule that says what happens to it
    control.py        rules, records, death: what both sides share
    rest_side.py      REST; job_book.py: which jobs exist; http_upstream.py: its requests
    storage_side.py   gRPC; append_call.py: one append call
    rows.py           what was appended, and its envelope
"""

from __future__ import annotations

from tests.hostile.control import Control
from tests.hostile.job_book import Released
from tests.hostile.rest_side import RestSide
from tests.hostile.storage_side import StorageSide

from bqsync.embedded import Endpoints


class HostileBigQuery(Control):
    """
    Listens on two loopback ports until `stop`, and does as its rules say; without any it is the emulator.

    What the emulator lacks is always on: a job whose id was used is refused, and does not run again.

    Args:
        upstream: where the emulator listens.
        strict_jobs: false leaves repeated job ids to the emulator, which runs them again.
    """

    def __init__(self, upstream: Endpoints, *, strict_jobs: bool = True) -> None:
        super().__init__()
        self._rest = RestSide(self, upstream.rest, strict_jobs=strict_jobs)
        self._storage = StorageSide(self, upstream.grpc)
        self.endpoints = Endpoints(rest=self._rest.endpoint, grpc=self._storage.endpoint)

    def stop(self) -> None:
        """Stop listening; whatever is under way ends as for the dead."""
        self.dead = True
        self._rest.book.clear()
        self._rest.stop()
        self._storage.stop()

    def reset(self) -> None:
        """Begin anew: no rules, records, listeners or held jobs; alive."""
        super().reset()
        self._rest.book.clear()

    def release(self) -> list[Released]:
        """Have the submissions that are held arrive, in order; one whose id was used meanwhile is refused."""
        return self._rest.release()

    @property
    def is_idle(self) -> bool:
        """Whether no REST request is under way: that of a client which has died goes on without it."""
        return self._rest.is_idle

    @property
    def held_jobs(self) -> list[str]:
        """The ids of the submissions that are held."""
        return [held.request.job_id for held in self._rest.book.held]

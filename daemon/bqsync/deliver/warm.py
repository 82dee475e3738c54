"""
A staging table and a stream for the next chunk, made while there is nothing to send: no change has to wait for them.

Each has a keeper: a thread that makes it, drops what was used before, and replaces it before it expires. Where there is
none, a chunk makes its own. One that somebody else drops meanwhile costs its chunk one try.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bqsync.deliver import staging
from bqsync.deliver.append import AppendStream
from bqsync.errors import BqsyncError

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor_pb2 import DescriptorProto

    from bqsync.deliver.clients import Destination
    from bqsync.deliver.retry import Policy
    from bqsync.model import TableSpec, TargetRef

MOST_KEPT = 32
"""For so many targets: those that were written to last."""
RENEWED_AFTER_S = 12 * 3600.0
"""Half of the lifetime of a staging table."""
_OPENED_S = 60.0
_AWAITED_S = 1.0
"""For so long a chunk waits for one that is being made; its own would take as long."""
_CLOSED_S = 2.0
_HEEDED_S = 300.0
"""A refusal that is older slows down no cycle: no pace is longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the chunks of a table need."""

    spec: TableSpec
    into: TargetRef
    instance: str
    descriptor: DescriptorProto


@dataclass(slots=True, eq=False)
class _Spare:
    """One that is being made, or waits to be taken."""

    wanted: Wanted
    created_s: float = 0.0
    """By the wall clock."""
    table: TargetRef | None = None
    stream: AppendStream | None = None
    is_taken: bool = False
    """By a chunk, which drops it when it is done."""
    made: threading.Event = field(default_factory=threading.Event)
    """Made, or given up."""
    released: threading.Event = field(default_factory=threading.Event)
    """Its keeper has nothing more to do with it."""


class WarmStaging:
    """
    Keeps one staging table with an open stream for each target, as the chunks before have needed it.

    Args:
        destination: where.
        renewed_after_s: so long one is kept.
        most_kept: for so many targets; the place of the one that was written to the longest ago goes to another.
        now_s: the wall clock, by which a table expires; the one of the keepers stands still while the machine sleeps.
    """

    def __init__(
        self, destination: Destination, *, renewed_after_s: float = RENEWED_AFTER_S,
        most_kept: int = MOST_KEPT, now_s: Callable[[], float] = time.time,
    ) -> None:
        # One attempt for a table: a policy that has been told to stop begins no wait.
        told = threading.Event()
        told.set()
        self._at_once = replace(destination, policy=replace(destination.policy, stop=told, on_retry=None))
        self._destination = destination
        self._renewed_after_s = renewed_after_s
        self._most_kept = most_kept
        self._now_s = now_s
        self._lock = threading.Lock()
        self._spares: dict[TargetRef, _Spare] = {}
        self._refusals: dict[TargetRef, tuple[float, BqsyncError]] = {}
        """When BigQuery has asked for fewer calls, by the wall clock: the next chunk of the target is to know."""
        self._keepers: set[threading.Thread] = set()
        self._is_closed = False

    def take(self, spec: TableSpec, into: TargetRef, policy: Policy) -> tuple[TargetRef, AppendStream] | None:
        """
        What was made for the next chunk of a target; None where nothing fits.

        Args:
            spec: its mapping: one that was made for another does not fit.
            into: the target.
            policy: of the cycle, for the stream from now on; told where BigQuery has asked for fewer calls meanwhile.
        """
        with self._lock:
            spare = self._spares.get(into)
        is_fit = spare is not None and spare.wanted.spec == spec
        if spare is not None and is_fit:
            spare.made.wait(_AWAITED_S)
        self._tell_refusal(into, policy)
        if spare is None or (is_fit and not spare.made.is_set()) or not self._withdraw(spare):
            return None
        table, stream = spare.table, spare.stream
        spare.is_taken = (table is not None and stream is not None and stream.is_open and is_fit
                          and 0 <= self._now_s() - spare.created_s < self._renewed_after_s)
        spare.released.set()  # its keeper drops what is not taken
        if table is None or stream is None or not spare.is_taken:
            return None
        stream.hand_over(policy)
        return table, stream

    def prepare(self, wanted: Wanted, used: str) -> None:
        """
        Make one for the next chunk, then drop the table that was used for the last; returns at once.

        Args:
            wanted: as the last chunk needed it.
            used: `project.dataset.table`.
        """
        with self._lock:
            spare = None if self._is_over or wanted.into in self._spares else _Spare(wanted)
            # A daemon thread: one that hangs must not keep the process from ending.
            keeper = threading.Thread(target=self._keep, args=(spare, used), name="staging", daemon=True)
            is_kept = _starts(keeper)
            if is_kept:
                self._keepers = {one for one in self._keepers if one.is_alive()} | {keeper}
            if is_kept and spare is not None:
                while len(self._spares) >= self._most_kept:
                    self._spares.pop(next(iter(self._spares))).released.set()
                self._spares[wanted.into] = spare
        if not is_kept:
            staging.drop(self._destination, used)

    def close(self) -> None:
        """Drop what was made and not used, in a moment's time; what is left is swept at the next start, or expires."""
        with self._lock:
            self._is_closed = True
            for spare in self._spares.values():
                spare.released.set()
            self._spares.clear()  # else a chunk could take one that its keeper is about to drop
            keepers = list(self._keepers)
        until_s = time.monotonic() + _CLOSED_S
        for keeper in keepers:
            keeper.join(max(0.0, until_s - time.monotonic()))

    def _keep(self, spare: _Spare | None, used: str) -> None:
        if spare is not None:
            self._make(spare)
        staging.drop(self._destination, used)
        while spare is not None:
            is_due = not spare.released.wait(self._renewed_after_s) and self._withdraw(spare)
            if not is_due:
                spare.released.wait()
                self._withdraw(spare)
            if not spare.is_taken:
                _let_go(self._destination, spare)
            spare = self._renewed(spare.wanted) if is_due else None

    @property
    def _is_over(self) -> bool:
        """Whether nobody will take what would be made now."""
        return self._is_closed or self._destination.policy.stop.is_set()

    def _withdraw(self, spare: _Spare) -> bool:
        """Whether it was still there to be taken: from now on, nobody else can."""
        with self._lock:
            if self._spares.get(spare.wanted.into) is not spare:
                return False
            del self._spares[spare.wanted.into]
            return True

    def _renewed(self, wanted: Wanted) -> _Spare | None:
        spare = _Spare(wanted)
        with self._lock:
            if self._is_over or wanted.into in self._spares or len(self._spares) >= self._most_kept:
                return None
            # In front: the place of a target that is not written to is the first to be given to another.
            self._spares = {wanted.into: spare, **self._spares}
        self._make(spare)
        return spare

    def _make(self, spare: _Spare) -> None:
        wanted = spare.wanted
        spare.created_s = self._now_s()
        try:
            table = staging.create(self._at_once, wanted.spec, wanted.into, wanted.instance)
            spare.table = table
            if spare.released.is_set():
                return  # while it was made, everything was closed, the channel for its stream with it
            spare.stream = open_stream(self._noting(wanted.into), table, wanted.descriptor)
            spare.stream.wait_open(_OPENED_S)
        except BqsyncError as error:
            # The next chunk makes its own, and tells what it meets.
            self._note(wanted.into, error)
            spare.released.set()
        finally:
            spare.made.set()

    def _noting(self, into: TargetRef) -> Destination:
        """The destination, with its waits noted: a call that is tried again was refused first."""
        policy = self._destination.policy

        def note(failure: BqsyncError, attempt: int, wait_s: float) -> None:
            # What asks for fewer calls is told once, to the cycle that it is to slow down.
            if not self._note(into, failure) and policy.on_retry is not None:
                policy.on_retry(failure, attempt, wait_s)

        return replace(self._destination, policy=replace(policy, on_retry=note))

    def _note(self, into: TargetRef, failure: BqsyncError) -> bool:
        """Whether it asks for fewer calls: then the next chunk is told."""
        if failure.rule.asks_for_fewer_calls:
            with self._lock:
                self._refusals[into] = self._now_s(), failure
        return failure.rule.asks_for_fewer_calls

    def _tell_refusal(self, into: TargetRef, policy: Policy) -> None:
        with self._lock:
            at_s, refusal = self._refusals.pop(into, (0.0, None))
        if refusal is not None and policy.on_retry is not None and 0 <= self._now_s() - at_s <= _HEEDED_S:
            policy.on_retry(refusal, 1, 0.0)


def open_stream(destination: Destination, into: TargetRef, descriptor: DescriptorProto) -> AppendStream:
    """Open the way of rows into a staging table."""
    path = f"projects/{into.project}/datasets/{into.dataset}/tables/{into.table}"
    return AppendStream(destination.write, path, descriptor, policy=destination.policy, renew=destination.renew)


def _starts(thread: threading.Thread) -> bool:
    """Whether it could be started: a machine may have no room for one more."""
    try:
        thread.start()
    except RuntimeError:
        return False
    return True


def _let_go(destination: Destination, spare: _Spare) -> None:
    if spare.stream is not None:
        spare.stream.close()
    if spare.table is not None:
        staging.drop(destination, str(spare.table))

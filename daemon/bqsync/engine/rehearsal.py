"""A cycle rehearsed: it reads source and BigQuery as ever, and whatever it would change is only written down."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from google.protobuf.descriptor_pb2 import DescriptorProto

from bqsync.deliver import evolution, staging, target
from bqsync.deliver.clients import Destination
from bqsync.deliver.evolution import Evolution
from bqsync.deliver.jobs import IntentLog, Settled
from bqsync.deliver.past_job import JobEnd, look_up
from bqsync.deliver.schema import target_fields
from bqsync.deliver.target import TargetState
from bqsync.model import (
    MARK_COLUMN,
    ColumnSpec,
    DeletePolicy,
    FramedRows,
    Intent,
    MergeResult,
    Partitioning,
    TableSpec,
    TargetRef,
    WireValue,
)

_AS_MANY_AS_STAGED = 1 << 62
"""Rows that a rehearsed MERGE has changed: never fewer than there were."""
_OUTCOMES: Mapping[JobEnd, Literal["done", "failed", "never ran"]] = {
    JobEnd.UNKNOWN: "never ran", JobEnd.FAILED: "failed", JobEnd.RUNNING: "done", JobEnd.DONE: "done",
}


class CountingStream:
    """Takes rows, and only counts them."""

    def __init__(self) -> None:
        self._rows = 0

    def append(self, rows: Sequence[bytes] | FramedRows) -> None:
        """Count some rows."""
        self._rows += len(rows)

    def finish(self) -> int:
        """How many there were."""
        return self._rows

    def close(self) -> None:
        """There is nothing to let go of."""


@dataclass(slots=True, kw_only=True)
class Changes:
    """What a cycle would change of one target."""

    created: bool = False
    adopted: bool = False
    columns_added: tuple[str, ...] = ()
    """Name and type of each, as `note TEXT`; of a target that would be created, all of them."""
    columns_widened: tuple[str, ...] = ()
    """Name and new type of each."""
    columns_relaxed: tuple[str, ...] = ()
    """Names of those that would take NULL from then on."""
    primary_key: tuple[str, ...] | None = None
    """The new one; None where it would stay as it is."""
    keys_read: bool = False
    """Its keys would be read, since the ledger does not speak of it."""
    merges: int = 0
    statement: str | None = None
    """The text of the first MERGE."""
    spec: TableSpec | None = None
    """The mapping that it was made of."""


class Rehearsing:
    """
    The effects of a cycle that is rehearsed; for all tables of a session, from several threads.

    Args:
        destination: where it looks.

    Attributes:
        changes: what would be done, by the name of the target.
        settled: the MERGEs of earlier runs whose end is not noted, by job id, and how they stand.
    """

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._staged: dict[str, TargetRef] = {}
        self.changes: defaultdict[str, Changes] = defaultdict(Changes)
        self.settled: dict[str, JobEnd] = {}

    def through(self, destination: Destination) -> Rehearsing:  # noqa: ARG002 - of `Effects`
        """The same: nobody is to be told what a plan has cost."""
        return self

    def settle(self, intent: Intent) -> Settled:
        """How the job stands. One that is running is taken for done, since a cycle would wait for it."""
        end = look_up(self._destination, intent.job_id)
        self.settled[intent.job_id] = end
        return Settled(outcome=_OUTCOMES[end], created_us=0, bytes_billed=0)

    def create_target(self, spec: TableSpec, row_id: str | None) -> TargetState:
        """The target as it would be created."""
        fields = target_fields(spec)
        ref = target.target_ref(self._destination, spec)
        changes = self.changes[ref.table]
        changes.created = True
        changes.columns_added = tuple(f"{one['name']} {one['type']}" for one in fields)
        return TargetState(
            ref=ref, created_us=0, types={one["name"].lower(): one["type"] for one in fields},
            required=frozenset(one["name"].lower() for one in fields if one["mode"] == "REQUIRED"), narrow={},
            managed=True, row_id=row_id, partitioning=spec.partitioning,
        )

    def adopt_target(self, found: TargetState, row_id: str | None) -> TargetState:
        """The target as it would be taken over."""
        self.changes[found.ref.table].adopted = True
        return replace(found, managed=True, row_id=row_id)

    def evolve_target(self, spec: TableSpec, found: TargetState, delivered: Collection[str]) -> Evolution:
        """The target with the columns and types that it would get."""
        evolved = evolution.foresee(self._destination, spec, found, delivered)
        changes = self.changes[found.ref.table]
        if not changes.created:
            changes.columns_added = tuple(f"{name} {evolved.state.types[name.lower()]}" for name in evolved.added)
            changes.columns_widened, changes.columns_relaxed = evolved.widened, evolved.relaxed
            changes.primary_key = evolved.primary_key
        return evolved

    def target_rows(
        self, ref: TargetRef, columns: Sequence[ColumnSpec], policy: DeletePolicy, partitioning: Partitioning | None
    ) -> Iterator[list[tuple[WireValue, ...]]]:
        """What the target holds; nothing under columns that it would get first."""
        changes = self.changes[ref.table]
        changes.keys_read = True
        added = {one.split()[0] for one in changes.columns_added}
        if any(column.target_name in added for column in columns):
            return iter(())
        # Nothing is marked in a column that is not there yet.
        unmarked = DeletePolicy.DELETE if MARK_COLUMN in added else policy
        return target.rows(self._destination, ref, columns, policy=unmarked, partitioning=partitioning)

    def create_staging(self, spec: TableSpec, into: TargetRef, instance: str) -> TargetRef:
        """A table that stands for the one which would be created."""
        self.changes[into.table].spec = spec
        ref = TargetRef(project=self._destination.project, dataset=self._destination.staging_dataset,
                        table=staging.example_name(instance, into))
        self._staged[ref.table] = into
        return ref

    def open_stream(
        self, into: TargetRef, descriptor: DescriptorProto,  # noqa: ARG002 - of `Effects`
    ) -> CountingStream:
        """Somewhere for the rows."""
        return CountingStream()

    def merge(
        self, statement: str, source: TargetRef, intents: IntentLog,  # noqa: ARG002 - of `Effects`
    ) -> MergeResult:
        """A MERGE that found every row as it had to."""
        changes = self.changes[self._staged[source.table].table]
        changes.merges += 1
        changes.statement = changes.statement or statement
        return MergeResult(job_id="", affected_rows=_AS_MANY_AS_STAGED, bytes_billed=0, created_us=0)

    def drop_staging(self, table: str) -> None:
        """Nothing is there."""

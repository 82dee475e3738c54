"""
What a cycle does to BigQuery, beside reading: the one place where its hands are.

A cycle asks its session's `Effects` for every change. `Delivering` makes them; a rehearsal has others in its place that
only write down what was asked, so that `bqsync plan` runs the very cycle that `bqsync sync` runs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from google.protobuf.descriptor_pb2 import DescriptorProto

from bqsync.deliver import evolution, jobs, staging, target
from bqsync.deliver.append import AppendStream
from bqsync.deliver.clients import Destination
from bqsync.deliver.evolution import Evolution
from bqsync.deliver.jobs import IntentLog, Settled
from bqsync.deliver.streams import StreamGroup
from bqsync.deliver.target import TargetState
from bqsync.deliver.warm import Wanted, WarmStaging, open_stream
from bqsync.model import (
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


class RowStream(Protocol):
    """Takes the serialized rows of one staging table."""

    def append(self, rows: Sequence[bytes] | FramedRows) -> None:
        """Send some rows, in their order."""

    def finish(self) -> int:
        """Return once all of them have arrived: how many there are."""

    def close(self) -> None:
        """Let go of it, finished or not."""


class Effects(Protocol):
    """Every change of BigQuery that a cycle makes. Failures are `BqsyncError`s, as in `deliver/`."""

    def through(self, destination: Destination) -> Effects:
        """The same effects by way of a destination whose statements somebody counts."""

    def settle(self, intent: Intent) -> Settled:
        """See a MERGE of an earlier run to its end; see `jobs.settle`."""

    def create_target(self, spec: TableSpec, row_id: str | None) -> TargetState:
        """Create the target of a table; see `target.create`."""

    def adopt_target(self, found: TargetState, row_id: str | None) -> TargetState:
        """Take over a target that somebody else made; the target as it stands then."""

    def evolve_target(self, spec: TableSpec, found: TargetState, delivered: Collection[str]) -> Evolution:
        """Give a target the columns and types of its mapping; see `evolution.evolve`."""

    def target_rows(
        self, ref: TargetRef, columns: Sequence[ColumnSpec], policy: DeletePolicy, partitioning: Partitioning | None
    ) -> Iterator[list[tuple[WireValue, ...]]]:
        """What the target holds once it has its columns; see `target.rows`."""

    def create_staging(self, spec: TableSpec, into: TargetRef, instance: str) -> TargetRef:
        """Create the staging table of a chunk."""

    def open_stream(self, into: TargetRef, descriptor: DescriptorProto) -> RowStream:
        """Open the way of rows into a staging table."""

    def merge(self, statement: str, source: TargetRef, intents: IntentLog) -> MergeResult:
        """Run one MERGE to its end; see `jobs.run_merge`."""

    def drop_staging(self, table: str) -> None:
        """Drop a staging table, `project.dataset.table`; a failure is no failure of the chunk."""


class Delivering:
    """
    The effects of a cycle that delivers.

    Args:
        destination: where.
        warm: staging tables that are made before they are needed, where somebody stays to need them.
    """

    def __init__(self, destination: Destination, warm: WarmStaging | None = None) -> None:
        self._destination = destination
        self._warm = warm
        self._taken: dict[TargetRef, AppendStream] = {}
        """Streams of warm staging tables that were taken and not asked for yet."""
        self._wanted: dict[str, Wanted] = {}
        """What each staging table that is in use was made for, by its full name."""
        self._made_for: dict[TargetRef, tuple[TableSpec, TargetRef, str]] = {}

    def through(self, destination: Destination) -> Delivering:
        """As in `Effects`."""
        return Delivering(destination, self._warm)

    def settle(self, intent: Intent) -> Settled:
        """As in `Effects`."""
        return jobs.settle(self._destination, intent)

    def create_target(self, spec: TableSpec, row_id: str | None) -> TargetState:
        """As in `Effects`."""
        return target.create(self._destination, spec, row_id)

    def adopt_target(self, found: TargetState, row_id: str | None) -> TargetState:
        """As in `Effects`."""
        target.adopt(self._destination, found, row_id)
        return replace(found, managed=True, row_id=row_id)

    def evolve_target(self, spec: TableSpec, found: TargetState, delivered: Collection[str]) -> Evolution:
        """As in `Effects`."""
        return evolution.evolve(self._destination, spec, found, delivered)

    def target_rows(
        self, ref: TargetRef, columns: Sequence[ColumnSpec], policy: DeletePolicy, partitioning: Partitioning | None
    ) -> Iterator[list[tuple[WireValue, ...]]]:
        """As in `Effects`."""
        return target.rows(self._destination, ref, columns, policy=policy, partitioning=partitioning)

    def create_staging(self, spec: TableSpec, into: TargetRef, instance: str) -> TargetRef:
        """As in `Effects`."""
        found = None if self._warm is None else self._warm.take(spec, into, self._destination.policy)
        if found is not None:
            table, self._taken[table] = found
        else:
            table = staging.create(self._destination, spec, into, instance)
        self._made_for[table] = spec, into, instance
        return table

    def open_stream(self, into: TargetRef, descriptor: DescriptorProto) -> RowStream:
        """As in `Effects`."""
        spec, target_ref, instance = self._made_for.pop(into)
        self._wanted[str(into)] = Wanted(spec=spec, into=target_ref, instance=instance, descriptor=descriptor)
        def opened() -> AppendStream:
            return open_stream(self._destination, into, descriptor)

        taken = self._taken.pop(into, None)
        return StreamGroup(opened() if taken is None else taken, opened)

    def merge(self, statement: str, source: TargetRef, intents: IntentLog) -> MergeResult:
        """As in `Effects`."""
        return jobs.run_merge(self._destination, statement, source, intents)

    def drop_staging(self, table: str) -> None:
        """As in `Effects`."""
        wanted = self._wanted.pop(table, None)
        if self._warm is not None and wanted is not None:
            self._warm.prepare(wanted, table)
        else:
            staging.drop(self._destination, table)

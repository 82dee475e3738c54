"""Existing targets follow their mapping: columns are added, widened, let take NULL; or the table is refused."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from google.cloud import bigquery

from bqsync.deliver import target
from bqsync.deliver.clients import CALL_TIMEOUT_S, NO_RETRY, Destination
from bqsync.deliver.merge_sql import add_column_statement
from bqsync.deliver.queries import is_any, run_statement
from bqsync.deliver.schema import missing_fields, primary_key
from bqsync.deliver.target import TargetState
from bqsync.deliver.widening import (
    Obstacle,
    Widening,
    add_key_statement,
    altered_values_statement,
    drop_key_statement,
    judge,
    refusal,
    relax_column_statement,
    unasked,
    widening_statements,
)
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import TableSpec, TargetRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Evolution:
    """A target as it stands after it has followed its mapping, and what was done to it."""

    state: TargetState
    added: tuple[str, ...] = ()
    widened: tuple[str, ...] = ()
    """Each as `name type`, the type being the new one."""
    relaxed: tuple[str, ...] = ()
    primary_key: tuple[str, ...] | None = None
    """The new one; None where it stays as it was."""

    @property
    def changes(self) -> dict[str, list[str]]:
        """What was done, by the field of the event that tells it."""
        found = {"columns": self.added, "widened": self.widened, "relaxed": self.relaxed}
        key = {} if self.primary_key is None else {"primary_key": list(self.primary_key)}
        return key | {name: list(columns) for name, columns in found.items() if columns}


def check_unaltered(spec: TableSpec, state: TargetState) -> None:
    """
    See that a target which somebody else made can be written to as it is.

    Raises:
        BqsyncError: TARGET_INCOMPATIBLE.
    """
    widenings, obstacles = judge(spec, state)
    if obstacles:
        raise refusal(spec, state, obstacles)
    if widenings:
        raise unasked(widenings, state.ref)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Steps:
    """What is to be done to a target."""

    widenings: Sequence[Widening]
    relaxed: Sequence[str]
    missing: Sequence[dict[str, Any]]
    primary_key: Sequence[str] | None
    """The new one; None where it stays as it is."""

    @property
    def are_none(self) -> bool:
        """The target is what it has to be."""
        return not (self.widenings or self.relaxed or self.missing or self.primary_key is not None)

    def done(self, state: TargetState) -> Evolution:
        """What they come to, and the target as it stands then."""
        return Evolution(
            state=state, primary_key=None if self.primary_key is None else tuple(self.primary_key),
            added=tuple(field["name"] for field in self.missing),
            widened=tuple(f"{one.column.target_name} {one.column.target_type.value}" for one in self.widenings),
            relaxed=(*self.relaxed, *(one.column.target_name for one in self.widenings if one.is_required)),
        )


def evolve(destination: Destination, spec: TableSpec, state: TargetState, delivered: Collection[str] = ()) -> Evolution:
    """
    Give a target of ours the columns and types that its mapping has.

    Args:
        destination: where it is.
        spec: the mapping.
        state: the target as it stands.
        delivered: target columns that were ever delivered; one that is gone from the source has to take NULL.

    Raises:
        BqsyncError: TARGET_INCOMPATIBLE, where a column exists with a type that can't become that of the mapping
            without altering values, or a REQUIRED one never had a source. Nothing has been altered then.
    """
    steps = _steps(destination, spec, state, delivered)
    if steps.are_none:
        return Evolution(state=state)
    if steps.primary_key is not None:
        # First of all: from now on rows may stand there that do not keep it, and BigQuery's optimizer believes it.
        run_statement(destination, drop_key_statement(state.ref))
    for name in steps.relaxed:
        run_statement(destination, relax_column_statement(state.ref, name))
    for widening in steps.widenings:
        _widen(destination, spec, state, widening)
    for field in steps.missing:  # one at a time: not every engine takes several in one statement
        run_statement(destination, add_column_statement(state.ref, field["name"], field["type"]))
    if steps.primary_key:
        run_statement(destination, add_key_statement(state.ref, steps.primary_key))
    return steps.done(_altered(destination, spec, state.ref))


def foresee(
    destination: Destination, spec: TableSpec, state: TargetState, delivered: Collection[str] = ()
) -> Evolution:
    """
    What `evolve` would do, and the target as it would stand then; only read.

    Raises:
        BqsyncError: as `evolve`.
    """
    steps = _steps(destination, spec, state, delivered)
    evolved = steps.done(state)
    types = {one.column.target_name.lower(): one.column.target_type.value for one in steps.widenings}
    types |= {field["name"].lower(): field["type"] for field in steps.missing}
    narrow = {name: declared for name, declared in state.narrow.items() if name not in types}
    after = replace(state, types=state.types | types, narrow=narrow, required=state.required - _lower(evolved.relaxed),
                    primary_key=state.primary_key if evolved.primary_key is None else evolved.primary_key)
    return replace(evolved, state=after)


def _steps(destination: Destination, spec: TableSpec, state: TargetState, delivered: Collection[str]) -> _Steps:
    widenings, obstacles = judge(spec, state)
    obstacles += _altering(destination, state, widenings)
    if obstacles:
        raise refusal(spec, state, obstacles)
    is_key_untrue = bool(state.primary_key) and _lower(state.primary_key) != _lower(primary_key(spec))
    return _Steps(
        widenings=widenings, relaxed=_gone_required(spec, state, delivered),
        missing=missing_fields(spec, state.types), primary_key=primary_key(spec) if is_key_untrue else None,
    )


def _lower(names: Collection[str]) -> set[str]:
    return {name.lower() for name in names}


def _altering(destination: Destination, state: TargetState, widenings: Sequence[Widening]) -> list[Obstacle]:
    return [Obstacle(one.column, one.there, f"and it holds values that {one.column.target_type.value} would alter")
            for one in widenings
            if one.inexact and is_any(
                destination, altered_values_statement(state.ref, one.inexact, state.partitioning))]


def _gone_required(spec: TableSpec, state: TargetState, delivered: Collection[str]) -> list[str]:
    """Columns that refuse NULL and whose source column is gone."""
    unknown = state.required - {column.target_name.lower() for column in spec.columns}
    theirs = unknown - _lower(delivered)
    if theirs:
        raise _unknown_required(state.ref, sorted(theirs))
    return sorted(unknown)


def _widen(destination: Destination, spec: TableSpec, state: TargetState, widening: Widening) -> None:
    try:
        for statement in widening_statements(state.ref, widening):
            run_statement(destination, statement)
    except BqsyncError as error:
        if error.kind is not ErrorKind.BIGQUERY_JOB_FAILED:
            raise
        # BigQuery knows reasons that are documented nowhere; its word for it, and the ways that are left.
        raise refusal(spec, state, [Obstacle(widening.column, widening.there, error.why)]) from error


def _altered(destination: Destination, spec: TableSpec, ref: TargetRef) -> TargetState:
    after = target.read_existing(destination, ref)
    if left := missing_fields(spec, after.types):
        # Some engines change the table and not its resource: say it there as well.
        _patch_schema(destination, ref, left)
        after = target.read_existing(destination, ref)
    return after


def _patch_schema(destination: Destination, ref: TargetRef, missing: Sequence[dict[str, Any]]) -> None:
    def patch() -> None:
        table = destination.rest.get_table(str(ref), retry=NO_RETRY, timeout=CALL_TIMEOUT_S)
        added: list[Any] = [bigquery.SchemaField.from_api_repr(field) for field in missing]
        table.schema = [*table.schema, *added]
        destination.rest.update_table(table, ["schema"], retry=NO_RETRY, timeout=CALL_TIMEOUT_S)

    destination.policy.call(f"add columns to {ref}", patch)


def _unknown_required(ref: TargetRef, names: Sequence[str]) -> BqsyncError:
    return BqsyncError(
        ErrorKind.TARGET_INCOMPATIBLE, what=f"table {ref} has REQUIRED columns that the source lacks",
        why=f"no value could be inserted for {', '.join(names)}",
        fix="relax them: " + "; ".join(relax_column_statement(ref, name) for name in names),
    )

"""The target of a cycle: made, adopted, given its columns, and trusted or read anew."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from bqsync.config import TableSection
from bqsync.deliver import evolution, queries, target
from bqsync.deliver.partitions import described
from bqsync.deliver.target import TargetState
from bqsync.encode.mapping import with_target
from bqsync.encode.partitions import partition_column
from bqsync.encode.row_ids import columns_of, signature
from bqsync.encode.rows import RowEncoder
from bqsync.engine.session import PreparedTarget, Session
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import MARK_COLUMN, ColumnSpec, DeletePolicy, SweepPolicy, TableSpec, TargetKey, TimestampFormat
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger
from bqsync.state.ledger import Ledger
from bqsync.state.tables import TableState, TrustedTarget
from bqsync.state.watermarks import Watermarks

_log = get_logger()


_KEPT_S = 60.0
"""For so long a target that was looked at is taken to be as it was."""


class TargetPreparation:
    """
    Prepares the target of one table.

    Args:
        session: open source, state and destination.
        section: the table's configuration.
        state: of the table.
        ledger: of the table.
    """

    def __init__(self, session: Session, section: TableSection, state: TableState, ledger: Ledger) -> None:
        self._session = session
        self._section = section
        self._state = state
        self._ledger = ledger

    def prepare(self, spec: TableSpec, *, adopt: bool, full: bool) -> PreparedTarget:
        """
        Bring the target into the form of the mapping.

        Args:
            spec: the mapping as the source has it.
            adopt: take over a target that somebody else made.
            full: trust nothing of what the state knows.

        Raises:
            BqsyncError: TARGET_FOREIGN, TARGET_INCOMPATIBLE, or a failure of BigQuery.
        """
        if full:
            self._state.distrust()
            Watermarks(self._state.store, self._state.table_id).forget()
        destination = self._session.destination
        found = target.read(destination, target.target_ref(destination, spec))
        is_new = found is None
        if found is None:
            found = self._session.effects.create_target(spec, _new_row_id(spec))
            _log.info(Event.TARGET_CREATED, table=spec.source_name, target=str(found.ref), columns=len(spec.columns))
        elif not found.managed:
            found = self._adopt(spec, found, asked=adopt)
        if not is_new:
            self._distrust_what_is_added(spec, found)
        known_by = known_columns(spec, found)
        evolved = self._session.effects.evolve_target(spec, found, self._state.target_names().values())
        found = evolved.state
        if evolved.changes:
            _log.info(Event.TARGET_ALTERED, table=spec.source_name, target=str(found.ref), **evolved.changes)
        wanted, spec = spec, with_target(spec, found.required, self._gone_columns(spec, found),
                                         found.partitioning)
        encoder = RowEncoder(spec, self._session.zone)
        self._trust(encoder, found, is_new=is_new)
        return PreparedTarget(wanted=wanted, encoder=encoder, found=found, known_by=known_by,
                              until_s=time.monotonic() + _KEPT_S,
                              warnings=tuple(unwanted_partitioning(wanted, found)))

    def _adopt(self, spec: TableSpec, found: TargetState, *, asked: bool) -> TargetState:
        destination = self._session.destination
        has_rows = (spec.contents or not asked) and target.has_rows(destination, found.ref,
                                                                                   found.partitioning)
        if has_rows and not asked:
            raise BqsyncError(
                ErrorKind.TARGET_FOREIGN, what=f"table {found.ref} exists, holds rows, and was not made by bqsync",
                why="rows that the source lacks would be deleted from it",
                fix=f"if it is meant to become a copy: bqsync sync {self._section.name} --adopt; else choose another "
                "`target` for the table",
            )
        if has_rows:
            known_columns(spec, found)
        evolution.check_unaltered(spec, found)
        # Rows that are there keep their ids: they go by the columns of the time when they came.
        row_id = found.row_id if has_rows else _new_row_id(spec)
        return self._session.effects.adopt_target(found, row_id)

    def _distrust_what_is_added(self, spec: TableSpec, found: TargetState) -> None:
        """
        See which columns of the target hold something else than the ledger believes.

        One that the target lacks though it was delivered before, under this or another name, holds nothing there; one
        that it has though this source column was never delivered to it holds what somebody else put there, another
        column, or a state that was lost.
        No fingerprint tells: the rows are what they were. And a key that the target lacks can't be found in it.
        """
        delivered = self._state.target_names()
        lacking = [column for column in spec.columns if column.target_name.lower() not in found.types]
        if any(column.source_name in spec.key for column in lacking) and target.has_rows(
            self._session.destination, found.ref, found.partitioning
        ):
            raise BqsyncError(
                ErrorKind.TARGET_INCOMPATIBLE, what=f"table {found.ref} lacks the key of {spec.source_name}",
                why=f"the key is ({', '.join(spec.key)}), as after a key column was renamed; no row there has it",
                # BigQuery renames no column of a primary key or of the clustering.
                fix="keep the name that it has there: a message for the table whose key field has the option "
                f"(gen_bq_schema.bigquery).name; or DROP TABLE {found.ref.sql} and sync again; or choose another "
                "`target`",
            )
        # And one that is new here, and there already: to the ledger, a row without it is one that is NULL in it. Or one
        # that has the place of another: not a byte of its rows has changed.
        is_filled = any(delivered.get(column.source_name) != column.target_name and column not in lacking
                        for column in spec.columns)
        if any(column.source_name in delivered for column in lacking) or (delivered and is_filled):
            self._state.distrust()

    def _gone_columns(self, spec: TableSpec, found: TargetState) -> tuple[str, ...]:
        """Target columns whose source column was dropped: they stay, and go NULL with every row that is sent."""
        known = self._state.target_names()
        self._state.record_targets([(column.source_name, column.target_type, column.target_name)
                                    for column in spec.columns])
        return gone_columns(spec, found, known.values())

    def _trust(self, encoder: RowEncoder, found: TargetState, *, is_new: bool) -> None:
        """A ledger speaks of one target. Of any other, the keys are read before anything is compared."""
        spec = encoder.spec
        key_columns = ", ".join(_key_column(column, self._session.config.source.time_zone)
                                for column in spec.key_columns)
        if spec.deletes is DeletePolicy.MARK:
            # Under another policy, rows that are marked do not count as absent.
            key_columns += "; marked rows are absent"
        if self._section.sweep is SweepPolicy.OFF:
            key_columns += "; the ledger holds the overlap alone"
        target_now = TrustedTarget(name=str(found.ref), created_us=found.created_us, key_columns=key_columns)
        if self._state.trusted() == target_now:
            return
        keys_wanted = not is_new and self._section.sweep is SweepPolicy.ON
        if not keys_wanted:
            # Nothing stands in a new target; and where the ledger keeps the overlap alone, everything goes once more.
            Watermarks(self._state.store, self._state.table_id).forget()
        # By BigQuery's clock, before the keys are read: what it has run until then, they show.
        known_us = found.created_us if is_new else queries.clock_us(self._session.destination)
        keys = self._target_keys(encoder, found) if keys_wanted else ()
        repeated = self._ledger.reconcile(target_now, keys, known_us)
        if repeated:
            raise _unfit_rows(found, f"{repeated} rows have the key of another row")

    def _target_keys(self, encoder: RowEncoder, found: TargetState) -> Iterator[list[TargetKey]]:
        """Every key, and its partition, by which the MERGEs that follow need not read all of them."""
        without_key, spec = 0, encoder.spec
        column = partition_column(spec)
        columns = [*spec.key_columns, *([column] if column else [])]
        for portion in self._session.effects.target_rows(found.ref, columns, spec.deletes, found.partitioning):
            keys = [TargetKey(key, encoder.partition_of(row[-1])) for row in portion
                    if (key := encoder.reread_key(row[: len(spec.key)])) is not None]
            without_key += len(portion) - len(keys)
            yield keys
        if without_key:
            raise _unfit_rows(found, f"{without_key} rows have a NULL in their key")


def unwanted_partitioning(wanted: TableSpec, found: TargetState) -> Iterator[str]:
    """In words, where a target is not partitioned as it is configured: it stays as it was created."""
    asked, there = wanted.partitioning, found.partitioning
    if asked is None or (there is not None and (there.column.lower(), there.unit) == (
        asked.column.lower(), asked.unit
    )):
        return
    yield (f"table {found.ref} is {described(there)}, and is to be {described(asked)}: BigQuery can't change that. "
           "Rows are delivered all the same. To have it so, drop the table and sync again, or correct partition_by "
           f"of table {wanted.source_name}")


def gone_columns(spec: TableSpec, found: TargetState, known: Iterable[str]) -> tuple[str, ...]:
    """Of the target columns that were ever delivered, those that the target has and the mapping does not."""
    present = {column.target_name.lower() for column in spec.columns}
    # Marks of an earlier policy go with every row that is there.
    names = [*known, *([] if spec.deletes is DeletePolicy.MARK else [MARK_COLUMN])]
    return tuple(dict.fromkeys(
        name for name in names if name.lower() not in present and name.lower() in found.types
    ))


def _new_row_id(spec: TableSpec) -> str | None:
    """By which columns the rows of a target without rows are known from now on; None where a key tells them apart."""
    return signature(spec.contents) if spec.contents else None


def known_columns(spec: TableSpec, found: TargetState) -> int:
    """
    By how many of the first columns the rows of a target without a key are known.

    Raises:
        BqsyncError: TARGET_INCOMPATIBLE, where those columns are others by now.
    """
    if not spec.contents:
        return 0
    if found.row_id is None:
        raise BqsyncError(
            ErrorKind.TARGET_INCOMPATIBLE, what=f"the rows of table {found.ref} can't be told apart",
            why=f"table {spec.source_name} has no key, and bqsync has not made its target, or made it for one that had",
            fix=f"choose another `target` for {spec.source_name}; or drop that table, with all that is in it",
        )
    known_by = columns_of(found.row_id, spec.contents)
    if known_by is None:
        raise BqsyncError(
            ErrorKind.TARGET_INCOMPATIBLE,
            what=f"the columns have changed by which the rows of table {spec.source_name} are known",
            why="it has no key: a row is known by its contents in the columns that the table had when "
            f"{found.ref} was made, and one of them was dropped, renamed, ignored or declared anew; every row would "
            "be taken for another one, and stand there twice",
            fix=f"put the column back; or choose another `target` for {spec.source_name}, which gets every row that is "
            "in the source now: those that were pruned there stand in this one alone",
        )
    return known_by


def _key_column(column: ColumnSpec, zone: str) -> str:
    """All that decides which key becomes of a source value."""
    parts = [column.target_name, column.target_type.value]
    if column.timestamp_format is not None:
        parts.append(column.timestamp_format.value)
    if column.timestamp_format is TimestampFormat.ISO8601:
        parts.append(zone)
    return " ".join(parts)


def _unfit_rows(found: TargetState, why: str) -> BqsyncError:
    return BqsyncError(
        ErrorKind.TARGET_INCOMPATIBLE, what=f"table {found.ref} holds rows that no source row can stand for", why=why,
        fix="the source's key is another by now, or somebody else has written to the target: delete those rows, or "
        f"DROP TABLE {found.ref.sql} and sync again",
    )

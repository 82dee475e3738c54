"""What the state knows of one table: target, field numbers, health, intent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, case, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from bqsync.failpoints import reached
from bqsync.model import FIRST_FIELD_NUMBER, Intent, TargetType, TimestampFormat
from bqsync.state.billing import Bill, note_bill
from bqsync.state.clock import now_us
from bqsync.state.doubts import doubted_rows
from bqsync.state.job_history import note_job
from bqsync.state.schema import fields, intents, tables
from bqsync.state.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedTarget:
    """The table that a ledger speaks of."""

    name: str
    """`project.dataset.table`"""
    created_us: int
    """Unix microseconds: another time under the same name is another table."""
    key_columns: str
    """The key and its types: under another key, the ledger's keys mean nothing."""


@dataclass(frozen=True, slots=True)
class Effort:
    """When something was last done, and what it took. Both in microseconds."""

    ended_us: int
    cost_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRequest:
    """What a table's next cycle has to know of its sweeps."""

    number: int
    """How many sweeps were ever asked for: noted as served by the sweep that begins now."""
    is_due: bool
    reason: str
    suspicion: str | None
    """Why many deletes are to be held back."""
    doubted_rows: int | None
    """How many rows the table had when its losses were first doubted; None where they are not."""
    swept_mapping: str | None
    """Version of the mapping that the last complete sweep compared with."""
    last_attempt_us: int | None
    last_sweep_us: int | None
    """When one has ended well."""
    last_walk: Effort | None
    """When one has ended, well or not."""
    last_pass: Effort | None


class TableState:
    """
    The state of one table.

    Args:
        store: the open state file.
        source_id: from `Store.source_id`.
        name: the table's name in the source.
    """

    def __init__(self, store: Store, source_id: int, name: str) -> None:
        self.store = store
        with store.transaction() as connection:
            values = {"source_id": source_id, "name": name, "next_field_number": FIRST_FIELD_NUMBER}
            connection.execute(insert(tables).values(values).on_conflict_do_nothing())
            self.table_id = int(connection.execute(
                select(tables.c.id).where(tables.c.source_id == source_id, tables.c.name == name)
            ).scalar_one())

    def allot_fields(self, columns: Sequence[tuple[str, TargetType]]) -> list[int]:
        """The protobuf field number of each (source column, target type): new ones count on, none is ever reused."""
        with self.store.transaction() as connection:
            return [self._field_number(connection, column, target_type) for column, target_type in columns]

    def _field_number(self, connection: Connection, column: str, target_type: TargetType) -> int:
        known = connection.execute(select(fields.c.number).where(
            fields.c.table_id == self.table_id, fields.c.column == column, fields.c.target_type == target_type.value
        )).scalar()
        if known is not None:
            return int(known)
        number = int(connection.execute(
            update(tables).where(tables.c.id == self.table_id)
            .values(next_field_number=tables.c.next_field_number + 1).returning(tables.c.next_field_number)
        ).scalar_one()) - 1
        connection.execute(fields.insert().values(
            table_id=self.table_id, column=column, target_type=target_type.value, number=number
        ))
        return number

    def timestamp_formats(self) -> dict[str, TimestampFormat]:
        """The formats that were fixed once, by source column."""
        with self.store.transaction() as connection:
            rows = connection.execute(select(fields.c.column, fields.c.timestamp_format).where(
                fields.c.table_id == self.table_id, fields.c.timestamp_format.is_not(None)
            ))
            return {row.column: TimestampFormat(row.timestamp_format) for row in rows}

    def fix_timestamp_format(self, column: str, fmt: TimestampFormat) -> None:
        """Fix what a column's instants are; the column has been allotted as a TIMESTAMP."""
        with self.store.transaction() as connection:
            connection.execute(update(fields).where(
                fields.c.table_id == self.table_id, fields.c.column == column,
                fields.c.target_type == TargetType.TIMESTAMP.value,
            ).values(timestamp_format=fmt.value))

    def known_types(self) -> dict[str, TargetType]:
        """The target type as which each source column is delivered, or else was last allotted a number for."""
        with self.store.transaction() as connection:
            rows = connection.execute(
                select(fields.c.column, fields.c.target_type).where(fields.c.table_id == self.table_id)
                .order_by(fields.c.target_name.is_not(None), fields.c.number)
            )
            return {row.column: TargetType(row.target_type) for row in rows}

    def trusted(self) -> TrustedTarget | None:
        """What the ledger speaks of; None while it can't be trusted."""
        with self.store.transaction() as connection:
            row = connection.execute(
                select(tables.c.target, tables.c.target_created_us, tables.c.key_columns, tables.c.reconcile_pending)
                .where(tables.c.id == self.table_id)
            ).one()
        if row.reconcile_pending or row.target is None:
            return None
        return TrustedTarget(name=row.target, created_us=row.target_created_us, key_columns=row.key_columns)

    def target_names(self) -> dict[str, str]:
        """The target column of every source column that was ever delivered, also of those that are gone."""
        with self.store.transaction() as connection:
            rows = connection.execute(select(fields.c.column, fields.c.target_name).where(
                fields.c.table_id == self.table_id, fields.c.target_name.is_not(None)
            ).order_by(fields.c.number))
            return {row.column: row.target_name for row in rows}

    def record_targets(self, columns: Sequence[tuple[str, TargetType, str]]) -> None:
        """Note as what each source column is delivered: column, type and name of the target."""
        with self.store.transaction() as connection:
            for column, target_type, target_name in columns:
                # A type that was tried, and refused by the target, is none that was delivered.
                connection.execute(update(fields).where(
                    fields.c.table_id == self.table_id, fields.c.column == column
                ).values(target_name=case((fields.c.target_type == target_type.value, target_name), else_=None)))

    def sweep_request(self) -> SweepRequest:
        """What is asked of sweeps, and how the last ones were."""
        with self.store.transaction() as connection:
            row = connection.execute(select(tables).where(tables.c.id == self.table_id)).one()
        return SweepRequest(
            number=row.sweeps_asked, is_due=row.sweeps_asked > row.sweeps_served, reason=row.sweep_reason,
            suspicion=row.suspicion, doubted_rows=row.doubted_rows, swept_mapping=row.swept_mapping,
            last_attempt_us=row.last_attempt_us,
            last_sweep_us=row.last_sweep_us, last_walk=_effort(row.last_walk_us, row.last_walk_cost_us),
            last_pass=_effort(row.last_pass_us, row.last_pass_cost_us),
        )

    def ask_sweep(self, reason: str, *, suspicion: str | None = None) -> None:
        """
        Make a sweep due.

        Args:
            reason: in words, for the log.
            suspicion: why many deletes that it finds are to be held back; it stands until a sweep has ended well.
        """
        values: dict[str, object] = {"sweeps_asked": tables.c.sweeps_asked + 1, "sweep_reason": reason}
        if suspicion is not None:
            values |= {"suspicion": suspicion, "doubted_rows": doubted_rows()}
        with self.store.transaction() as connection:
            connection.execute(update(tables).where(tables.c.id == self.table_id).values(values))

    def doubt_losses(self, rows: int) -> None:
        """Many deletes wait, in a table of so many rows; that stands until a sweep has ended well."""
        with self.store.transaction() as connection:
            connection.execute(update(tables).where(tables.c.id == self.table_id).values(
                doubted_rows=func.coalesce(tables.c.doubted_rows, rows),
            ))

    def record_walk(self, ended_us: int, cost_us: int) -> None:
        """A sweep has ended, well or not, and has cost so much."""
        with self.store.transaction() as connection:
            connection.execute(update(tables).where(tables.c.id == self.table_id).values(
                last_walk_us=ended_us, last_walk_cost_us=cost_us,
            ))

    def record_sweep(self, request: SweepRequest, mapping_version: str, ended_us: int) -> None:
        """A sweep has ended well: the whole table was compared, and what was found is delivered."""
        # A suspicion that arose meanwhile came with a request of its own, and stands.
        is_asked_anew = tables.c.sweeps_asked > request.number
        suspicion = case((is_asked_anew, tables.c.suspicion), else_=None)
        doubted = case((is_asked_anew & tables.c.suspicion.is_not(None), tables.c.doubted_rows), else_=None)
        with self.store.transaction() as connection:
            connection.execute(update(tables).where(tables.c.id == self.table_id).values(
                sweeps_served=request.number, suspicion=suspicion, doubted_rows=doubted, swept_mapping=mapping_version,
                last_sweep_us=ended_us,
            ))
        reached("sweep.noted")

    def record_pass(self, ended_us: int, cost_us: int) -> None:
        """A watermark pass has ended well."""
        with self.store.transaction() as connection:
            connection.execute(update(tables).where(tables.c.id == self.table_id).values(
                last_pass_us=ended_us, last_pass_cost_us=cost_us,
            ))

    def last_verify_us(self) -> int | None:
        """When the whole table was last compared with its target; None where it never was."""
        with self.store.transaction() as connection:
            found = connection.execute(select(tables.c.last_verify_us).where(tables.c.id == self.table_id)).scalar()
        return None if found is None else int(found)

    def record_verify(self, ended_us: int) -> None:
        """The whole table was compared with its target."""
        with self.store.transaction() as connection:
            connection.execute(update(tables).where(tables.c.id == self.table_id).values(last_verify_us=ended_us))

    def distrust(self) -> None:
        """The ledger no longer says what the target holds: reconcile before anything is compared."""
        with self.store.transaction() as connection:
            connection.execute(update(tables).where(tables.c.id == self.table_id).values(reconcile_pending=1))

    def intent(self) -> Intent | None:
        """The MERGE whose end is not known, if there is one."""
        with self.store.transaction() as connection:
            row = connection.execute(select(intents).where(intents.c.table_id == self.table_id)).one_or_none()
        return None if row is None else Intent(job_id=row.job_id, staging_table=row.staging_table)

    def record_intent(self, intent: Intent) -> None:
        """Commit, before a job is submitted, that it may be running."""
        values = {"job_id": intent.job_id, "staging_table": intent.staging_table, "created_us": now_us()}
        with self.store.transaction() as connection:
            connection.execute(
                insert(intents).values(table_id=self.table_id, **values)
                .on_conflict_do_update(index_elements=["table_id"], set_=values)
            )
        reached("merge.intended")

    def clear_intent(self, job_created_us: int | None = None, bill: Bill | None = None) -> None:
        """
        The job of the intent has ended, and its outcome does not count: the rows will be sent again.

        Args:
            job_created_us: when BigQuery took the job; None where it never did.
            bill: what it has cost, counted once, with the end of its intent.
        """
        with self.store.transaction() as connection:
            connection.execute(delete(intents).where(intents.c.table_id == self.table_id))
            note_job(connection, self.table_id, job_created_us)
            note_bill(connection, self.table_id, bill)

    def last_job_us(self) -> int | None:
        """When BigQuery took the newest MERGE whose end is known here; None if there was none."""
        with self.store.transaction() as connection:
            found = connection.execute(select(tables.c.last_job_us).where(tables.c.id == self.table_id)).scalar()
        return None if found is None else int(found)

    def note_clock(self, now_us: int) -> None:
        """The clock went back, and that was dealt with: from now on it is compared with this instant."""
        with self.store.transaction() as connection:
            connection.execute(update(tables).where(tables.c.id == self.table_id).values(last_attempt_us=now_us))

    def has_failed(self) -> bool:
        """Whether the last cycle that was noted had failed."""
        with self.store.transaction() as connection:
            error = connection.execute(select(tables.c.last_error).where(tables.c.id == self.table_id)).scalar()
        return error is not None

    def failure_since(self, instant_us: int) -> dict[str, str] | None:
        """The error of the last cycle, if it has ended since then and has failed."""
        with self.store.transaction() as connection:
            row = connection.execute(select(tables.c.last_error, tables.c.last_attempt_us)
                                     .where(tables.c.id == self.table_id)).one()
        if row.last_error is None or row.last_attempt_us is None or row.last_attempt_us < instant_us:
            return None
        found: dict[str, str] = json.loads(row.last_error)
        return found

    def record_attempt(self, error: Mapping[str, str] | None, ended_us: int, *, deletes_held: int = 0) -> None:
        """How the last cycle ended, and when; and how many rows it found gone that it was not to delete."""
        values: dict[str, object] = {
            "last_attempt_us": ended_us, "last_error": json.dumps(dict(error)) if error else None,
            "deletes_held": deletes_held,
        }
        if error is None:
            values["last_success_us"] = ended_us
        with self.store.transaction() as connection:
            connection.execute(update(tables).where(tables.c.id == self.table_id).values(values))


def _effort(ended_us: int | None, cost_us: int | None) -> Effort | None:
    return None if ended_us is None else Effort(ended_us, cost_us or 0)

"""From what was found to what is proposed, and whether the product itself takes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, tzinfo
from pathlib import Path
from typing import NamedTuple

from bqsync.capture.schema import table_names, virtual_tables
from bqsync.capture.source import Source
from bqsync.capture.together import read_small_tables
from bqsync.config import TableSection, plain_table_name
from bqsync.encode.declared_types import named_as_instant
from bqsync.encode.mapping import draft, finish
from bqsync.encode.rows import RowEncoder
from bqsync.engine.proposal.column_types import candidates, choose, counted
from bqsync.engine.proposal.facts import (
    Candidate,
    ColumnFacts,
    ColumnProposal,
    Proposal,
    TableFacts,
    TableProposal,
)
from bqsync.engine.proposal.gather import Progress, colliding_keys, gather
from bqsync.engine.proposal.names import ColumnNames, column_names, file_name, message_names, table_targets
from bqsync.engine.proposal.watermarks import watermarks
from bqsync.engine.verdicts import FLOOD_FRACTION, FLOOD_ROWS
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import ProtoField, ProtoScalar, SourceTable, TableSpec, TargetType, TimestampFormat

LARGE_ROWS = 1_000_000
"""From here on a table is worth a thought about its sweeps."""
_NO_KEY = ("neither a PRIMARY KEY nor a UNIQUE over NOT NULL columns is declared, and SQLite's implicit rowid changes "
           "with VACUUM; name the columns that identify a row in `key`, and take the comment signs away")
_VIRTUAL = "a module of SQLite keeps the rows (a virtual table and what it is made of)"
_SCALARS = {
    TargetType.INT64: ProtoScalar.INTEGER, TargetType.FLOAT64: ProtoScalar.FLOATING, TargetType.BOOL: ProtoScalar.BOOL,
    TargetType.BYTES: ProtoScalar.BYTES,
}


def propose(
    db: Path, *, project: str | None, dataset: str | None, progress: Progress, zone: tzinfo = UTC
) -> Proposal:
    """
    Read a database and propose how to sync it.

    Args:
        db: the SQLite file.
        project: of Google Cloud; None for the BigQuery of this machine.
        dataset: None for one named after the file.
        progress: is told how far the reading is.
        zone: meaning of ISO texts without an offset.

    Raises:
        BqsyncError: one of the SOURCE_… kinds.
    """
    source = Source(db)
    names = source.read(table_names)
    virtual = source.read(virtual_tables)
    targets, messages = table_targets(names), message_names(names)
    small = read_small_tables(source, [name for name in names if name not in virtual],
                              lambda reads, name: gather(reads, name, zone, progress))
    tables = tuple(
        TableProposal(name=name, refused=_VIRTUAL) if name in virtual
        else _propose_table(source, _Names(name, targets[name], messages[name]), zone, progress, small.pop(name, None))
        for name in names)
    proposal = Proposal(db=db, project=project, dataset=dataset or file_name(db.stem), name=file_name(db.stem),
                        tables=tables)
    if not proposal.accepted:
        raise BqsyncError(
            ErrorKind.SOURCE_TABLE_INVALID, what=f"{db} has no table that can be synced",
            why="; ".join(f"{table.name}: {table.refused}" for table in tables[:3]) or "it has no table at all",
            fix="give a table a PRIMARY KEY, or write config.toml by hand and name a `key`",
        )
    return proposal


def scalar_of(choice: Candidate) -> ProtoScalar:
    """The proto type of a field: that of the value which SQLite stores, as far as one tells it."""
    if choice.timestamp_format in {None, TimestampFormat.ISO8601}:
        return _SCALARS.get(choice.target_type, ProtoScalar.STRING)
    return ProtoScalar.FLOATING if choice.timestamp_format is TimestampFormat.JULIAN_DAYS else ProtoScalar.INTEGER


class _Names(NamedTuple):
    """How a table is called here and elsewhere."""

    table: str
    target: str | None
    message: str


def _propose_table(
    source: Source, names: _Names, zone: tzinfo, progress: Progress, known: TableFacts | SourceTable | None
) -> TableProposal:
    try:
        found = known or gather(source, names.table, zone, progress)
        if isinstance(found, SourceTable):
            return TableProposal(name=names.table, refused=_NO_KEY, wants_key=True)
        return _judge(source, found, names, zone)
    except BqsyncError as error:
        if error.rule.concerns_all:
            raise
        return TableProposal(name=names.table, refused=f"{error.what}: {error.why}; {error.fix}")


def _judge(source: Source, facts: TableFacts, names: _Names, zone: tzinfo) -> TableProposal:
    table = _decide(facts, names, zone, plain_keys=False)
    spec = _spec(facts.declared, table)
    colliding = colliding_keys(source, spec, zone)
    if colliding:
        # A type that tells apart whatever SQLite does may spare some of them: dates as the texts that they are.
        table = _decide(facts, names, zone, plain_keys=True)
        spec = _spec(facts.declared, table)
        colliding = colliding_keys(source, spec, zone)
    RowEncoder(spec, zone)  # what protobuf itself refuses is found here, and not by the first sync
    if refused := _too_many(facts, table, colliding):
        return TableProposal(name=table.name, refused=refused)
    if not colliding:
        return table
    remark = (f"quarantine: {counted(colliding, 'row')} with a key that another row has in BigQuery's eyes, such as 1 "
              "and '1'")
    return replace(table, remarks=(*table.remarks, remark))


def _too_many(facts: TableFacts, table: TableProposal, colliding: int) -> str:
    """Why so many rows would be in quarantine that the table is of no use, or stopped by the first sync."""
    if 2 * facts.null_keys > facts.rows:
        return (f"{facts.null_keys:,} of {counted(facts.rows, 'row')} have a NULL in the key ({', '.join(facts.key)}), "
                "and no comparison finds them again; name other columns in `key`")
    worst = max(table.columns, key=lambda column: column.misfits)
    if max(facts.null_keys, facts.oversized, colliding, worst.misfits) <= max(FLOOD_ROWS, FLOOD_FRACTION * facts.rows):
        return ""
    reasons = [*table.remarks, *([f"column {worst.name}: {worst.remark}"] if worst.misfits else []),
               *([f"{counted(colliding, 'key')} that another row has in BigQuery's eyes"] if colliding else [])]
    return (f"so many rows can't be delivered that the first sync would stop it (E502): {'; '.join(reasons)}; mend "
            "them, or leave a column out with the proto option (gen_bq_schema.bigquery).ignore")


def _decide(facts: TableFacts, names: _Names, zone: tzinfo, *, plain_keys: bool) -> TableProposal:
    called = column_names([item.column.name for item in facts.columns])
    columns = tuple(_column(item, called[item.column.name], plain=plain_keys and item.in_key)
                    for item in facts.columns)
    return TableProposal(
        name=facts.declared.name, target=names.target, message=names.message, key=facts.key,
        key_reason=facts.key_reason, rows=facts.rows, size_bytes=facts.size_bytes, columns=columns,
        watermarks=watermarks(facts, {column.name: column.choice for column in columns}, zone),
        remarks=tuple(_remarks(facts)),
    )


def _column(facts: ColumnFacts, names: ColumnNames, *, plain: bool) -> ColumnProposal:
    declared = facts.column
    choice, remark = choose(facts, candidates(declared, in_key=facts.in_key, plain=plain))
    return ColumnProposal(
        name=declared.name, field_name=names.field, target_name=names.target, declared_type=declared.declared_type,
        choice=choice, undecided=choice.target_type is TargetType.TIMESTAMP and choice.timestamp_format is None,
        configured=_has_to_be_said(choice, named=not names.field or named_as_instant(declared)), remark=remark,
        misfits=facts.misfits(choice) if facts.values else 0,
    )


def _has_to_be_said(choice: Candidate, *, named: bool) -> bool:
    """Whether message and name alone would give the column another type."""
    if choice.target_type is TargetType.TIMESTAMP:
        return choice.timestamp_format is not None
    return named or choice.target_type not in {*_SCALARS, TargetType.STRING}


def _remarks(facts: TableFacts) -> list[str]:
    found = []
    if facts.null_keys:
        found.append(f"quarantine: {counted(facts.null_keys, 'row')} with a NULL in the key")
    if facts.oversized:
        found.append(f"quarantine: {counted(facts.oversized, 'row')} larger than one request to BigQuery may be")
    return found


def _spec(declared: SourceTable, table: TableProposal) -> TableSpec:
    """
    What the product makes of the proposal.

    Raises:
        BqsyncError: SOURCE_TABLE_INVALID, what the first check would say.
    """
    section = TableSection(
        name=table.name, target=table.target or plain_table_name(table.name), message=table.message, key=table.key,
        watermark=table.watermark, types=types_of(table.columns), timestamps=timestamps_of(table.columns))
    fields = tuple(ProtoField(name=column.field_name, scalar=scalar_of(column.choice), target_name=column.target_name,
                              json_name=None if column.field_name == column.name else column.name)
                   for column in table.columns if column.field_name)
    return finish(draft(declared, section, fields), {}, lambda columns: range(16, 16 + len(columns)))


def types_of(columns: Sequence[ColumnProposal]) -> dict[str, TargetType]:
    """What `types` has to say."""
    return {column.name: column.choice.target_type for column in columns
            if column.configured and column.choice.target_type is not TargetType.TIMESTAMP}


def timestamps_of(columns: Sequence[ColumnProposal]) -> dict[str, TimestampFormat]:
    """What `timestamps` has to say."""
    return {column.name: column.choice.timestamp_format for column in columns
            if column.configured and column.choice.timestamp_format is not None}

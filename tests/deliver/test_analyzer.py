"""Google's analyzer accepts every statement that the project can generate, for every table that a mapping accepts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.deliver.analyzer import Analyzer, RefusedError, Resolved, Tables
from tests.properties import COSTLY

from bqsync.config import TableSection
from bqsync.deliver import checksum_sql, dry_run, merge_sql, schema, target_row
from bqsync.encode.column_names import legal_name
from bqsync.encode.mapping import draft, finish
from bqsync.engine.spread import MAX_PARTITIONS
from bqsync.errors import BqsyncError
from bqsync.model import (
    MARK_COLUMN,
    NULL_PARTITION,
    OUTSIDE_PARTITION,
    Affinity,
    DeletePolicy,
    IntegerRange,
    Partitioning,
    PartitionUnit,
    SourceColumn,
    SourceTable,
    StagingColumn,
    TableSpec,
    TargetRef,
    TargetType,
)

STAGING = TargetRef(project="acme-prod", dataset="mirror", table="_bqsync_staging_1a2b_things_20260101000000_0f0f0f0f")
WIRE_TYPES = {
    TargetType.TIMESTAMP: "INT64", TargetType.DATE: "INT64", TargetType.NUMERIC: "STRING",
    TargetType.BIGNUMERIC: "STRING", TargetType.DATETIME: "STRING", TargetType.TIME: "STRING",
    TargetType.JSON: "STRING",
}
"""What the values of a column are on the wire, where it is not their own type."""
NEVER_CLUSTERED = {TargetType.FLOAT64, TargetType.BYTES, TargetType.TIME, TargetType.JSON}
"""Source: https://cloud.google.com/bigquery/docs/clustered-tables#cluster_column_types"""
PARTITIONING_TYPES = (TargetType.TIMESTAMP, TargetType.DATETIME, TargetType.DATE, TargetType.INT64)
RANGE = IntegerRange(start=-100, end=100_000, interval=7)
PARTITIONS = (NULL_PARTITION, OUTSIDE_PARTITION, 1_000, 2_024, 2_025, 9_999)
MAX_STATEMENT_BYTES = 1_024 * 1_024
"""Source: https://cloud.google.com/bigquery/quotas#query_jobs"""
KEY_TYPES = sorted(set(TargetType) - {TargetType.JSON})
ODD_NAMES = (
    "select", "FROM", "order", "Group", "merge", "qualify", "when", "matched", "T", "t", "S", "t_", "T__", "present",
    "things", "STRUCT", "null", "true", "_", "__", "1st", "größe", "a b", "a-b", "a.b", "a`b", "a\\b", "$1", "@x", "?",
    "_bqsync_k", "x" * 300, "rows", "int64", "timestamp", "ROW_NUMBER", "UNIX_MICROS", "acme-prod", "mirror",
)


def spec_of(columns: Mapping[str, TargetType], key: tuple[str, ...], target: str = "things") -> TableSpec:
    """The mapping that the project makes of such a table; refused where it refuses it."""
    declared = tuple(SourceColumn(name=name, declared_type="TEXT", affinity=Affinity.TEXT, not_null=False)
                     for name in columns)
    source = SourceTable(name=target, columns=declared, primary_key=key)
    section = TableSection(name=target, target=target, types=dict(columns))
    return finish(draft(source, section, None), {}, lambda allotted: range(16, 16 + len(allotted)))


@st.composite
def specs(draw: st.DrawFn) -> TableSpec:
    """Tables of 1 to 30 columns and 1 to 4 key columns, in any order, with any legal name; some lost columns."""
    plain = st.text("abcXYZ019_", min_size=1, max_size=12)
    names = draw(st.lists(st.sampled_from(ODD_NAMES) | plain, min_size=1, max_size=30,
                          unique_by=lambda name: legal_name(name).lower()))
    key = draw(st.lists(st.sampled_from(names), min_size=1, max_size=4, unique=True))
    columns = {name: draw(st.sampled_from(KEY_TYPES if name in key else list(TargetType))) for name in names}
    target = draw(st.sampled_from(["things", "T", "select", "Ä ö-1", "2024", *map(legal_name, names)]))
    taken = {legal_name(name).lower() for name in names}
    gone = draw(st.lists(st.sampled_from(["T", "s", "left", "gone"]), max_size=2, unique=True))
    spec = replace(spec_of(columns, tuple(key), target), gone=tuple(name for name in gone if name.lower() not in taken),
                   deletes=draw(st.sampled_from(DeletePolicy)))
    return replace(spec, partitioning=draw(st.none() | partitionings(spec)))


def partitionings(spec: TableSpec) -> st.SearchStrategy[Partitioning | None]:
    """All that its target may be partitioned by."""
    possible = [one for one in spec.columns if one.target_type in PARTITIONING_TYPES]
    if not possible:
        return st.none()
    return st.builds(
        lambda column, unit, is_filter_required: Partitioning(
            column=column.target_name, column_type=column.target_type, is_filter_required=is_filter_required,
            unit=RANGE if column.target_type is TargetType.INT64 else
            PartitionUnit.DAY if column.target_type is TargetType.DATE else unit),
        st.sampled_from(possible), st.sampled_from(PartitionUnit), st.booleans())


def target_of(spec: TableSpec) -> TargetRef:
    return TargetRef(project="acme-prod", dataset="mirror", table=spec.target_name)


def tables(spec: TableSpec, **other_types: str) -> Tables:
    """Target and staging table as they are created; `other_types` are those of staging columns."""
    target = [(field["name"], field["type"]) for field in schema.target_fields(spec)]
    target += [(name, "TIMESTAMP") for name in spec.gone]
    staging = [(field["name"], other_types.get(field["name"], field["type"])) for field in schema.staging_fields(spec)]
    return {target_of(spec): target, STAGING: staging}


def statements(spec: TableSpec) -> dict[str, tuple[str, Resolved]]:
    """Every statement that a table gives rise to, by the function that makes it, and what it has to be."""
    target = target_of(spec)
    read = tuple((one.target_name, WIRE_TYPES.get(one.target_type, one.target_type.value)) for one in spec.columns)
    added = [(f"{one.target_name}_new", one.target_type.value) for one in spec.columns]
    unmarked_only = spec.deletes is DeletePolicy.MARK
    partitions = None if spec.partitioning is None or spec.partitioning.is_filter_required else PARTITIONS
    return {
        "merge_statement": (merge_sql.merge_statement(spec, target, STAGING, partitions), Resolved("merge")),
        "add_column_statement": (merge_sql.add_column_statement(target, *added[0]), Resolved("alter_table")),
        "staged_operations_statement": (merge_sql.staged_operations_statement(STAGING), Resolved("query", STAGED)),
        "select_statement": (
            merge_sql.select_statement(target, schema.wire_expressions(spec.columns), unmarked_only=unmarked_only,
                                       partitioning=spec.partitioning),
            Resolved("query", read)),
        "any_row_statement": (
            merge_sql.any_row_statement(target, spec.partitioning), Resolved("query", (("present", "INT64"),))),
        "dry_merge_statement": (dry_run.dry_merge_statement(spec, target), Resolved("merge")),
        "row_statement": (_with_values(spec, target_row.row_statement(
            target, spec.columns, spec.key_columns, has_mark=unmarked_only)),
            Resolved("query", (*read, *((("marked_us", "INT64"),) if unmarked_only else ())))),
        "sums_statement": (
            checksum_sql.sums_statement(target, spec.columns, 3, unmarked_only=unmarked_only,
                                        partitioning=spec.partitioning), Resolved("query", SUMS)),
        "bucket_rows_statement": (
            checksum_sql.bucket_rows_statement(
                target, spec.columns, schema.wire_expressions(spec.columns), 2, buckets=["0f", "a0"],
                unmarked_only=unmarked_only, partitioning=spec.partitioning),
            Resolved("query", (*read, ("_bqsync_bucket", "STRING")))),
    }


def _with_values(spec: TableSpec, statement: str) -> str:
    """The analyzer is not told of parameters: each is written out, as a value of its type."""
    for place, column in reversed(list(enumerate(spec.key_columns))):
        statement = statement.replace(f"@k{place}", f"CAST(NULL AS {target_row.parameter_type(column)})")
    return statement


SUMS = (("bucket", "STRING"), ("row_count", "INT64"), ("high", "INT64"), ("low", "INT64"))
STAGED = (("_bqsync_key", "BYTES"), ("_bqsync_operation", "STRING"))


ALL_TYPES = spec_of({kind.value.lower(): kind for kind in TargetType}, ("int64", "bytes"))


@COSTLY
@given(spec=specs())
@example(spec=ALL_TYPES)
@example(spec=spec_of({"id": TargetType.INT64, "T": TargetType.STRING, "t_": TargetType.JSON}, ("id",)))
@example(spec=spec_of({"id": TargetType.INT64, "things": TargetType.TIMESTAMP, "S": TargetType.BYTES}, ("id",)))
@example(spec=replace(spec_of({"things": TargetType.FLOAT64}, ("things",)), gone=("T",)))
@example(spec=replace(spec_of({"T": TargetType.INT64, "s": TargetType.STRING}, ("T",)), deletes=DeletePolicy.MARK))
@example(spec=replace(spec_of({"id": TargetType.STRING}, ("id",)), deletes=DeletePolicy.MARK))
@example(spec=replace(ALL_TYPES, partitioning=Partitioning(
    column="timestamp", column_type=TargetType.TIMESTAMP, unit=PartitionUnit.HOUR)))
@example(spec=replace(ALL_TYPES, partitioning=Partitioning(
    column="int64", column_type=TargetType.INT64, unit=RANGE, is_filter_required=True)))
def test_every_statement_of_every_mapping_is_accepted_and_reads_what_was_sent(
    analyzer: Analyzer, spec: TableSpec,
) -> None:
    known = tables(spec)
    for statement, expected in statements(spec).values():
        assert analyzer.resolve(statement, known) == expected, statement


@given(spec=specs())
@COSTLY
def test_only_types_that_bigquery_takes_are_clustered_or_a_primary_key(spec: TableSpec) -> None:
    types = {column.target_name: column.target_type for column in spec.columns}
    keys = [column.target_name for column in spec.key_columns]
    clustered, primary = schema.clustering(spec), schema.primary_key(spec)
    assert len(clustered) <= 4
    assert not NEVER_CLUSTERED & {types[name] for name in [*clustered, *primary]}
    assert clustered == [name for name in keys if name in clustered], "in the order of the key"
    assert primary in (keys, []), "a part of the key is no key"


def test_json_is_never_a_key() -> None:
    with pytest.raises(BqsyncError, match="is JSON in BigQuery"):
        spec_of({"id": TargetType.JSON}, ("id",))


def test_no_statement_of_the_generator_is_left_out() -> None:
    generators = {**vars(merge_sql), **vars(dry_run), **vars(target_row), **vars(checksum_sql)}
    assert set(statements(ALL_TYPES)) == {name for name in generators if name.endswith("_statement")}


def test_a_merge_of_as_many_partitions_as_it_may_have_is_accepted(analyzer: Analyzer) -> None:
    """None of them beside another: so many conditions, in a text that is short enough."""
    spec = replace(ALL_TYPES, partitioning=Partitioning(
        column="timestamp", column_type=TargetType.TIMESTAMP, unit=PartitionUnit.HOUR))
    numbers = range(500_000, 500_000 + 4 * MAX_PARTITIONS, 4)
    statement = merge_sql.merge_statement(spec, target_of(spec), STAGING, numbers)
    assert len(statement) < MAX_STATEMENT_BYTES / 2
    assert analyzer.resolve(statement, tables(spec)).kind == "merge"


def test_the_statement_that_burns_a_job_id_is_accepted(analyzer: Analyzer) -> None:
    assert analyzer.resolve("SELECT 1", {}).kind == "query"


@pytest.mark.parametrize(("change", "message"), [
    (("S.`name`", "S.`nmae`"), "Name nmae not found"),
    (("T.`id`", "T.`di`"), "Name di not found"),
    (("ON T.`id` = S.`id`", "ON T.`id` = S.`name`"), "No matching signature for operator ="),
    (("`name` = S.`name`", "`name` = S.`id`"), "Value of type INT64 cannot be assigned to"),
    (("PARTITION BY `_bqsync_key`", "PARTITION BY `score`"), "FLOAT64 is not allowed"),
    (("ON T.`id`", "OM T.`id`"), "Syntax error"),
    (("`things`", "`thigns`"), "Table not found"),
])
def test_a_wrong_merge_is_refused(analyzer: Analyzer, change: tuple[str, str], message: str) -> None:
    spec = spec_of({"id": TargetType.INT64, "name": TargetType.STRING, "score": TargetType.FLOAT64}, ("id",))
    statement = merge_sql.merge_statement(spec, target_of(spec), STAGING)
    assert change[0] in statement
    with pytest.raises(RefusedError, match=message):
        analyzer.resolve(statement.replace(*change), tables(spec))


@pytest.mark.parametrize(("column", "staged", "message"), [
    ("id", "STRING", "No matching signature for operator ="), ("name", "TIMESTAMP", "cannot be assigned"),
])
def test_a_staging_table_of_other_types_is_refused(
    analyzer: Analyzer, column: str, staged: str, message: str,
) -> None:
    spec = spec_of({"id": TargetType.INT64, "name": TargetType.STRING}, ("id",))
    statement = merge_sql.merge_statement(spec, target_of(spec), STAGING)
    with pytest.raises(RefusedError, match=message):
        analyzer.resolve(statement, tables(spec, **{column: staged}))


def test_keys_of_json_are_refused_by_the_analyzer_too(analyzer: Analyzer) -> None:
    spec = spec_of({"id": TargetType.INT64, "x": TargetType.STRING}, ("id",))
    columns = tuple(replace(column, target_type=TargetType.JSON) for column in spec.columns)
    spec = replace(spec, columns=columns)
    with pytest.raises(RefusedError, match="Equality is not defined"):
        analyzer.resolve(merge_sql.merge_statement(spec, target_of(spec), STAGING), tables(spec))


def test_names_of_the_envelope_are_never_taken_by_a_column() -> None:
    for name in (*StagingColumn, MARK_COLUMN):
        with pytest.raises(BqsyncError, match="meet in BigQuery"):
            spec_of({"id": TargetType.INT64, str(name): TargetType.STRING}, ("id",))



"""What becomes of a declared column: its type, its name, its place in the key; and what allows no mapping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from bqsync.config.schema import TableSection
from bqsync.encode.column_names import legal_name
from bqsync.encode.mapping import draft, finish, with_target
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import (
    Affinity,
    ColumnSpec,
    DeletePolicy,
    NullValues,
    ProtoField,
    ProtoScalar,
    SourceColumn,
    SourceTable,
    TableSpec,
    TargetType,
    TimestampFormat,
)

DECLARED = {
    "INTEGER": Affinity.INTEGER, "BIGINT": Affinity.INTEGER, "REAL": Affinity.REAL, "DOUBLE": Affinity.REAL,
    "TEXT": Affinity.TEXT, "VARCHAR(20)": Affinity.TEXT, "BLOB": Affinity.BLOB, "": Affinity.BLOB,
    "DECIMAL(10,2)": Affinity.NUMERIC, "NUMERIC": Affinity.NUMERIC, "BOOLEAN": Affinity.NUMERIC,
    "BOOL": Affinity.NUMERIC, "DATE": Affinity.NUMERIC, "DATETIME": Affinity.NUMERIC, "TIMESTAMP": Affinity.NUMERIC,
}
MILLIS = TimestampFormat.UNIX_MILLIS


def source(columns: Mapping[str, str], key: Sequence[str] = ("id",), **rest: Any) -> SourceTable:
    return SourceTable(name="things", primary_key=tuple(key), columns=tuple(
        SourceColumn(name=name, declared_type=declared, affinity=DECLARED[declared], not_null=False)
        for name, declared in columns.items()
    ), **rest)


def section(**settings: Any) -> TableSection:
    return TableSection(name="things", target="things", message="Thing", **settings)


def proto(name: str, scalar: ProtoScalar = ProtoScalar.STRING, **rest: Any) -> ProtoField:
    return ProtoField(name=name, scalar=scalar, **rest)


def mapped(table: SourceTable, settings: TableSection | None = None, message: Sequence[ProtoField] | None = None,
           formats: Mapping[str, TimestampFormat | None] | None = None) -> TableSpec:
    return finish(draft(table, settings or section(), message), formats or {}, lambda ask: range(16, 16 + len(ask)))


def only(spec: TableSpec, name: str) -> ColumnSpec:
    return next(one for one in spec.columns if one.source_name == name)


def refusal(table: SourceTable, settings: TableSection | None = None,
            message: Sequence[ProtoField] | None = None) -> BqsyncError:
    with pytest.raises(BqsyncError) as caught:
        draft(table, settings or section(), message)
    assert caught.value.kind is ErrorKind.SOURCE_TABLE_INVALID
    assert all((caught.value.what, caught.value.why, caught.value.fix))
    return caught.value


@pytest.mark.parametrize(("declared", "target_type"), [
    ("INTEGER", TargetType.INT64), ("BIGINT", TargetType.INT64), ("REAL", TargetType.FLOAT64),
    ("DOUBLE", TargetType.FLOAT64), ("TEXT", TargetType.STRING), ("VARCHAR(20)", TargetType.STRING),
    ("BLOB", TargetType.BYTES), ("", TargetType.STRING), ("DECIMAL(10,2)", TargetType.FLOAT64),
    ("NUMERIC", TargetType.FLOAT64), ("BOOLEAN", TargetType.BOOL), ("BOOL", TargetType.BOOL),
    ("DATE", TargetType.STRING),
])
def test_without_a_message_the_declared_type_decides(declared: str, target_type: TargetType) -> None:
    assert only(mapped(source({"id": "TEXT", "x": declared})), "x").target_type is target_type


@pytest.mark.parametrize(("name", "declared", "found", "target_type"), [
    ("page_start", "INTEGER", None, TargetType.INT64), ("run_start", "INTEGER", MILLIS, TargetType.TIMESTAMP),
    ("run_end", "REAL", None, TargetType.FLOAT64), ("changed_at", "NUMERIC", MILLIS, TargetType.TIMESTAMP),
    ("CHANGED_AT", "INTEGER", MILLIS, TargetType.TIMESTAMP), ("x", "DATETIME", MILLIS, TargetType.TIMESTAMP),
    ("x", "DATETIME", None, TargetType.STRING), ("x", "TIMESTAMP", MILLIS, TargetType.TIMESTAMP),
    ("changed_at", "TEXT", MILLIS, TargetType.STRING), ("changed_at", "BLOB", MILLIS, TargetType.BYTES),
    ("started", "INTEGER", MILLIS, TargetType.INT64), ("at", "INTEGER", MILLIS, TargetType.INT64),
])
def test_without_a_message_a_number_named_as_an_instant_is_one_only_if_its_values_are(
    name: str, declared: str, found: TimestampFormat | None, target_type: TargetType,
) -> None:
    column = only(mapped(source({"id": "TEXT", name: declared}), formats={name: found}), name)
    assert column.target_type is target_type
    assert column.timestamp_format is (found if target_type is TargetType.TIMESTAMP else None)


@pytest.mark.parametrize("suffix", ["_timestamp", "_at", "_start", "_end"])
@pytest.mark.parametrize("scalar", [ProtoScalar.INTEGER, ProtoScalar.FLOATING, ProtoScalar.STRING])
def test_with_a_message_the_suffix_makes_an_instant_without_a_way_back(suffix: str, scalar: ProtoScalar) -> None:
    made = draft(source({"id": "TEXT", f"x{suffix}": "INTEGER"}), section(), [proto("id"), proto(f"x{suffix}", scalar)])
    column = made.columns[1]
    assert (column.needs_probe, column.target_type, column.fallback) == (True, TargetType.TIMESTAMP, None)


@pytest.mark.parametrize(("scalar", "target_type"), [
    (ProtoScalar.INTEGER, TargetType.INT64), (ProtoScalar.FLOATING, TargetType.FLOAT64),
    (ProtoScalar.BOOL, TargetType.BOOL), (ProtoScalar.STRING, TargetType.STRING), (ProtoScalar.BYTES, TargetType.BYTES),
])
def test_with_a_message_the_scalar_decides_whatever_sqlite_declares(
    scalar: ProtoScalar, target_type: TargetType,
) -> None:
    spec = mapped(source({"id": "TEXT", "x": "DATETIME"}), message=[proto("ID"), proto("X", scalar)])
    assert only(spec, "x").target_type is target_type


def test_types_win_over_the_message_and_the_message_over_the_declaration() -> None:
    table = source({"id": "TEXT", "a_at": "INTEGER", "b": "TEXT", "c": "TEXT"})
    message = [proto("id"), proto("a_at"), proto("b", type_override=TargetType.DATE),
               proto("c", type_override=TargetType.DATE)]
    spec = mapped(table, section(types={"A_AT": TargetType.INT64, "c": TargetType.JSON}), message)
    assert [one.target_type for one in spec.columns[1:]] == [TargetType.INT64, TargetType.DATE, TargetType.JSON]


def test_a_configured_timestamp_is_one_without_a_look_at_its_values() -> None:
    made = draft(source({"id": "TEXT", "x": "TEXT"}), section(timestamps={"X": TimestampFormat.ISO8601}), None)
    assert not made.columns[1].needs_probe
    column = finish(made, {}, lambda ask: range(len(ask))).columns[1]
    assert (column.target_type, column.timestamp_format) == (TargetType.TIMESTAMP, TimestampFormat.ISO8601)


def test_options_of_the_message_reach_the_column() -> None:
    field = proto("x", ProtoScalar.INTEGER, target_name="total", required=True, description="gross",
                  default_value_expression="0")
    assert only(mapped(source({"id": "TEXT", "x": "INTEGER"}), message=[proto("id"), field]), "x") == ColumnSpec(
        source_name="x", target_name="total", target_type=TargetType.INT64, field_number=17, required=True,
        description="gross", default_value_expression="0",
    )


def test_an_ignored_field_is_not_delivered_and_not_missed() -> None:
    made = draft(source({"id": "TEXT", "secret": "TEXT"}), section(),
                 [proto("id"), proto("Secret", ignored=True), proto("gone", ignored=True)])
    assert [one.source.name for one in made.columns] == ["id"]
    assert made.warnings == ()


def test_columns_and_fields_that_do_not_meet_are_told_and_the_columns_delivered() -> None:
    made = draft(source({"id": "TEXT", "new": "INTEGER"}), section(), [proto("id"), proto("old")])
    assert made.columns[1].target_type is TargetType.INT64
    assert made.warnings == ("message Thing lacks column new: its type is taken from SQLite",
                             "message Thing has a field old that table things lacks: not delivered")
    assert draft(source({"id": "TEXT", "new": "INTEGER"}), section(), None).warnings == ()


def test_field_numbers_are_asked_for_by_column_and_settled_type() -> None:
    asked: list[tuple[str, TargetType]] = []
    made = draft(source({"id": "TEXT", "x_at": "INTEGER", "y_at": "INTEGER"}), section(), None)

    def allot(wanted: Sequence[tuple[str, TargetType]]) -> range:
        asked.extend(wanted)
        return range(30, 33)

    assert [one.field_number for one in finish(made, {"x_at": MILLIS}, allot).columns] == [30, 31, 32]
    assert asked == [("id", TargetType.STRING), ("x_at", TargetType.TIMESTAMP), ("y_at", TargetType.INT64)]


@pytest.mark.parametrize(("name", "legal"), [
    ("plain", "plain"), ("Größe", "Gr__e"), ("a b-c", "a_b_c"), ("1st", "_1st"), ("_x", "_x"), ("", "_"),
    ('`"\\', "___"), ("٣", "_"), ("order", "order"),
])
def test_characters_that_bigquery_refuses_become_underscores(name: str, legal: str) -> None:
    assert legal_name(name) == legal
    assert only(mapped(source({"id": "TEXT", name: "TEXT"})), name).target_name == legal


@pytest.mark.parametrize("names", [
    ("a b", "a_b"), ("Größe", "Gr__e"), ("_bqsync_key", "y"), ("_BQSYNC_sequence", "y"),
])
def test_names_that_meet_in_bigquery_are_refused(names: tuple[str, str]) -> None:
    assert "meet in BigQuery" in refusal(source({"id": "TEXT", names[0]: "TEXT", names[1]: "TEXT"})).what


def test_names_are_compared_without_case_and_the_name_option_counts() -> None:
    message = [proto("id"), proto("a", target_name="ID")]
    assert "meet in BigQuery" in refusal(source({"id": "TEXT", "a": "TEXT"}), message=message).what


@pytest.mark.parametrize("name", ["_TABLE_x", "_file_x", "_PARTITIONTIME", "_row_timestamp", "__ROOT__x",
                                  "_colidentifier_1", "_CHANGE_TYPE", "x" * 301])
def test_names_that_bigquery_reserves_are_refused(name: str) -> None:
    assert "reserves" in refusal(source({"id": "TEXT", name: "TEXT"})).what


@pytest.mark.parametrize("name", ["bad name", "1st", "naïve", "a`b", "a.b"])
def test_a_name_option_that_bigquery_refuses_is_refused_before_it_gets_there(name: str) -> None:
    table, message = source({"id": "TEXT", "x": "TEXT"}), [proto("id"), proto("x", target_name=name)]
    assert "has a name that BigQuery refuses" in refusal(table, message=message).what


def test_required_is_inherited_from_the_target_without_regard_to_case() -> None:
    spec = with_target(mapped(source({"id": "TEXT", "Name": "TEXT"})), frozenset({"name"}))
    assert [one.required for one in spec.columns] == [False, True]


def test_zero_takes_the_place_of_null_in_every_column_but_the_key() -> None:
    spec = mapped(source({"id": "TEXT", "x": "TEXT"}), section(null_values=NullValues.ZERO, key=("ID",)))
    assert [one.zero_for_null for one in spec.columns] == [False, True]
    assert not any(one.zero_for_null for one in mapped(source({"id": "TEXT", "x": "TEXT"})).columns)


def test_the_names_and_the_delete_policy_are_those_of_the_configuration() -> None:
    settings = TableSection(name="THINGS", target="other", deletes=DeletePolicy.IGNORE)
    spec = mapped(source({"id": "TEXT"}), settings)
    assert (spec.source_name, spec.target_name, spec.deletes) == ("things", "other", DeletePolicy.IGNORE)


def test_a_column_that_no_field_can_be_named_after_is_found_by_a_json_name() -> None:
    table = source({"id": "TEXT", "a b": "INTEGER", "c": "INTEGER"})
    message = [proto("id"), proto("renamed", json_name="A B", target_name="ab"), proto("c", json_name="a b")]
    spec = mapped(table, message=message)
    assert {column.source_name: (column.target_name, column.target_type) for column in spec.columns} == {
        "id": ("id", TargetType.STRING), "a b": ("ab", TargetType.STRING), "c": ("c", TargetType.STRING)}
    assert draft(table, section(), message).warnings == ()


def test_a_json_name_hides_no_field_that_has_the_name_of_the_column() -> None:
    message = [proto("id"), proto("x", ProtoScalar.INTEGER), proto("y", ProtoScalar.BOOL, json_name="x")]
    table = source({"id": "TEXT", "x": "INTEGER"})
    assert only(mapped(table, message=message), "x").target_type is TargetType.INT64
    assert "has a field y that table things lacks" in "".join(draft(table, section(), message).warnings)

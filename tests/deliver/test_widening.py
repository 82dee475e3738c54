"""Which types become wider, which statements do it, and what an operator is told of the others."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.deliver.analyzer import Analyzer, RefusedError, Resolved

from bqsync.deliver import widening
from bqsync.deliver.target import TargetState
from bqsync.deliver.widening import judge
from bqsync.model import ColumnSpec, IntegerRange, Partitioning, TableSpec, TargetRef, TargetType

REF = TargetRef(project="acme-prod", dataset="mirror", table="things")
WIDER = {
    ("INT64", "NUMERIC"), ("INT64", "BIGNUMERIC"), ("INT64", "FLOAT64"), ("NUMERIC", "BIGNUMERIC"),
    ("NUMERIC", "FLOAT64"),
}
"""Source: https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language"""
RANGES = Partitioning(column="v", column_type=TargetType.INT64, unit=IntegerRange(start=0, end=100, interval=10))
COERCED_ALONE = {("BIGNUMERIC", "FLOAT64"), ("DATE", "DATETIME")}
"""The analyzer takes all that can be coerced; BigQuery's page names less, and BigQuery does less."""


def table(kind: TargetType, name: str = "v") -> TableSpec:
    columns = (ColumnSpec(source_name="id", target_name="id", target_type=TargetType.STRING, field_number=16),
               ColumnSpec(source_name=name, target_name=name, target_type=kind, field_number=17))
    return TableSpec(source_name="things", target_name="things", columns=columns, key=("id",))


def target(there: str, *, name: str = "v", narrow: str = "", required: bool = False) -> TargetState:
    return TargetState(ref=REF, created_us=0, types={"id": "STRING", name: there}, managed=True,
                       required=frozenset({name} if required else ()), narrow={name: narrow} if narrow else {})


@pytest.mark.parametrize("there", list(TargetType))
def test_exactly_the_documented_types_are_widened(analyzer: Analyzer, there: TargetType) -> None:
    """And Google's analyzer accepts the statement for them, and for none that is refused here."""
    for wanted in set(TargetType) - {there}:
        spec = table(wanted)
        widenings, obstacles = judge(spec, target(there.value, required=True))
        assert (len(widenings), len(obstacles)) == ((1, 0) if (there.value, wanted.value) in WIDER else (0, 1))
        statement = f"ALTER TABLE {REF.sql} ALTER COLUMN `v` SET DATA TYPE {wanted.value}"
        known = {REF: [("id", "STRING"), ("v", there.value)]}
        if widenings:
            assert widening.widening_statements(REF, widenings[0]) == [
                f"ALTER TABLE {REF.sql} ALTER COLUMN `v` DROP NOT NULL", statement], "none that is REQUIRED is widened"
            assert analyzer.resolve(statement, known) == Resolved("alter_table")
            condition = widenings[0].inexact
            assert bool(condition) == (wanted is TargetType.FLOAT64)
            if condition:
                asked = widening.altered_values_statement(REF, condition)
                assert analyzer.resolve(asked, known) == Resolved("query", (("present", "INT64"),))
        elif (there.value, wanted.value) not in COERCED_ALONE:
            with pytest.raises(RefusedError):
                analyzer.resolve(statement, known)


def test_the_other_statements_are_accepted(analyzer: Analyzer) -> None:
    known = {REF: [("id", "STRING"), ("T", "INT64")]}
    statements = {
        "relax_column_statement": widening.relax_column_statement(REF, "T"),
        "drop_key_statement": widening.drop_key_statement(REF),
        "add_key_statement": widening.add_key_statement(REF, ["id", "T"]),
    }
    for statement in statements.values():
        assert analyzer.resolve(statement, known) == Resolved("alter_table"), statement
    tested = {*statements, "widen_column_statement", "altered_values_statement"}
    assert tested == {name for name in vars(widening) if name.endswith("_statement")}


@pytest.mark.parametrize("bounds", ["NUMERIC(10, 2)", "NUMERIC(10)"])
def test_bounds_are_lifted_and_values_of_several_are_none(bounds: str) -> None:
    for wanted in (TargetType.NUMERIC, TargetType.BIGNUMERIC):
        (one,), obstacles = judge(table(wanted), target("NUMERIC", narrow=bounds))
        assert (one.there, one.inexact, obstacles) == (bounds, None, [])
    assert judge(table(TargetType.NUMERIC), target("NUMERIC", narrow="ARRAY<NUMERIC>"))[0] == []


def test_a_column_of_the_partitions_or_of_the_clustering_keeps_its_type() -> None:
    """Partitions are by INT64, and no clustering is by FLOAT64; bounds may be lifted anywhere."""
    there = target("INT64")
    _, (partitioned,) = judge(table(TargetType.NUMERIC), replace(there, partitioning=RANGES))
    _, (clustered,) = judge(table(TargetType.FLOAT64), replace(there, clustered=frozenset({"v"})))
    assert (partitioned.why, clustered.why) == ("the table is partitioned by it", "the table is clustered by it")
    assert len(judge(table(TargetType.NUMERIC), replace(there, clustered=frozenset({"v"})))[0]) == 1
    bounded = replace(target("STRING", narrow="STRING(5)"), partitioning=RANGES)
    assert len(judge(table(TargetType.STRING), bounded)[0]) == 1


@pytest.mark.parametrize(("state", "wanted", "parts"), [
    (target("INT64"), TargetType.STRING, ('types = { v = "INT64" }', "RENAME COLUMN `v` TO `v_old`")),
    (replace(target("INT64"), types={"id": "STRING", "v": "INT64", "v_old": "INT64"}), TargetType.STRING,
     ("TO `v_old1`",)),
    (replace(target("INT64"), clustered=frozenset({"v"})), TargetType.STRING, ("DROP TABLE", "another `target`")),
    (target("RECORD"), TargetType.STRING, ("RENAME COLUMN",)),
], ids=["plain", "a name that is taken", "clustered", "a type that no setting names"])
def test_the_fix_is_one_that_bigquery_takes(state: TargetState, wanted: TargetType, parts: tuple[str, ...]) -> None:
    spec = table(wanted)
    fix = widening.refusal(spec, state, judge(spec, state)[1]).fix
    assert [part for part in parts if part not in fix] == [], fix
    assert ("RENAME" in fix) is ("DROP TABLE" not in fix)
    assert ("types =" in fix) is (state.types["v"] in set(TargetType))


def test_a_name_is_quoted_where_the_configuration_asks_for_it() -> None:
    spec, state = table(TargetType.STRING, 'größe "x"'), target("INT64", name='größe "x"')
    assert 'types = { "größe \\"x\\"" = "INT64" }' in widening.refusal(spec, state, judge(spec, state)[1]).fix

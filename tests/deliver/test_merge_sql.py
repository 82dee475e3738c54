"""The text of every statement that reads or changes a target, exactly."""

from __future__ import annotations

from dataclasses import replace
from textwrap import dedent

import pytest

from bqsync.deliver.merge_sql import (
    add_column_statement,
    any_row_statement,
    merge_statement,
    quote,
    select_statement,
    staged_operations_statement,
)
from bqsync.model import ColumnSpec, DeletePolicy, TableSpec, TargetRef, TargetType

TARGET = TargetRef(project="acme-prod", dataset="mirror", table="things")
STAGING = TargetRef(project="acme-prod", dataset="scratch", table="_bqsync_staging_1")


def table(*names: str, key: tuple[str, ...]) -> TableSpec:
    """Source names differ from target names, so that mistaking one for the other shows."""
    columns = tuple(
        ColumnSpec(source_name=f"source of {name}", target_name=name, target_type=TargetType.STRING,
                   field_number=16 + index)
        for index, name in enumerate(names)
    )
    return TableSpec(source_name="source", target_name="things", columns=columns,
                     key=tuple(f"source of {name}" for name in key))


def merge(*names: str, key: tuple[str, ...]) -> str:
    return merge_statement(table(*names, key=key), TARGET, STAGING)


def test_a_table_with_one_key_column() -> None:
    assert merge("id", "name", "size", key=("id",)) == dedent("""\
        MERGE `acme-prod`.`mirror`.`things` AS T
        USING (
          SELECT *
          FROM `acme-prod`.`scratch`.`_bqsync_staging_1`
          QUALIFY ROW_NUMBER() OVER (PARTITION BY `_bqsync_key` ORDER BY `_bqsync_sequence` DESC) = 1
        ) AS S
        ON T.`id` = S.`id`
        WHEN MATCHED AND S.`_bqsync_operation` = 'D' THEN
          DELETE
        WHEN MATCHED AND S.`_bqsync_operation` = 'U' THEN
          UPDATE SET
            `name` = S.`name`,
            `size` = S.`size`
        WHEN NOT MATCHED AND S.`_bqsync_operation` = 'U' THEN
          INSERT (`id`, `name`, `size`)
          VALUES (S.`id`, S.`name`, S.`size`)""")


def test_a_table_with_a_composite_key_is_joined_in_key_order_and_keeps_the_order_of_its_columns() -> None:
    assert merge("a", "x", "b", key=("b", "a")) == dedent("""\
        MERGE `acme-prod`.`mirror`.`things` AS T
        USING (
          SELECT *
          FROM `acme-prod`.`scratch`.`_bqsync_staging_1`
          QUALIFY ROW_NUMBER() OVER (PARTITION BY `_bqsync_key` ORDER BY `_bqsync_sequence` DESC) = 1
        ) AS S
        ON T.`b` = S.`b` AND T.`a` = S.`a`
        WHEN MATCHED AND S.`_bqsync_operation` = 'D' THEN
          DELETE
        WHEN MATCHED AND S.`_bqsync_operation` = 'U' THEN
          UPDATE SET
            `x` = S.`x`
        WHEN NOT MATCHED AND S.`_bqsync_operation` = 'U' THEN
          INSERT (`a`, `x`, `b`)
          VALUES (S.`a`, S.`x`, S.`b`)""")


def test_a_table_that_is_all_key_has_nothing_to_update() -> None:
    assert merge("a", "b", key=("a", "b")) == dedent("""\
        MERGE `acme-prod`.`mirror`.`things` AS T
        USING (
          SELECT *
          FROM `acme-prod`.`scratch`.`_bqsync_staging_1`
          QUALIFY ROW_NUMBER() OVER (PARTITION BY `_bqsync_key` ORDER BY `_bqsync_sequence` DESC) = 1
        ) AS S
        ON T.`a` = S.`a` AND T.`b` = S.`b`
        WHEN MATCHED AND S.`_bqsync_operation` = 'D' THEN
          DELETE
        WHEN NOT MATCHED AND S.`_bqsync_operation` = 'U' THEN
          INSERT (`a`, `b`)
          VALUES (S.`a`, S.`b`)""")


def test_a_table_whose_deletes_are_marks_keeps_the_first_mark_and_clears_it_when_the_row_is_back() -> None:
    spec = replace(table("id", "name", key=("id",)), deletes=DeletePolicy.MARK, gone=("left",))
    assert merge_statement(spec, TARGET, STAGING) == dedent("""\
        MERGE `acme-prod`.`mirror`.`things` AS T
        USING (
          SELECT *
          FROM `acme-prod`.`scratch`.`_bqsync_staging_1`
          QUALIFY ROW_NUMBER() OVER (PARTITION BY `_bqsync_key` ORDER BY `_bqsync_sequence` DESC) = 1
        ) AS S
        ON T.`id` = S.`id`
        WHEN MATCHED AND S.`_bqsync_operation` = 'D' AND T.`_bqsync_deleted_at` IS NULL THEN
          UPDATE SET
            `_bqsync_deleted_at` = CURRENT_TIMESTAMP()
        WHEN MATCHED AND S.`_bqsync_operation` = 'U' THEN
          UPDATE SET
            `name` = S.`name`,
            `left` = NULL,
            `_bqsync_deleted_at` = NULL
        WHEN NOT MATCHED AND S.`_bqsync_operation` = 'U' THEN
          INSERT (`id`, `name`)
          VALUES (S.`id`, S.`name`)""")


def test_a_table_that_is_all_key_has_its_mark_to_clear() -> None:
    spec = replace(table("id", key=("id",)), deletes=DeletePolicy.MARK)
    assert dedent("""\
        WHEN MATCHED AND S.`_bqsync_operation` = 'U' THEN
          UPDATE SET
            `_bqsync_deleted_at` = NULL
        WHEN NOT MATCHED""") in merge_statement(spec, TARGET, STAGING)


def test_with_deletes_ignored_nothing_is_marked() -> None:
    ignored = replace(table("id", "x", key=("id",)), deletes=DeletePolicy.IGNORE)
    assert merge_statement(ignored, TARGET, STAGING) == merge("id", "x", key=("id",))


@pytest.mark.parametrize(("name", "quoted"), [
    ("plain", "`plain`"), ("select", "`select`"), ("a`b", "`a\\`b`"), ("a\\b", "`a\\\\b`"), ("\\`", "`\\\\\\``"),
    ("a b", "`a b`"), ("", "``"),
])
def test_identifiers_are_quoted_so_that_none_of_them_ends_its_quotes(name: str, quoted: str) -> None:
    assert quote(name) == quoted


def test_every_identifier_of_a_merge_is_quoted() -> None:
    statement = merge("a`b", "order", key=("a`b",))
    assert "ON T.`a\\`b` = S.`a\\`b`" in statement
    assert "`order` = S.`order`" in statement
    assert "INSERT (`a\\`b`, `order`)" in statement


def test_a_column_is_added_unless_it_is_there() -> None:
    assert add_column_statement(TARGET, "at", "TIMESTAMP") == (
        "ALTER TABLE `acme-prod`.`mirror`.`things` ADD COLUMN IF NOT EXISTS `at` TIMESTAMP"
    )


def test_a_staging_table_is_read_as_a_merge_takes_it() -> None:
    assert staged_operations_statement(STAGING) == (
        "SELECT T.`_bqsync_key`, T.`_bqsync_operation` FROM `acme-prod`.`scratch`.`_bqsync_staging_1` AS T"
        " QUALIFY ROW_NUMBER() OVER (PARTITION BY `_bqsync_key` ORDER BY `_bqsync_sequence` DESC) = 1"
    )


def test_a_target_is_read_whole_or_for_one_row() -> None:
    assert select_statement(TARGET, ["T.`a`", "UNIX_MICROS(T.`b`) AS `b`"]) == (
        "SELECT T.`a`, UNIX_MICROS(T.`b`) AS `b` FROM `acme-prod`.`mirror`.`things` AS T"
    )
    assert select_statement(TARGET, ["T.`a`"], unmarked_only=True) == (
        "SELECT T.`a` FROM `acme-prod`.`mirror`.`things` AS T WHERE T.`_bqsync_deleted_at` IS NULL"
    )
    assert any_row_statement(TARGET) == (
        "SELECT 1 AS present FROM `acme-prod`.`mirror`.`things` AS T LIMIT 1"
    )


def test_a_column_with_the_name_of_the_alias_is_not_taken_for_the_row() -> None:
    statement = merge("id", "t", "T_", key=("id",))
    assert statement.startswith("MERGE `acme-prod`.`mirror`.`things` AS T__\n")
    assert "ON T__.`id` = S.`id`" in statement
    assert "    `t` = S.`t`,\n    `T_` = S.`T_`\n" in statement

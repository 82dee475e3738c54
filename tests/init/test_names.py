"""Whatever SQLite takes for a name becomes names that protobuf and BigQuery take, each once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.init.databases import findings_of, make, proposed, table_of
from tests.properties import MODEST

from bqsync.config import plain_table_name
from bqsync.encode.column_names import is_reserved, legal_name
from bqsync.engine.proposal.names import column_names, message_names, table_targets

if TYPE_CHECKING:
    from pathlib import Path

NAMES = st.lists(
    st.one_of(st.text(alphabet="aA_b1 -é名", min_size=1, max_size=6),
              st.sampled_from(["_table_x", "_bqsync_key", "select", "_change_type", "x" * 301, "_"])),
    min_size=1, max_size=12, unique_by=str.lower,
)


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@MODEST
@given(names=NAMES)
def test_target_names_are_legal_and_each_its_own(names: list[str]) -> None:
    found = column_names(names)
    targets = [found[name].target or legal_name(name) for name in names]
    assert len({target.lower() for target in targets}) == len(names)
    for target in targets:
        assert target == legal_name(target)
        assert not is_reserved(target)
        assert not target.startswith("_bqsync")


@MODEST
@given(names=NAMES)
def test_field_names_have_json_names_of_their_own(names: list[str]) -> None:
    fields = [found.field for found in column_names(names).values()]
    assert len({field.replace("_", "").lower() for field in fields}) == len(names)


@MODEST
@given(names=NAMES)
def test_tables_have_targets_and_messages_of_their_own(names: list[str]) -> None:
    targets = {(target or plain_table_name(name)).lower() for name, target in table_targets(names).items()}
    assert len(targets) == len(set(message_names(names).values())) == len(names)


@pytest.mark.parametrize("columns", [
    ["Order ID", "Order-ID", "order_id"],
    ["名前", "住所"],
    ["fooBar", "foo_bar", "_fooBar"],
    ["_table_x", "_bqsync_key", "_BQSYNC_DELETED_AT"],
    ['a"b', "a\nb", "a'b", "a\\b", "a]b", "\x7f", "a,b"],
    ["select", "message", "optional", "SerializeToString", "1st", "a.b"],
    ["x" * 400, "x" * 401],
])
def test_columns_of_any_name_pass_the_next_check(tmp_path: Path, columns: list[str]) -> None:
    db = make(tmp_path / "app.db", f"CREATE TABLE t (k INTEGER PRIMARY KEY, {', '.join(map(quote, columns))});"
              "INSERT INTO t (k) VALUES (1)")
    assert findings_of(proposed(db), tmp_path, levels=("error", "warning")) == []


@pytest.mark.parametrize("tables", [
    ["order details", "order-details", "order_details", "OrderDetails"],
    ["名前", "住所", "__"],
    ["_bqsync_staging_x", "1st", 'a"b', "a\nb", "a'b\\"],
])
def test_tables_of_any_name_pass_the_next_check(tmp_path: Path, tables: list[str]) -> None:
    db = make(tmp_path / "app.db", ";".join(f"CREATE TABLE {quote(name)} (k INTEGER PRIMARY KEY)" for name in tables))
    proposal = proposed(db)
    assert [table.name for table in proposal.accepted] == tables
    assert findings_of(proposal, tmp_path, levels=("error", "warning")) == []


def test_a_name_that_needs_no_change_keeps_its_name(tmp_path: Path) -> None:
    db = make(tmp_path / "app.db", 'CREATE TABLE t ("a b" INTEGER PRIMARY KEY, a_b TEXT)')
    assert [(column.name, column.target_name) for column in table_of(db).columns] == [("a b", "a_b_2"), ("a_b", None)]

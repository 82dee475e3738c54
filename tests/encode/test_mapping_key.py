"""Which columns identify a row, and what a configuration may not name."""

from __future__ import annotations

from typing import Any

import pytest
from tests.encode.test_mapping import mapped, proto, refusal, section, source

from bqsync.model import TargetType, TimestampFormat


def test_a_configured_key_wins_over_the_declared_one_and_keeps_the_spelling_of_the_table() -> None:
    table = source({"id": "TEXT", "Code": "TEXT", "n": "INTEGER"}, unique_keys=(("n",),))
    assert mapped(table, section(key=("CODE", "n"))).key == ("Code", "n")


def test_the_declared_key_wins_over_unique_constraints() -> None:
    assert mapped(source({"a": "TEXT", "b": "TEXT"}, key=("b", "a"), unique_keys=(("a",),))).key == ("b", "a")


def test_without_a_declared_key_the_first_unique_one_serves() -> None:
    assert mapped(source({"a": "TEXT", "b": "TEXT"}, key=(), unique_keys=(("b",), ("a", "b")))).key == ("b",)


def test_a_table_without_a_key_is_refused_with_what_to_configure() -> None:
    error = refusal(source({"a": "TEXT"}, key=()))
    assert "things has no key" in error.what
    assert "key = [...]" in error.fix


def test_key_columns_come_in_key_order() -> None:
    spec = mapped(source({"a": "TEXT", "b": "INTEGER"}, key=("b", "a")))
    assert [one.target_name for one in spec.key_columns] == ["b", "a"]


def test_a_json_key_is_refused() -> None:
    error = refusal(source({"id": "TEXT"}), section(types={"id": TargetType.JSON}))
    assert "things.id is JSON" in error.what


def test_an_ignored_key_is_refused() -> None:
    error = refusal(source({"id": "TEXT", "x": "TEXT"}), message=[proto("id", ignored=True), proto("x")])
    assert "ignored by its message" in error.what


def test_sixteen_key_columns_are_the_most() -> None:
    names = [f"k{index}" for index in range(17)]
    assert len(mapped(source(dict.fromkeys(names, "TEXT"), key=names[:16])).key) == 16
    assert "has 17 columns" in refusal(source(dict.fromkeys(names, "TEXT"), key=names)).what


@pytest.mark.parametrize(("setting", "value"), [
    ("key", ("nope",)), ("watermark", ("nope",)), ("types", {"nope": TargetType.DATE}),
    ("timestamps", {"nope": TimestampFormat.ISO8601}),
])
def test_a_setting_that_names_an_unknown_column_is_refused_by_its_name(setting: str, value: Any) -> None:
    error = refusal(source({"id": "TEXT", "x": "TEXT"}), section(**{setting: value}))
    assert f"`{setting}`" in error.what
    assert "'nope'" in error.what
    assert "id, x" in error.why


def test_settings_may_spell_a_column_in_another_case() -> None:
    settings = section(key=("ID",), watermark=("X_AT",), types={"Id": TargetType.STRING},
                       timestamps={"x_At": TimestampFormat.UNIX_SECONDS})
    assert mapped(source({"id": "TEXT", "x_at": "INTEGER"}), settings).key == ("id",)

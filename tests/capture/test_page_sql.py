"""The text of every SELECT, exactly."""

from __future__ import annotations

import pytest

from bqsync.capture.page_sql import (
    Query,
    kinds_query,
    lookup_query,
    null_key_query,
    page_query,
    places_query,
    quote,
)
from bqsync.model import TimestampFormat


def test_the_first_page_starts_at_the_beginning() -> None:
    assert page_query("things", ["id", "name"], ["id"], None, 10) == Query(
        'SELECT "id", "name" FROM "things" WHERE "id" IS NOT NULL ORDER BY "id" LIMIT ?', (10,),
    )


def test_the_next_page_starts_behind_the_last_key() -> None:
    assert page_query("things", ["id", "name"], ["id"], ["z"], 10) == Query(
        'SELECT "id", "name" FROM "things" WHERE "id" IS NOT NULL AND ("id") > (?) ORDER BY "id" LIMIT ?', ("z", 10),
    )


def test_a_composite_key_is_compared_as_a_row() -> None:
    assert page_query("t", ["x", "a", "b"], ["b", "a"], [1, b"\0"], 5) == Query(
        'SELECT "x", "a", "b" FROM "t" WHERE "b" IS NOT NULL AND "a" IS NOT NULL AND ("b", "a") > (?, ?)'
        ' ORDER BY "b", "a" LIMIT ?', (1, b"\0", 5),
    )


def test_a_text_that_is_no_utf8_is_bound_as_its_bytes() -> None:
    assert page_query("t", ["k"], ["k", "j"], ["a\udcff", "é"], 1) == Query(
        'SELECT "k" FROM "t" WHERE "k" IS NOT NULL AND "j" IS NOT NULL AND ("k", "j") > (CAST(? AS TEXT), ?)'
        ' ORDER BY "k", "j" LIMIT ?', (b"a\xff", "é", 1),
    )


def test_rows_with_a_null_in_the_key_are_asked_for_apart() -> None:
    assert null_key_query("t", ["a", "b"], ["a", "b"], 7) == Query(
        'SELECT "a", "b" FROM "t" WHERE "a" IS NULL OR "b" IS NULL LIMIT ?', (7,),
    )


def test_one_row_is_found_by_all_of_its_key() -> None:
    assert lookup_query("t", ["x"], ["a", "b"], [1.5, "\udc80"]) == Query(
        'SELECT "x" FROM "t" WHERE "a" = ? AND "b" = CAST(? AS TEXT)', (1.5, b"\x80"),
    )


UNITS = {TimestampFormat.UNIX_SECONDS: (10.0, 20.0), TimestampFormat.UNIX_MILLIS: (10_000, 20_000)}
KIND = """CASE WHEN typeof(COL) IN ('integer', 'real') THEN CASE WHEN COL >= 10.0 AND COL < 20.0 THEN 'unix_seconds'
 WHEN COL >= 10000 AND COL < 20000 THEN 'unix_millis' ELSE typeof(COL) END
 WHEN typeof(COL) = 'text' AND COL GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*' THEN 'iso8601'
 ELSE typeof(COL) END""".replace("\n", "").replace("COL", '"a""b"')


def test_values_are_counted_by_what_they_look_like() -> None:
    assert kinds_query("t", 'a"b', UNITS) == Query(
        f'SELECT {KIND} AS kind, count(*) FROM "t" WHERE "a""b" IS NOT NULL GROUP BY kind'
        " ORDER BY count(*) DESC, kind",
    )


def test_the_places_of_odd_values_are_found_by_a_query_for_the_operator() -> None:
    assert places_query("t", 'a"b', UNITS, "unix_seconds") == (
        f'SELECT {KIND} AS kind, * FROM "t" WHERE "a""b" IS NOT NULL AND kind <> \'unix_seconds\''
    )


@pytest.mark.parametrize(("name", "quoted"), [
    ("plain", '"plain"'), ('a"b', '"a""b"'), ("", '""'), ("select", '"select"'), ("a;--", '"a;--"'), ('"', '""""'),
])
def test_every_identifier_is_quoted(name: str, quoted: str) -> None:
    assert quote(name) == quoted

"""The text of every SELECT, exactly."""

from __future__ import annotations

import pytest

from bqsync.capture.page_sql import OrderTerm, Query, lookup_query, null_key_query, page_query, plan_query, quote
from bqsync.capture.probe_sql import kinds_query, places_query, rounded_query, text_forms_query
from bqsync.model import TimestampFormat


def test_the_first_page_starts_at_the_beginning() -> None:
    assert page_query("things", ["id", "name"], ["id"], None, 10) == Query(
        'SELECT s."id", s."name" FROM "things" AS s WHERE s."id" IS NOT NULL ORDER BY s."id" LIMIT ?', (10,),
    )


def test_the_next_page_starts_behind_the_last_key() -> None:
    assert page_query("things", ["id", "name"], ["id"], ["z"], 10) == Query(
        'SELECT s."id", s."name" FROM "things" AS s WHERE s."id" IS NOT NULL AND (s."id") > (?)'
        ' ORDER BY s."id" LIMIT ?', ("z", 10),
    )


def test_a_composite_key_is_compared_as_a_row() -> None:
    assert page_query("t", ["x", "a", "b"], ["b", "a"], [1, b"\0"], 5) == Query(
        'SELECT s."x", s."a", s."b" FROM "t" AS s WHERE s."b" IS NOT NULL AND s."a" IS NOT NULL'
        ' AND (s."b", s."a") > (?, ?) ORDER BY s."b", s."a" LIMIT ?', (1, b"\0", 5),
    )


def test_a_text_that_is_no_utf8_is_bound_as_its_bytes() -> None:
    assert page_query("t", ["k"], ["k", "j"], ["a\udcff", "é"], 1) == Query(
        'SELECT s."k" FROM "t" AS s WHERE s."k" IS NOT NULL AND s."j" IS NOT NULL'
        ' AND (s."k", s."j") > (CAST(? AS TEXT), ?) ORDER BY s."k", s."j" LIMIT ?', (b"a\xff", "é", 1),
    )


def test_rows_with_a_null_in_the_key_are_asked_for_apart() -> None:
    select = 'SELECT s."a", s."b" FROM "t" AS s WHERE (s."a" IS NULL OR s."b" IS NULL)'
    assert null_key_query("t", ["a", "b"], ["a", "b"], None, 7, order=[OrderTerm("rowid")]) == Query(
        f'{select} ORDER BY s."rowid" LIMIT ?', (7,),
    )
    order = [OrderTerm("n"), OrderTerm("m")]
    assert null_key_query("t", ["a", "b"], ["a", "b"], [5, "\udc80"], 7, order=order) == Query(
        f'{select} AND (s."n", s."m") > (?, CAST(? AS TEXT)) ORDER BY s."n", s."m" LIMIT ?', (5, b"\x80", 7),
    )


def test_an_order_of_another_collation_names_it_in_the_comparison_and_in_the_order() -> None:
    assert page_query("t", ["k"], ["k"], ["z"], 1, order=[OrderTerm("k", 'no"case')]) == Query(
        'SELECT s."k" FROM "t" AS s WHERE s."k" IS NOT NULL AND (s."k" COLLATE "no""case") > (?)'
        ' ORDER BY s."k" COLLATE "no""case" LIMIT ?', ("z", 1),
    )


def test_a_plan_is_asked_for_with_the_values_of_the_query() -> None:
    assert plan_query(Query("SELECT ?", (1,))) == Query("EXPLAIN QUERY PLAN SELECT ?", (1,))


def test_one_row_is_found_by_all_of_its_key() -> None:
    assert lookup_query("t", ["x"], ["a", "b"], [1.5, "\udc80"]) == Query(
        'SELECT s."x" FROM "t" AS s WHERE s."a" = ? AND s."b" = CAST(? AS TEXT)', (1.5, b"\x80"),
    )


UNITS = {TimestampFormat.UNIX_SECONDS: (10.0, 20.0), TimestampFormat.UNIX_MILLIS: (10_000, 20_000)}
KIND = """CASE WHEN typeof(COL) IN ('integer', 'real') THEN CASE WHEN COL >= 10.0 AND COL < 20.0 THEN 'unix_seconds'
 WHEN COL >= 10000 AND COL < 20000 THEN 'unix_millis' ELSE typeof(COL) END
 WHEN typeof(COL) = 'text' AND COL GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*' THEN 'iso8601'
 ELSE typeof(COL) END""".replace("\n", "").replace("COL", 's."a""b"')


def test_values_are_counted_by_what_they_look_like() -> None:
    assert kinds_query("t", 'a"b', UNITS) == Query(
        f'SELECT {KIND} AS kind, count(*) FROM "t" AS s WHERE s."a""b" IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1',
    )


def test_the_places_of_odd_values_are_found_by_a_query_for_the_operator() -> None:
    assert places_query("t", 'a"b', UNITS, "unix_seconds") == (
        f'SELECT {KIND} AS kind, * FROM "t" AS s WHERE s."a""b" IS NOT NULL AND {KIND} <> \'unix_seconds\''
    )


def test_the_texts_of_the_other_judgements_of_a_column() -> None:
    assert rounded_query("t", 'a"b', TimestampFormat.UNIX_NANOS) == Query(
        'SELECT count(*) FROM "t" AS s WHERE typeof(s."a""b") = \'integer\' AND s."a""b" % 1000 <> 0')
    assert rounded_query("t", 'a"b', TimestampFormat.ISO8601) == Query(
        'SELECT count(*) FROM "t" AS s WHERE s."a""b" GLOB ' + f"'*.{'[0-9]' * 7}*'")
    assert rounded_query("t", "a", TimestampFormat.UNIX_SECONDS) is None
    assert text_forms_query("t", "a") == Query(
        'SELECT min(s."a"), count(*) FROM "t" AS s WHERE typeof(s."a") = \'text\' GROUP BY length(s."a"),'
        ' substr(s."a", 11, 1), substr(s."a", 20, 1), ltrim(substr(s."a", 20), \'.,0123456789\')')


@pytest.mark.parametrize(("name", "quoted"), [
    ("plain", '"plain"'), ('a"b', '"a""b"'), ("", '""'), ("select", '"select"'), ("a;--", '"a;--"'), ('"', '""""'),
])
def test_every_identifier_is_quoted(name: str, quoted: str) -> None:
    assert quote(name) == quoted

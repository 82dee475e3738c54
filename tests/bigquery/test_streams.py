"""The contract of committed streams: rows at explicit offsets, each once, to be read as soon as acknowledged."""

from __future__ import annotations

import pytest
from google.cloud import bigquery

from tests.bigquery.answers import Compare
from tests.bigquery.ground import Ground
from tests.bigquery.stream import NUMBER, TEXT

pytestmark = pytest.mark.service

A, B, C = ({"id": number, "v": text} for number, text in enumerate("abc"))


def test_rows_can_be_read_as_soon_as_they_are_acknowledged(ground: Ground, compare: Compare) -> None:
    table = ground.table()
    stream = ground.stream(table)
    answers = [stream.append([A, B], offset=0), stream.append([C], offset=2)]
    compare({"statuses": [answer.status for answer in answers], "offsets": [answer.offset for answer in answers],
             "rows": len(ground.texts(table))},
            expected={"statuses": ["OK", "OK"], "offsets": [0, 2], "rows": 3})


def test_an_offset_that_holds_rows_already_exists(ground: Ground, compare: Compare) -> None:
    """So a request whose answer was lost can be sent again."""
    table = ground.table()
    stream = ground.stream(table)
    stream.append([A, B], offset=0)
    answer = stream.append([A, B], offset=0)
    compare({"status": answer.status, "rows": len(ground.texts(table))},
            expected={"status": "ALREADY_EXISTS", "rows": 2})


def test_an_offset_beyond_the_end_is_out_of_range(ground: Ground, compare: Compare) -> None:
    """So a request that overtakes a lost one leaves no gap."""
    table = ground.table()
    stream = ground.stream(table)
    stream.append([A], offset=0)
    answer = stream.append([C], offset=2)
    compare({"status": answer.status, "rows": len(ground.texts(table))},
            expected={"status": "OUT_OF_RANGE", "rows": 1})


def test_a_refused_row_is_named_and_no_row_of_its_request_is_appended(ground: Ground, compare: Compare) -> None:
    table = ground.table({"id": "INT64", "v": "NUMERIC"})
    stream = ground.stream(table)
    answer = stream.append([{"id": 0, "v": "1"}, {"id": 1, "v": "no number"}, {"id": 2, "v": "2"}], offset=0)
    again = stream.append([{"id": 0, "v": "1"}, {"id": 2, "v": "2"}], offset=0)
    rows = ground.rows(f"SELECT id FROM `{table}` ORDER BY id")
    compare({"status": answer.status, "refused": answer.refused_rows, "without it": again.status,
             "rows": [row["id"] for row in rows]},
            expected={"status": "INVALID_ARGUMENT", "refused": [1], "without it": "OK", "rows": [0, 2]})


def test_absent_fields_are_null_and_zero_is_not(ground: Ground, compare: Compare) -> None:
    table = ground.table({"id": "INT64", "n": "INT64", "v": "STRING"})
    stream = ground.stream(table, {"id": NUMBER, "n": NUMBER, "v": TEXT})
    stream.append([{"id": 1}, {"id": 2, "n": 0, "v": ""}], offset=0)
    rows = ground.rows(f"SELECT * FROM `{table}` ORDER BY id")
    compare({"absent": [rows[0]["n"], rows[0]["v"]], "zero": [rows[1]["n"], rows[1]["v"]]},
            expected={"absent": [None, None], "zero": [0, ""]})


def test_a_row_of_the_largest_size_is_taken(ground: Ground, compare: Compare) -> None:
    """`deliver.append` fills requests up to 9.9 MB; larger rows wait in quarantine."""
    table = ground.table()
    answer = ground.stream(table).append([{"id": 1, "v": "x" * 9_800_000}], offset=0)
    (row,) = ground.rows(f"SELECT LENGTH(v) AS length FROM `{table}`")
    compare({"status": answer.status, "length": row["length"]}, expected={"status": "OK", "length": 9_800_000})


def test_a_stream_onto_a_table_that_got_a_column(ground: Ground, compare: Compare) -> None:
    """Nothing relies on it: rows go to tables that are new. Google names minutes until it is known."""
    name = ground.table()
    table = ground.rest.get_table(name)
    table.schema = [*table.schema, bigquery.SchemaField("more", "STRING")]
    ground.rest.update_table(table, ["schema"])
    answer = ground.stream(name, {"id": NUMBER, "more": TEXT}).append([{"id": 1, "more": "new"}], offset=0)
    compare({"status": answer.status}, expected=None)


def test_a_stream_goes_on_after_a_break(ground: Ground, compare: Compare) -> None:
    """Each append here has a connection of its own; the offset is all that holds them together."""
    table = ground.table()
    stream = ground.stream(table)
    ends = [stream.append([row], offset=offset).status for offset, row in enumerate([A, B, C])]
    compare({"statuses": ends, "rows": ground.texts(table)},
            expected={"statuses": ["OK"] * 3, "rows": {0: "a", 1: "b", 2: "c"}})

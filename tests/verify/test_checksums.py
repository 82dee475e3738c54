"""Both sides make the same sums of the same rows, and other sums of any others."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.encode.specs import column, table
from tests.verify.queries import asked

from bqsync.encode.checksums import BucketSums, RowDigests, bucket_digits
from bqsync.encode.rows import RowEncoder
from bqsync.model import EncodedRow, SqlValue, TargetType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.workbench import Workbench

FEW = settings(max_examples=4, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck),
               phases=[Phase.generate])
"""Each example is a whole cycle, and one that fails is short enough as it is."""
TYPES = {  # the embedded BigQuery has no BIGNUMERIC
    "i": "INT64", "f": "FLOAT64", "b": "BOOL", "s": "STRING", "y": "BYTES", "ts": "TIMESTAMP", "n": "NUMERIC",
    "d": "DATE", "dt": "DATETIME", "t": "TIME",
}
INT64 = st.integers(-(2**63), 2**63 - 1)
CELLS: dict[str, st.SearchStrategy[SqlValue]] = {
    "i": INT64,
    "f": st.floats(allow_nan=False) | st.sampled_from([-0.0, 5e-324, math.inf, -math.inf, 1e16, 0.1]),
    "b": st.integers(0, 1),
    "s": st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    | st.sampled_from(["", "NULL", ",", "1:a,", "a\0b", "👩🏽‍🚀", "e\u0301"]),
    "y": st.binary(max_size=8),
    "ts": st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999),
    "n": st.decimals(-(10**28), 10**28, places=9).map(str) | st.sampled_from(["-0.000000001", "100", "0.5", "-0"]),
    "d": st.dates().map(str),
    "dt": st.datetimes().map(str),
    "t": st.times().map(str),
}
ROWS = st.lists(st.tuples(*(st.none() | CELLS[name] for name in TYPES)), min_size=30, max_size=60)


@FEW
@given(ROWS)
def test_rows_of_every_type_are_equal_by_one_query(workbench: Workbench, rows: list[tuple[SqlValue, ...]]) -> None:
    """A digest that came out otherwise on one side would cost another query."""
    names = ", ".join(TYPES)
    workbench.fill(f"DROP TABLE IF EXISTS t; CREATE TABLE t (id INTEGER PRIMARY KEY, {names})",
                   (f"INSERT INTO t VALUES ({', '.join('?' * (len(TYPES) + 1))})",
                    [(at, *row) for at, row in enumerate(rows)]))
    types = ", ".join(f'{name} = "{kind}"' for name, kind in TYPES.items())
    workbench.configure(
        f'[[tables]]\nname = "t"\ntypes = {{ {types} }}\ntimestamps = {{ ts = "unix_micros" }}\n')
    outcome = workbench.sync("t")["t"]
    assert (outcome.error, outcome.quarantine_total) == (None, 0)
    compared, queries = asked(workbench, "t")
    assert (compared.rows_source, compared.rows_target, compared.rows_different) == (len(rows), len(rows), 0)
    assert len(queries) == 1, queries


def test_json_is_equal_by_value_however_it_is_spelled(workbench: Workbench) -> None:
    texts = ['{"b": 1, "a": [1.0, "é", null]}', '{"a":1}', "null", '"x"', "[]", None]
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, j TEXT)",
                   ("INSERT INTO t VALUES (?, ?)", list(enumerate(texts))))
    workbench.configure('[[tables]]\nname = "t"\ntypes = { j = "JSON" }\n')
    workbench.sync()
    assert workbench.verify("t").rows_different == 0
    workbench.query("UPDATE {d}.t SET j = JSON '{\"a\":2}' WHERE id = 1")
    outcome = workbench.verify("t")
    assert [(one.key, one.columns) for one in outcome.differences] == [(("1",), ("j",))]


LIKE_EACH_OTHER: dict[TargetType, list[SqlValue]] = {
    TargetType.STRING: ["", "NULL", "0:", ",", "a,1:b", "a", "b"],
    TargetType.BYTES: [b"", b"\0", b"\0\0", b"x"],
    TargetType.INT64: [0, 1, -1, 10],
    TargetType.FLOAT64: [0.0, 1.0, 0.1, 0.1 + 2**-56, 5e-324],
    TargetType.BOOL: [0, 1],
    TargetType.NUMERIC: ["0", "0.1", "1", "10", "100", "-0.1", "1.01"],
    TargetType.JSON: ['{"a":1}', '{"a":"1"}', "null", '"null"', "1"],
    TargetType.TIME: ["00:00", "00:00:01", "00:00:00.000001"],
}


@pytest.mark.parametrize("kind", LIKE_EACH_OTHER)
def test_values_that_differ_have_digests_that_differ(kind: TargetType) -> None:
    spec = table(column("id", TargetType.INT64), column("a", kind), column("b", kind))
    values = [None, *LIKE_EACH_OTHER[kind]]
    rows = [(1, one, other) for one in values for other in values]
    found = RowDigests(RowEncoder(spec)).of(rows)
    assert None not in found
    assert len(set(found)) == len(rows)


@given(st.lists(st.tuples(
    st.none() | st.integers(0, 9), st.none() | st.text(max_size=3) | st.just("\udc80"),
    st.none() | st.sampled_from(["{}", "{", "1e999"]),
    st.none() | st.integers(0, 9) | st.floats() | st.text(max_size=2),
), max_size=8))
@settings(max_examples=200, deadline=None, derandomize=True, database=None)
def test_a_row_has_a_digest_where_it_can_be_delivered(rows: Sequence[tuple[SqlValue, ...]]) -> None:
    encoder = RowEncoder(table(column("id", TargetType.INT64), column("k"), column("j", TargetType.JSON),
                               column("n", TargetType.INT64, required=True), key=["id", "k"]))
    expected = [isinstance(encoder.encode(row), EncodedRow) for row in rows]
    assert [digest is not None for digest in RowDigests(encoder).of(rows)] == expected


def test_a_row_that_is_too_large_has_none() -> None:
    encoder = RowEncoder(table(column("id", TargetType.INT64), column("s")))
    rows = [(1, "x" * 9_000_000), (2, "x" * 9_900_000), (3, "é" * 4_950_000), (4, "x")]
    assert [digest is None for digest in RowDigests(encoder).of(rows)] == [False, True, True, False]


def test_a_null_that_is_sent_as_zero_is_that_zero() -> None:
    spec = table(column("id", TargetType.INT64), column("a", TargetType.INT64, zero_for_null=True),
                 column("b", zero_for_null=True), column("j", TargetType.JSON, zero_for_null=True))
    one, other, third = RowDigests(RowEncoder(spec)).of([(1, None, None, None), (1, 0, "", None), (1, 0, "", "0")])
    assert one == other != third


def test_sums_tell_apart_what_counts_and_exclusive_ors_would_not() -> None:
    """A row that stands there twice, and two pairs that would cancel each other out."""
    spec = table(column("id", TargetType.INT64), column("s"))
    digests = RowDigests(RowEncoder(spec)).of([(at, "x") for at in range(40)])
    here = BucketSums(1)
    here.add(digests)

    def there(rows: Sequence[bytes | None]) -> dict[str, tuple[int, int]]:
        sums: dict[str, tuple[int, int]] = {}
        for digest in rows:
            assert digest is not None
            bucket = digest.hex()[:1]
            count, total = sums.get(bucket, (0, 0))
            sums[bucket] = count + 1, total + int(digest.hex()[8:24], 16)
        return sums

    assert here.differing(there(digests)) == set()
    (first, *rest) = digests
    assert first is not None
    assert here.differing(there(rest)) == {first.hex()[0]}
    assert here.differing(there([first, *digests])) == {first.hex()[0]}
    assert here.differing(there([*digests, first, first])) == {first.hex()[0]}


def test_buckets_hold_few_rows_and_are_few() -> None:
    assert [bucket_digits(rows) for rows in (0, 2_048, 2_049, 32_768, 32_769, 524_288, 524_289, 10**10)] == [
        1, 1, 2, 2, 3, 3, 4, 4]


def test_json_spelled_as_bigquery_prints_it_needs_no_second_look(workbench: Workbench) -> None:
    values = [{"a": 1, "b": 'é\u2028"\\'}, [1, 2.5, None, True], "x", 3]
    texts = [json.dumps(value, separators=(",", ":"), ensure_ascii=False) for value in values]
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, j TEXT)",
                   ("INSERT INTO t VALUES (?, ?)", list(enumerate(texts))))
    workbench.configure('[[tables]]\nname = "t"\ntypes = { j = "JSON" }\n')
    workbench.sync()
    outcome, queries = asked(workbench, "t")
    assert (outcome.rows_different, len(queries)) == (0, 1)

"""Keys as bytes: they lead back to their values, no two values share one, and they sort as their values do."""

from __future__ import annotations

import math
import sqlite3

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.properties import MODEST

from bqsync.encode.keys import BrokenKeyError, decode_key, encode_key, source_values
from bqsync.model import WireValue

INTEGERS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False)
TEXTS = st.binary(max_size=12).map(lambda raw: raw.decode("utf-8", "surrogateescape")) | st.text(max_size=12)
"""Every text that SQLite can hand out, invalid UTF-8 included; `st.text` knows no surrogates by default."""
NULLS_AND_ENDS = st.text(alphabet="\0\x01ab\udcff", max_size=6)
BLOBS = st.binary(max_size=12) | st.lists(st.sampled_from([0, 1, 255]), max_size=6).map(bytes)
VALUES = st.none() | st.booleans() | INTEGERS | FLOATS | TEXTS | NULLS_AND_ENDS | BLOBS
TUPLES = st.lists(VALUES, max_size=4).map(tuple)


def typed(values: tuple[WireValue, ...]) -> list[tuple[type, WireValue]]:
    """Equal only where type and value are; -0.0 counts as 0.0."""
    return [(type(value), value) for value in values]


@MODEST
@given(TUPLES)
def test_a_key_leads_back_to_its_values(values: tuple[WireValue, ...]) -> None:
    assert typed(decode_key(encode_key(values))) == typed(values)


@MODEST
@given(TUPLES, TUPLES)
def test_different_values_have_different_keys(one: tuple[WireValue, ...], other: tuple[WireValue, ...]) -> None:
    assert (encode_key(one) == encode_key(other)) == (typed(one) == typed(other))


@pytest.mark.parametrize(("one", "other"), [
    ((1,), (1.0,)), ((1,), ("1",)), ((True,), (1,)), (("",), (None,)), (("a",), (b"a",)), (("", "a"), ("a", "")),
    (("a\0", "b"), ("a", "\0b")), (("ab",), ("a", "b")), ((b"\0\xff",), (b"\0",)), ((b"", b""), (b"\0",)),
    ((), ("",)), ((None,), (None, None)),
])
def test_look_alikes_have_different_keys(one: tuple[WireValue, ...], other: tuple[WireValue, ...]) -> None:
    assert encode_key(one) != encode_key(other)


def test_the_two_zeros_have_one_key_and_it_is_that_of_zero() -> None:
    assert encode_key([-0.0]) == encode_key([0.0])
    (zero,) = decode_key(encode_key([-0.0]))
    assert isinstance(zero, float)
    assert math.copysign(1, zero) == 1


@MODEST
@given(st.sampled_from([INTEGERS, FLOATS, BLOBS, st.booleans(), st.text(max_size=8)]).flatmap(
    lambda kind: st.tuples(kind, kind, INTEGERS, INTEGERS)))
def test_keys_sort_as_the_tuples_do(case: tuple[int, int, int, int]) -> None:
    """Texts without invalid UTF-8 sort by code point, which is the order of their bytes."""
    one, other, first, second = case
    left, right = (one, first), (other, second)
    assert (encode_key(left) < encode_key(right)) == (left < right)


@MODEST
@given(st.sets(TEXTS | NULLS_AND_ENDS, min_size=2, max_size=12))
def test_texts_sort_as_sqlite_sorts_them_under_binary(texts: set[str]) -> None:
    connection = sqlite3.connect(":memory:")
    connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    connection.execute("CREATE TABLE t (k TEXT)")
    raws = [(text.encode("utf-8", "surrogateescape"),) for text in texts]
    assume(len(set(raws)) == len(raws))
    connection.executemany("INSERT INTO t VALUES (CAST(? AS TEXT))", raws)
    in_sqlite = [row[0] for row in connection.execute("SELECT k FROM t ORDER BY k COLLATE BINARY")]
    connection.close()
    assert sorted(in_sqlite, key=lambda text: encode_key([text])) == in_sqlite


@pytest.mark.parametrize("broken", [
    b"\x00", b"\x07", b"\x03\0\0", b"\x02", b"\x05abc", b"\x05abc\0", b"\x06a\0\xff", b"\x04" + b"\0" * 7,
    encode_key([5]) + b"\xff",
])
def test_bytes_that_are_no_key_are_told(broken: bytes) -> None:
    with pytest.raises(BrokenKeyError, match="key"):
        decode_key(broken)


def test_sqlite_compares_booleans_as_numbers() -> None:
    assert typed(source_values(encode_key([True, False, "a", None, 5]))) == typed((1, 0, "a", None, 5))

"""Line numbers: right, or none."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bqsync.config.locate import Locator


def test_headers_keys_arrays_and_inline_tables() -> None:
    text = '''\
# [commented]
top = 1 # a = 2

[a]
x = "[not.a.header]"
y.z = 1
"quoted \\" key" = 1
'lit.eral' = 1
list = [
  1, # ]
  "]",
  { deep = 5,   other = [1] },
]
inline = { b = 1, "c d" = { e = "}" } }
text = """
[fake]
x = 9
\\""" still """""
raw = \'\'\'
[fake]
\'\'\'
when = 1979-05-27 07:32:00
[[t]]
n = 1
[t.sub]
k = 1
[[t]]
n = 2
 [ t . sub ]
k = 2
[[t.nested]]
q = 1
[[t.nested]]
q = 2
'''
    tomllib.loads(text)
    locate = Locator(text).line
    expected: dict[tuple[str | int, ...], int] = {
        ("top",): 2,
        ("a",): 4,
        ("a", "x"): 5,
        ("a", "y"): 6,
        ("a", "y", "z"): 6,
        ("a", 'quoted " key'): 7,
        ("a", "lit.eral"): 8,
        ("a", "list"): 9,
        ("a", "list", 1): 11,
        ("a", "list", 2, "deep"): 12,
        ("a", "list", 2, "other", 0): 12,
        ("a", "inline", "c d", "e"): 14,
        ("a", "text"): 15,
        ("a", "raw"): 19,
        ("a", "when"): 22,
        ("t",): 23,
        ("t", 0): 23,
        ("t", 0, "n"): 24,
        ("t", 0, "sub", "k"): 26,
        ("t", 1): 27,
        ("t", 1, "n"): 28,
        ("t", 1, "sub"): 29,
        ("t", 1, "sub", "k"): 30,
        ("t", 1, "nested", 0, "q"): 32,
        ("t", 1, "nested", 1, "q"): 34,
    }
    assert {path: locate(*path) for path in expected} == expected
    assert locate("fake") is None
    assert locate("commented") is None


def test_windows_line_ends() -> None:
    assert Locator('[a]\r\n# x\r\nb = """\r\n\r\n"""\r\nc = 1\r\n').line("a", "c") == 6


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment", "a = [", "= 1", 'a = "', "a = {b", "[a", "\0"])
def test_where_the_thread_is_lost_there_is_no_line(text: str) -> None:
    assert Locator(text).line("a") is None


def test_nesting_without_end_is_given_up() -> None:
    assert Locator("a = " + "[" * 100_000).line("a") is None


KEYS = st.text(alphabet="abAB-_1", min_size=1, max_size=3) | st.sampled_from(['"a b"', "'a.b'", '"\\u0041"', '"x\\"]"'])
SCALARS = st.sampled_from(
    ["1", "'a'", '"#\\""', "1979-05-27 07:32:00", '"""\n[x]\nk = 1\n"""', "'''\n'' ]\n'''", '""', '""""""', "-inf"]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: "[\n" + " ,# ]\n".join(items) + "\n]")
        | st.lists(inner.filter(lambda text: "\n" not in text), max_size=2).map(
            lambda items: "{ " + ", ".join(f"k{number} = {item}" for number, item in enumerate(items)) + " }"
        )
    ),
    max_leaves=5,
)
PAIRS = st.builds(lambda key, value: f"{key} = {value}  # x = '", KEYS, VALUES)
HEADERS = st.builds(lambda key, double: f"[[{key}]]" if double else f"[ {key} ]", KEYS, st.booleans())


@given(st.lists(PAIRS | HEADERS | st.just("") | st.just("# [no] \"'"), max_size=12))
def test_every_line_that_is_named_is_the_line_of_that_key(lines: list[str]) -> None:
    """Law: cutting the text before the line removes the key, cutting it after the key's statement keeps it."""
    text = "\n".join(lines) + "\n"
    try:
        parsed = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    locate = Locator(text).line
    starts = [1 + sum(item.count("\n") + 1 for item in lines[:index]) for index in range(len(lines) + 1)]
    for key in parsed:
        line = locate(key)
        assert line in starts
        index = starts.index(line)
        assert key not in tomllib.loads("\n".join(lines[:index]))
        kept: dict[str, Any] = tomllib.loads("\n".join(lines[: index + 1]))
        assert key in kept

"""One event, one line: complete where it can be, bounded always."""

import json
from datetime import UTC, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bqsync.observe.render import MAX_LINE_BYTES, json_line, text_line

HEAD = {"timestamp": "2026-03-01T09:30:00.123456Z", "level": "info", "event": "sync.completed"}


class Mute:
    """An object that can't describe itself."""

    def __str__(self) -> str:
        raise RuntimeError


def parsed(fields: dict[str, Any], *, ascii_only: bool = False) -> dict[str, Any]:
    line = json_line({**fields, **HEAD}, ascii_only=ascii_only)
    assert "\n" not in line
    assert len(line.encode()) <= MAX_LINE_BYTES
    result: dict[str, Any] = json.loads(line)
    return result


def test_the_head_comes_first_whatever_the_order_of_fields() -> None:
    assert list(parsed({"table": "jobs"})) == ["timestamp", "level", "event", "table"]


@pytest.mark.parametrize(
    "value", [None, True, False, 0, -1, 2**63 - 1, 0.3, "", "Zürich 😀", [1, "a"], {"plan": 0.1, "read": {"a": []}}]
)
def test_json_values_arrive_as_they_are(value: object) -> None:
    assert parsed({"value": value})["value"] == value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"secret", "<6 bytes>"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (1 << 16_609, "<integer of 16610 bits>"),
        (Mute(), "<Mute>"),
        ((1, 2), [1, 2]),
        ({1: 2}, {"1": 2}),
        ("\ud800", "\\ud800"),
        (ValueError("no"), "no"),
    ],
    ids=["bytes", "nan", "infinity", "giant", "mute", "tuple", "number key", "surrogate", "object"],
)
def test_other_values_are_described(value: object, expected: object) -> None:
    assert parsed({"value": value})["value"] == expected


def test_long_text_keeps_its_beginning_and_its_end_and_says_what_was_cut() -> None:
    value = parsed({"value": "a" * 50_000 + "the end"})["value"]
    assert value.startswith("aaa")
    assert value.endswith("the end")
    assert "46007 characters" in value


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize(
    "fields",
    [
        {"value": "😀" * 100_000},
        {"value": "\x00" * 100_000},
        {"value": list(range(1_000_000))},
        {f"field_{number}": "x" * 1000 for number in range(5000)},
        {"k" * 100_000: 1},
        {"value": {"a" * 1000 + str(number): "b" * 1000 for number in range(1000)}},
        {"value": [[["x" * 1000] * 1000] * 1000] * 100},
    ],
    ids=["wide", "escaped", "list", "many", "key", "table", "nested"],
)
def test_no_field_makes_a_line_too_long(fields: dict[str, Any], ascii_only: bool) -> None:
    assert parsed(fields, ascii_only=ascii_only)["event"] == "sync.completed"
    assert len(text_line({**HEAD, **fields}, color=not ascii_only).encode()) <= MAX_LINE_BYTES


def test_a_value_that_contains_itself_ends() -> None:
    endless: list[object] = []
    endless.append(endless)
    parsed({"value": endless})


@given(
    st.dictionaries(
        st.text(max_size=20),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=20,
        ),
    )
)
def test_any_fields_make_one_bounded_line(fields: dict[str, Any]) -> None:
    parsed(fields)
    lines = text_line(fields, color=False).split("\n")
    assert all(line.isprintable() for line in lines)
    assert len(lines) == 1 or {"exception", "fix"} & set(fields)


def test_terminal_line_is_aligned_and_bare_where_nothing_can_be_misread() -> None:
    fields = {"table": "job_runs", "pid": 5, "took": 0.25, "none": None, "cause": 'a "b" c', "stages": {"plan": 0.1}}
    assert text_line({**HEAD, **fields}, color=False, zone=UTC) == (
        "09:30:00.123  info     job_runs          sync.completed        pid=5  took=0.25  none=null  "
        'cause="a \\"b\\" c"  stages={plan=0.1}'
    )


def test_terminal_line_tells_amounts_in_their_units_and_the_time_of_a_zone() -> None:
    fields = {"rows_upserted": 2_000, "rows_deleted": 0, "quarantine_total": 2, "bytes_sent": 3 << 20, "lag_s": 0.812,
              "durations_s": {"read": 0.1, "merge": 3.1}, "table": "orders"}
    assert text_line({**fields, **HEAD}, color=False, zone=timezone(timedelta(hours=5, minutes=30))) == (
        "15:00:00.123  info     orders            sync.completed        2,000 upserted  2 in quarantine  3.0 MiB sent  "
        "lag 812 ms  took 3.2 s (merge 3.1 s)"
    )


def test_a_time_that_is_none_is_shown_as_it_is() -> None:
    for timestamp in ("soon", "2026-03-01T09:30:00", "9999-12-31T23:59:59+00:00", 17):
        line = text_line({**HEAD, "timestamp": timestamp}, color=False, zone=timezone(timedelta(hours=14)))
        assert line.startswith(f"{timestamp:<12}  info") or timestamp == 17


def test_what_why_and_fix_stand_on_lines_of_their_own() -> None:
    error = {"level": "error", "code": "E301", "kind": "bigquery_unreachable", "what": "no\x1b[2J answer",
             "why": "one\ntwo", "fix": "wait", "retry_in_s": 8}
    assert text_line({**HEAD, **error}, color=False, zone=UTC).split("\n")[1:] == [
        "              what  no\\x1b[2J answer", "              why   one", "                    two",
        "              fix   wait"]
    assert text_line({**HEAD, **error}, color=False, zone=UTC).split("\n")[0].endswith("E301  again in 8 s")
    # Without a fix it is no advice, and stays in its line.
    assert "\n" not in text_line({**HEAD, "what": "a", "why": "b"}, color=False)


def test_terminal_line_can_not_steer_the_terminal() -> None:
    line = text_line({**HEAD, "table": "\x1b[2J\r\n\x9b", "\x1b]0;x": 1}, color=False)
    assert line.isprintable()


def test_exception_follows_on_lines_of_its_own() -> None:
    lines = text_line({**HEAD, "exception": "Traceback\n  \x1b[2JValueError"}, color=False).split("\n")
    assert lines[1:] == ["    Traceback", "      \\x1b[2JValueError"]


def test_color_changes_nothing_but_the_color() -> None:
    import re

    event = {**HEAD, "table": "job_runs"}
    colored = text_line(event, color=True)
    assert colored != text_line(event, color=False)
    assert re.sub(r"\x1b\[\d+m", "", colored) == text_line(event, color=False)

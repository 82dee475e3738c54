"""A log becomes what people read: whatever stands in it."""

from __future__ import annotations

import json
import re
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bqsync.observe.events import SPECIFICATIONS
from bqsync.observe.lines import LineCutter
from bqsync.observe.selection import Selection
from bqsync.observe.summary import Summary
from bqsync.observe.transcript import Transcript, selected

HEAD = {"timestamp": "2026-03-01T09:30:00.123456Z", "level": "info", "event": "sync.completed"}
EVIL = "\x1b]0;x\x07\x9b2J\u202e\x7f\n"
HEADING = "-- 2026-03-01, Sunday --"


def line(**fields: Any) -> bytes:
    return json.dumps({**HEAD, **fields}, ensure_ascii=False).encode()


def shown(*lines: bytes, color: bool = False, **choice: Any) -> list[str]:
    return list(Transcript(Selection(**choice), color=color, zone=UTC).shown(lines))


def test_every_way_in_which_an_event_may_come_is_read() -> None:
    event = line(table="orders")
    ways = [event, b"<6>" + event, event + b"\r", b"Mar 01 09:30:00 host bqsync[123]: " + event,
            b"Mar 01 09:30:00 host bqsync[123]: <6>" + event]
    heading, *others = shown(*ways)
    assert heading == HEADING
    assert others == ["09:30:00.123  info     orders            sync.completed"] * len(ways)


def test_what_is_no_event_passes_as_it_is_without_steering_the_terminal() -> None:
    assert shown(b"Traceback (most recent call last):", b'\tFile "x"', b"", b"<3>out of memory", b"[1, 2]",
                 b'{"cut off', b"\xff" + EVIL.encode()) == [
        "Traceback (most recent call last):", '        File "x"', "out of memory", "[1, 2]", '{"cut off',
        "\\xff\\x1b]0;x\\x07\\x9b2J\\u202e\\x7f\\n"]
    assert shown(b"dim", color=True) == ["\x1b[2mdim\x1b[0m"]


def test_what_will_be_invented_later_is_shown_as_well() -> None:
    found = shown(line(event="new.event", level="notice", table=7, rows_upserted="many", lag_s=None, odd=[1, {"a": 2}]))
    assert found[1] == ("09:30:00.123  notice                     new.event             "
                        'table=7  rows_upserted=many  lag_s=null  odd=[1, {"a": 2}]')


def test_a_long_line_is_cut_with_a_mark() -> None:
    many = line(**{f"field_{number}": "x" * 900 for number in range(99)})
    for long in (b"x" * 100_000, line(what="x" * 100_000), many):
        found = shown(long)[-1]
        assert len(found) < 10_000
        assert "characters" in found


def test_another_day_has_a_heading() -> None:
    days = [text for text in shown(line(), line(), line(timestamp="2026-03-02T00:00:00Z"), line()) if text[:2] == "--"]
    assert days == [HEADING, "-- 2026-03-02, Monday --", HEADING]


@pytest.mark.parametrize(("choice", "wanted"), [
    ({}, "abcdef"),
    ({"tables": ["orders"]}, "ab"),
    ({"tables": ["ord*", "shop"]}, "abc"),
    ({"events": ["sync.failed"]}, "bc"),
    ({"events": ["sync.*"], "tables": ["shop"]}, "c"),
    ({"level": "warning"}, "bcef"),
    ({"level": "error"}, "bcf"),
    ({"level": "error", "tables": ["*"]}, "bc"),
    ({"tables": ["order"]}, ""),
])
def test_lines_are_chosen(choice: dict[str, Any], wanted: str) -> None:
    log = {
        "a": line(table="orders"), "b": line(table="orders", event="sync.failed", level="error"),
        "c": line(table="shop", event="sync.failed", level="error"),
        "d": line(event="daemon.heartbeat", note="orders"), "e": b"<4>warned", "f": b"Traceback",
    }
    expected = shown(*(log[name] for name in wanted))
    assert shown(*log.values(), **choice) == expected
    events = [log[name].decode() for name in wanted if name not in "ef"]
    assert list(selected(list(log.values()), Selection(**choice), escape=False)) == events


def test_chosen_lines_are_passed_on_byte_by_byte_and_escaped_for_a_terminal() -> None:
    event = line(what="\x9b2J\u202e é").decode()
    assert list(selected([b"<6>" + event.encode()], Selection(), escape=False)) == [event]
    [escaped] = selected([event.encode()], Selection(), escape=True)
    assert escaped.isprintable()
    assert json.loads(escaped) == json.loads(event)


_JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
                     lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4))
_NAMES = st.sampled_from(sorted({name for known in SPECIFICATIONS.values() for name in known.fields}))
_EVENTS = st.fixed_dictionaries(
    {}, optional={"timestamp": _JSON | st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"),
                  "level": _JSON | st.sampled_from(["info", "error"]),
                  "event": _JSON | st.sampled_from([str(event) for event in SPECIFICATIONS])})
_LINES = st.binary() | st.builds(lambda head, fields: json.dumps({**head, **fields}).encode(),
                                 _EVENTS, st.dictionaries(_NAMES | st.text(), _JSON | st.just(EVIL), max_size=6))


@given(st.lists(_LINES, max_size=5), st.booleans())
def test_no_line_can_crash_it_or_steer_the_terminal(lines: list[bytes], color: bool) -> None:
    for text in shown(*lines, color=color):
        bare = re.sub(r"\x1b\[[0-9;]*m", "", text) if color else text
        assert all(part.isprintable() for part in bare.split("\n"))
    summary = Summary(Selection())
    summary.add(lines)
    assert len(summary.rows(None)) == len(summary.tables)
    assert isinstance(summary.footing(None), str)


def test_giants_and_deep_nests_are_lines_like_others() -> None:
    lines = [b"[" * 100_000, b'{"a":' * 100_000, b'{"rows_upserted":' + b"9" * 5_000 + b"}",
             b'{"lag_s":1e400}', b'{"event":"sync.completed","table":"t","rows_upserted":' + b"9" * 40 + b"}"]
    assert len(shown(*lines)) == len(lines)
    summary = Summary(Selection())
    summary.add(lines)
    assert [row[0] for row in summary.rows(None)] == ["t"]


@given(st.binary(max_size=400), st.lists(st.integers(0, 400)))
def test_lines_are_the_same_however_they_come(data: bytes, places: list[int]) -> None:
    cutter, found = LineCutter(), []
    for begin, end in zip([0, *sorted(places)], [*sorted(places), len(data)], strict=True):
        found += cutter.feed(data[begin:end])
    assert b"\n".join([*found, *cutter.end()]) == data.removesuffix(b"\n")


def test_a_line_without_an_end_is_kept_in_part() -> None:
    cutter = LineCutter()
    for _ in range(64):
        assert cutter.feed(b"x" * 65_536) == []
    [found] = cutter.feed(b"\n")
    assert len(found) < 300_000
    assert found.endswith(b"bytes more")
    assert cutter.feed(b"next\n") == [b"next"]

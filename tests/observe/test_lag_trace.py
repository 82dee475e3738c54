"""The lag of the last hour, against a plain account of what waited when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bqsync.observe.lag_trace import STEP_S, STEPS, LagTrace
from bqsync.observe.sparkline import sparkline

WAITS = st.lists(st.tuples(st.floats(0, 900), st.floats(0, 5_000)), max_size=12)
"""Of each delivered change: how long after the one before it was delivered, and how long it had waited."""


def plain(waits: list[tuple[float, float]], now_s: float, waiting_s: float | None) -> list[float]:
    """By definition: in each step of the hour, the greatest lag that any change had reached."""
    last = int(now_s // STEP_S)
    spans = [(until_s - lag_s, until_s) for until_s, lag_s in waits]
    spans += [] if waiting_s is None else [(now_s - waiting_s, now_s)]
    return [max((min(until_s, (step + 1) * STEP_S) - since_s for since_s, until_s in spans
                 if since_s // STEP_S <= step <= until_s // STEP_S), default=0.0)
            for step in range(last - STEPS + 1, last + 1)]


@given(waits=WAITS, idle_s=st.floats(0, 8_000), waiting_s=st.none() | st.floats(0, 5_000))
def test_each_step_tells_the_greatest_lag_that_a_change_had_reached(
    waits: list[tuple[float, float]], idle_s: float, waiting_s: float | None,
) -> None:
    trace, now_s, delivered = LagTrace(), 10_000.0, []
    for later_s, lag_s in waits:
        now_s += later_s
        delivered.append((now_s, lag_s))
        trace.note(now_s, lag_s)
    now_s += idle_s
    expected = plain(delivered, now_s, waiting_s)
    points = trace.points(now_s, waiting_s) or (0.0,) * STEPS
    assert len(points) == STEPS
    assert all(abs(point - wanted) < 0.06 for point, wanted in zip(points, expected, strict=True))


def test_a_table_that_was_never_behind_has_no_points() -> None:
    trace = LagTrace()
    assert trace.points(50_000.0, None) == ()
    trace.note(50_000.0, 30.0)
    assert len(trace.points(50_000.0, None)) == STEPS
    assert trace.points(50_000.0 + STEP_S * STEPS, None) == ()


def test_a_delivery_that_is_noted_after_the_clock_was_read_belongs_to_the_hour() -> None:
    for later_s in (0.0, STEP_S, 3 * STEP_S):
        trace = LagTrace()
        trace.note(50_000.0 + later_s, 40.0)
        delivered = trace.points(50_000.0, None)
        assert (len(delivered), delivered[-1]) == (STEPS, 40.0)
        assert trace.points(50_000.0 + later_s, None) == delivered
        waiting = trace.points(50_000.0, 200.0)
        assert (len(waiting), max(waiting)) == (STEPS, 200.0)


def test_a_sparkline_shows_the_worst_of_each_part_and_fills_its_width() -> None:
    assert sparkline((), 5) == "▁▁▁▁▁"
    assert sparkline((0.0, 0.0, 8.0, 0.0, 4.0, 1.0), 3) == "▁█▅"
    assert sparkline((0.004,) * 6, 2) == "▁▁"
    assert len(sparkline(tuple(range(240)), 37)) == 37

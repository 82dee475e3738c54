"""The last hour of a table as a small SVG: its lag as a filled line, its cycles as marks below. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bqsync.observe.amounts import short_span
from bqsync.observe.lag_trace import LEAST_SCALE_S, STEPS
from bqsync.observe.snapshot import PastCycle, TableHistory

_LAG_HEIGHT = 40
_MARKS_TOP = 44
_HEIGHT = 52


def lag_chart(history: TableHistory, *, step_s: float, now_us: int) -> str:
    """An element that fills the width it is given."""
    worst_s = max(history.lag_s, default=0.0)
    label = f"Lag over the last hour: worst {short_span(worst_s)}" if worst_s else "No lag in the last hour"
    line = _line(history.lag_s, max(worst_s, LEAST_SCALE_S)) if worst_s else f"M0 {_LAG_HEIGHT}"
    marks = "".join(_marks(history.cycles, step_s=step_s, now_us=now_us))
    return (
        f'<svg viewBox="0 0 {STEPS} {_HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{label}">'
        f'<path class="area" d="{line}V{_LAG_HEIGHT}H0Z"/>'
        f'<path class="line" d="{line}H{STEPS}"/>{marks}</svg>'
    )


def _line(lag_s: Sequence[float], scale_s: float) -> str:
    """Steps as wide as the time they stand for; where nothing moves, nothing is written."""
    steps = (f"H{place}V{_height(lag_s[place], scale_s)}" for place in range(1, len(lag_s))
             if lag_s[place] != lag_s[place - 1])
    return f"M0 {_height(lag_s[0], scale_s)}{''.join(steps)}H{len(lag_s)}"


def _height(lag_s: float, scale_s: float) -> str:
    return f"{_LAG_HEIGHT - (_LAG_HEIGHT - 2) * lag_s / scale_s:.4g}"


def _marks(cycles: Sequence[PastCycle], *, step_s: float, now_us: int) -> Iterator[str]:
    """A failed cycle stands taller than the others: colour alone tells nothing to some."""
    for cycle in cycles:
        place = STEPS - (now_us - cycle.ended_us) / 1_000_000 / step_s
        if 0 <= place <= STEPS:
            kind, height = ("mark", 4) if cycle.code is None else ("mark bad", 8)
            yield f'<rect class="{kind}" x="{min(place, STEPS - 1):.4g}" y="{_MARKS_TOP}" width="1" height="{height}"/>'

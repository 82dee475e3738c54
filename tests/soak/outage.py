"""`--outage S`: nothing answers for so long, beside an application that goes on writing."""

from __future__ import annotations

import time
from pathlib import Path

from tests.soak.report import Report, SoakError
from tests.soak.steady import Steady, steady

_RATE_PER_S = 10.0
_WARM_S = 30.0
_GROWTH = 1.2
_LINES_S = 600.0
"""A failure that stays the same is told once in so long."""
_BACKOFF_S = 60.0
_CYCLE_S = 60.0
"""A cycle takes a second or so; this is for a machine that has other things to do."""


def outage(folder: Path, seed: int, seconds: float, report: Report) -> None:
    """
    Run it.

    Raises:
        SoakError: memory grows, the outage is told more than once, or not all arrives soon afterwards.
    """
    with steady(folder, seed, report, rate=_RATE_PER_S) as at_work:
        at_work.go_on(_WARM_S)
        life = at_work.life
        before_bytes, lines = life.rss_bytes(), len(life.lines)
        report.say(f"nothing answers for {seconds:.0f} s; memory {_mib(before_bytes)}, {life.status}")
        at_work.site.close_way()
        most_bytes = _suffer(at_work, seconds)
        _judge(at_work, seconds, lines)
        rows = life.rows
        at_work.site.open_way()
        opened_s = time.monotonic()
        report.say(f"BigQuery is back; memory {_mib(most_bytes)} at most, {life.status}")
        life.wait_until(lambda: at_work.lines("sync.recovered", lines), "recovered", _BACKOFF_S + _CYCLE_S)
        recovered_s = time.monotonic() - opened_s
        report.say(f"recovered after {recovered_s:.1f} s: {at_work.lines('sync.recovered', lines)}")
        at_work.finish(_BACKOFF_S + _CYCLE_S)
        report.total("memory before", _mib(before_bytes))
        report.total("memory in the outage", f"{_mib(most_bytes)} ({most_bytes / before_bytes - 1:+.0%})")
        report.total("recovered after", f"{recovered_s:.1f} s")
        report.total("delivered afterwards", f"{life.rows - rows:,} rows")
        if most_bytes > before_bytes * _GROWTH:
            raise SoakError(f"memory has grown from {_mib(before_bytes)} to {_mib(most_bytes)} in an outage")


def _suffer(at_work: Steady, seconds: float) -> int:
    """The most memory that it takes meanwhile."""
    samples = [0]
    at_work.go_on(seconds, lambda: samples.append(at_work.life.rss_bytes()))
    return max(samples)


def _judge(at_work: Steady, seconds: float, lines: int) -> None:
    errors = [line for line in at_work.life.lines[lines:] if line["level"] == "error"]
    for line in errors:
        at_work.report.say(f"told: {line['event']} {line.get('code')}: {line.get('what')}; "
                           f"tried again in {line.get('retry_in_s')} s")
    if not 1 <= len(errors) <= 1 + seconds // _LINES_S or "retry_in_s" not in errors[0]:
        raise SoakError(f"an outage is told by {len(errors)} errors: {errors}")


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:.0f} MiB"

"""
How far the target is behind: the daemon as a process, a writer at a steady rate, the embedded BigQuery.

The lag of a change runs from just before it was written until the MERGE that carries it has ended, by the clock of
BigQuery's own list of jobs. What no daemon can avoid is the debounce, and the calls to BigQuery of the cycle that
carries the change: the stages `target`, `stage`, `append` and `merge` of its `sync.completed`. The rest is ours.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.measure import Figure, quantile, spread
from bench.processes import Child, load, wait_until
from bench.running import DATASET, PROJECT, TABLE, Cycle, RunningDaemon, make_database, write_config
from bqsync.config import load as load_config
from bqsync.deliver.clients import Destination, connect
from bqsync.deliver.queries import read_portions
from bqsync.deliver.retry import Policy
from bqsync.embedded import EmbeddedBigQuery

_ROWS = 1_000
_RATE_PER_S = 10
_FAST_RATE_PER_S = 200
_FAST_S = 20.0
_LAST_CYCLES_S = 30.0
_LOOK_S = 0.005
_CHECKS = 12
"""So often the target is asked whether it really holds what the daemon says."""
_OWN_GOAL_MS = 100.0
_CYCLE_GOAL_MS, _CYCLE_GOAL = 20.0, 0.1
"""Milliseconds, or a part of the calls: whichever is more."""
_ALL_JOBS = 1_000_000
"""The embedded BigQuery lists jobs on a single page, of 100 where it is not told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A commit and its way."""

    lag_ms: float
    told_ms: float
    """The lag by the line of the daemon, which is written after the state is committed."""
    calls_ms: float
    own_ms: float
    """What is left of the lag without debounce and calls; below zero where the debounce was shared with others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What came of one writer."""

    changes: list[Change]
    cycles: list[Cycle]
    seconds: float
    lost_rows: int
    """Rows of the source that the target does not hold, or holds otherwise, and rows that it holds beside them."""
    checks: int
    debounce_ms: float
    max_delay_ms: float

    @property
    def bound_ms(self) -> float:
        """No change waits longer than for a look, for the cycle that runs then, and for its own."""
        return self.max_delay_ms + 2_000 * max(cycle.whole_s for cycle in self.cycles)


def figures(folder: Path, seconds: float) -> list[Figure]:
    """Measure both rates."""
    slow = measure(folder / "lag", _RATE_PER_S, seconds)
    fast = measure(folder / "lag_fast", _FAST_RATE_PER_S, min(seconds, _FAST_S))
    return [*_slow_figures(slow), *_fast_figures(fast)]


def _slow_figures(run: Run) -> list[Figure]:
    name = f"{_RATE_PER_S} commits/s for {run.seconds:.0f} s, {len(run.cycles)} cycles"
    lag_ms, calls_ms, own_ms = ([getattr(change, field) for change in run.changes]
                                for field in ("lag_ms", "calls_ms", "own_ms"))
    floor_ms = run.debounce_ms + quantile(calls_ms, 0.99)
    longest_ms = max(lag_ms)
    return [
        Figure(name=f"lag from commit to end of MERGE, p50 / p95 / p99 / max ({name}; {load()})", value=spread(lag_ms),
               floor=f"debounce {run.debounce_ms:.0f} ms + BigQuery's calls of the same cycle: {spread(calls_ms)}",
               ratio=quantile(lag_ms, 0.99) / floor_ms, goal=f"max ≤ max_delay + 2 cycles = {run.bound_ms:,.0f} ms",
               is_met=longest_ms <= run.bound_ms),
        Figure(name="lag beyond debounce and BigQuery's calls, p50 / p95 / p99 / max", value=spread(own_ms), floor="",
               ratio=None, goal=f"p99 ≤ {_OWN_GOAL_MS:.0f} ms", is_met=quantile(own_ms, 0.99) <= _OWN_GOAL_MS),
        _own_work(run.cycles),
        Figure(name="lag by the daemon's own log (state committed, staging dropped), p50 / p95 / p99 / max",
               value=spread([change.told_ms for change in run.changes]), floor="", ratio=None),
        Figure(name=f"changes that did not arrive, of {len(run.changes):,}", value=f"{run.lost_rows}",
               floor=f"{run.checks} queries in between found what was told", ratio=None, goal="0",
               is_met=run.lost_rows == 0),
    ]


def _own_work(cycles: list[Cycle]) -> Figure:
    """What a cycle takes beside BigQuery's calls."""
    own_ms, calls_ms = [cycle.own_s * 1000 for cycle in cycles], [cycle.calls_s * 1000 for cycle in cycles]
    most_ms = max(_CYCLE_GOAL_MS, _CYCLE_GOAL * quantile(calls_ms, 0.99))
    return Figure(name="a cycle of the daemon beside BigQuery's calls, p50 / p95 / p99 / max", value=spread(own_ms),
                  floor=f"its calls: {spread(calls_ms)}", ratio=None, goal=f"p99 ≤ {most_ms:.0f} ms",
                  is_met=quantile(own_ms, 0.99) <= most_ms)


def _fast_figures(run: Run) -> list[Figure]:
    lag_ms = [change.lag_ms for change in run.changes]
    return [Figure(
        name=f"lag, p50 / p95 / p99 / max ({_FAST_RATE_PER_S} commits/s for {run.seconds:.0f} s, {len(run.cycles)} "
        f"cycles, {run.lost_rows} changes lost)", value=spread(lag_ms), ratio=None,
        floor=f"BigQuery's calls: {spread([change.calls_ms for change in run.changes])}",
        goal=f"max ≤ max_delay + 2 cycles = {run.bound_ms:,.0f} ms",
        is_met=max(lag_ms) <= run.bound_ms and run.lost_rows == 0)]


def measure(folder: Path, rate_per_s: float, seconds: float) -> Run:
    """
    One writer from its first to its last change.

    Raises:
        AssertionError: the log, BigQuery's list of jobs and the target do not tell the same story.
    """
    folder.mkdir()
    database = folder / "app.db"
    make_database(database, "wal", _ROWS)
    with EmbeddedBigQuery(folder / "bigquery", PROJECT) as embedded:
        endpoints = embedded.start()
        config = write_config(folder / "config.toml", database, rest=endpoints.rest, grpc=endpoints.grpc)
        with _destination(config) as destination, RunningDaemon(config) as daemon:
            first, first_rows = len(daemon.cycles), daemon.rows
            with Child("bench.writer", str(database), str(rate_per_s), str(seconds)) as writer:
                writer.hear()
                writer.tell("go")
                checks = _check_now_and_then(destination, daemon, int(rate_per_s * seconds))
                written = writer.hear()
                wait_until(lambda: daemon.rows >= first_rows + len(written["written_us"]), _LAST_CYCLES_S)
                lost_rows = _differences(destination, database)
            if daemon.complaints():
                raise AssertionError(daemon.complaints())
            cycles = daemon.cycles[first:]
            ends_ms = _merge_ends_ms(destination)[first:]
        settings = load_config(config, environ={}).watch
    return Run(
        changes=_changes(written["written_us"], cycles, ends_ms, settings.debounce_s * 1000), cycles=cycles,
        seconds=written["took_s"], lost_rows=lost_rows, checks=checks, debounce_ms=settings.debounce_s * 1000,
        max_delay_ms=settings.max_delay_s * 1000)


def _changes(written_us: list[int], cycles: list[Cycle], ends_ms: list[float], debounce_ms: float) -> list[Change]:
    """Rows are delivered in the order of their times: so the counts of the cycles tell which one carried which."""
    if len(ends_ms) != len(cycles) or sum(cycle.rows for cycle in cycles) != len(written_us):
        raise AssertionError(f"{len(cycles)} cycles, {len(ends_ms)} MERGEs, {sum(cycle.rows for cycle in cycles)} rows "
                             f"of {len(written_us)}")
    carriers = [(cycle, end_ms) for cycle, end_ms in zip(cycles, ends_ms, strict=True) for _ in range(cycle.rows)]
    found = []
    for instant_us, (cycle, end_ms) in zip(written_us, carriers, strict=True):
        lag_ms, calls_ms = end_ms - instant_us / 1000, cycle.calls_s * 1000
        found.append(Change(lag_ms=lag_ms, told_ms=(cycle.told_us - instant_us) / 1000, calls_ms=calls_ms,
                            own_ms=lag_ms - debounce_ms - calls_ms))
    return found


def _check_now_and_then(destination: Destination, daemon: RunningDaemon, rows: int) -> int:
    """As soon as the daemon tells of a cycle, the target is asked whether it holds its rows. Returns how often."""
    before = daemon.rows
    for step in range(1, _CHECKS + 1):
        while daemon.rows < before + rows * step // _CHECKS:
            time.sleep(_LOOK_S)
            if daemon.is_silent:
                raise AssertionError(f"nothing is delivered any more: {daemon.complaints()}")
        told = daemon.rows
        ((found,),) = _select(destination, "SELECT COUNT(*) FROM {table}")
        if found < told:
            raise AssertionError(f"the daemon tells of {told} rows, and BigQuery finds {found}")
    return _CHECKS


def _merge_ends_ms(destination: Destination) -> list[float]:
    """When each MERGE ended, by BigQuery's clock, in Unix milliseconds."""
    ended = [job.ended.timestamp() * 1000 for job in destination.rest.list_jobs(page_size=_ALL_JOBS)
             if getattr(job, "query", "").startswith("MERGE") and job.ended is not None]
    return sorted(ended)


def _differences(destination: Destination, database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        source = set(connection.execute(f"SELECT id, committed_at, payload FROM {TABLE}"))
    target = set(_select(destination, "SELECT id, UNIX_MICROS(committed_at), payload FROM {table}"))
    return len(source ^ target)


def _select(destination: Destination, statement: str) -> list[tuple[Any, ...]]:
    portions = read_portions(destination, statement.format(table=f"`{PROJECT}`.`{DATASET}`.`{TABLE}`"))
    return [row for portion in portions for row in portion]


@contextmanager
def _destination(config: Path) -> Iterator[Destination]:
    destination = connect(load_config(config, environ={}).bigquery, Policy())
    try:
        yield destination
    finally:
        destination.close()

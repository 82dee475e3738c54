"""
What the application feels of the daemon: the time of its commits and the size of its `-wal`, with and without it.

BigQuery is a sink that costs nothing (`bench.null_sink`), so that what is left is the daemon.
"""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from bench.measure import Figure, quantile
from bench.processes import Child, cpu_s, load, wait_until
from bench.running import RunningDaemon, make_database, write_config

_ROWS = 1_000
_RATE_PER_S = 200
_LAST_CYCLE_S = 10.0
_P50_GOAL, _P99_GOAL, _P99_LEAVE_MS, _WAL_GOAL = 1.1, 1.5, 1.0, 2.0


@dataclass(frozen=True, slots=True)
class Kind:
    """How the application writes."""

    name: str
    journal_mode: str
    synchronous: str


_WAL = Kind("WAL", "wal", "full")
_WAL_NORMAL = Kind("WAL, synchronous = normal: no wait for the disk", "wal", "normal")
_ROLLBACK = Kind("rollback journal", "delete", "full")


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """A writer, with the daemon or without."""

    commits_ms: list[float]
    wal_bytes: int
    daemon_percent: float = 0.0
    """Of one core."""
    cycles: int = 0


@dataclass(frozen=True, slots=True)
class Pair:
    """Two writers, one after the other."""

    with_daemon: Half
    without: Half


def figures(folder: Path, pairs: int, seconds: float) -> list[Figure]:
    """Measure pairs in WAL mode; to compare, one that does not wait for the disk, and one with a rollback journal."""
    measured = [_pair(folder / f"guest_{number}", _WAL, seconds, daemon_first=bool(number % 2))
                for number in range(pairs)]
    found = _wal_figures(measured)
    for number, kind in enumerate((_WAL_NORMAL, _ROLLBACK)):
        pair = _pair(folder / f"guest_other_{number}", kind, seconds / 2, daemon_first=False)
        found += [_figure([pair], kind, fraction) for fraction in (0.5, 0.99)]
    return found


def _wal_figures(pairs: list[Pair]) -> list[Figure]:
    median, high = (_figure(pairs, _WAL, fraction) for fraction in (0.5, 0.99))
    p50 = _medians_ms(pairs, 0.5)
    p99 = _medians_ms(pairs, 0.99)
    wal = [max(half.wal_bytes for half in halves) for halves in
           ([pair.with_daemon for pair in pairs], [pair.without for pair in pairs])]
    halves = [pair.with_daemon for pair in pairs]
    return [
        replace(median, goal=f"≤ {_P50_GOAL} times", is_met=p50[0] <= _P50_GOAL * p50[1]),
        replace(high, goal=f"≤ {_P99_GOAL} times, or {_P99_LEAVE_MS:.0f} ms more",
                is_met=p99[0] <= max(_P99_GOAL * p99[1], p99[1] + _P99_LEAVE_MS)),
        Figure(name="largest `-wal` with the daemon", value=f"{wal[0] / 1024:,.0f} KiB",
               floor=f"without: {wal[1] / 1024:,.0f} KiB", ratio=wal[0] / wal[1], goal=f"≤ {_WAL_GOAL:.0f} times",
               is_met=wal[0] <= _WAL_GOAL * wal[1]),
        Figure(name=f"daemon beside {_RATE_PER_S} commits/s, null sink (one core)",
               value=f"{statistics.median(half.daemon_percent for half in halves):.1f} %",
               floor=f"{statistics.median(half.cycles for half in halves):.0f} cycles", ratio=None),
    ]


def _medians_ms(pairs: list[Pair], fraction: float) -> tuple[float, float]:
    """Over all pairs, with the daemon and without."""
    return (statistics.median(quantile(pair.with_daemon.commits_ms, fraction) for pair in pairs),
            statistics.median(quantile(pair.without.commits_ms, fraction) for pair in pairs))


def _figure(pairs: list[Pair], kind: Kind, fraction: float) -> Figure:
    with_ms, without_ms = _medians_ms(pairs, fraction)
    each = ", ".join(f"{quantile(pair.with_daemon.commits_ms, fraction):.3f}/"
                     f"{quantile(pair.without.commits_ms, fraction):.3f}" for pair in pairs)
    return Figure(name=f"commit of the application, p{fraction * 100:.0f} ({kind.name}; {load()})",
                  value=f"{with_ms:.3f} ms", floor=f"without the daemon: {without_ms:.3f} ms (pairs: {each})",
                  ratio=with_ms / without_ms)


def _pair(folder: Path, kind: Kind, seconds: float, *, daemon_first: bool) -> Pair:
    folder.mkdir()
    halves = {}
    for with_daemon in ((True, False) if daemon_first else (False, True)):
        home = folder / ("with" if with_daemon else "without")
        halves[with_daemon] = _half(home, kind, seconds, with_daemon=with_daemon)
    return Pair(with_daemon=halves[True], without=halves[False])


def _half(folder: Path, kind: Kind, seconds: float, *, with_daemon: bool) -> Half:
    folder.mkdir()
    database = folder / "app.db"
    make_database(database, kind.journal_mode, _ROWS)
    with ExitStack() as stack:
        # The sink is there in both halves: what differs is the daemon.
        endpoints = stack.enter_context(Child("bench.null_sink")).hear()
        daemon = None
        if with_daemon:
            config = write_config(folder / "config.toml", database, rest=endpoints["rest"], grpc=endpoints["grpc"])
            daemon = stack.enter_context(RunningDaemon(config))
        writer = stack.enter_context(Child("bench.writer", str(database), str(_RATE_PER_S), str(seconds),
                                           kind.synchronous))
        writer.hear()
        before = (cpu_s(daemon.pid), len(daemon.cycles)) if daemon else (0.0, 0)
        writer.tell("go")
        written = writer.hear()
        commits_ms = [1000 * commit_s for commit_s in written["commit_s"]]
        if daemon is None:
            return Half(commits_ms=commits_ms, wal_bytes=written["wal_bytes"])
        percent = (cpu_s(daemon.pid) - before[0]) * 100 / written["took_s"]
        # A daemon that does nothing would be the best guest.
        if not wait_until(lambda: daemon.rows >= _ROWS + len(commits_ms), _LAST_CYCLE_S):
            raise AssertionError(f"the daemon delivered {daemon.rows} of {_ROWS + len(commits_ms)} rows: "
                                 f"{daemon.complaints()}")
        return Half(commits_ms=commits_ms, wal_bytes=written["wal_bytes"], daemon_percent=percent,
                    cycles=len(daemon.cycles) - before[1])

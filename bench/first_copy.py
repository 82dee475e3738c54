"""
A first copy as users run it: `bqsync sync` as a process, into a BigQuery that costs nothing (`bench.null_sink`).

Compared with the least that has to be done: a bare scan of the table, by rows (sqlite3) and by columns (ADBC, in an
environment of its own: `make bench` makes it). Each run measures all three, one after the other.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.measure import Figure
from bench.processes import Child, Memory, load
from bench.source import SECTION, TABLE, make

_ROOT = Path(__file__).parent.parent
PEERS_PYTHON = _ROOT / ".venv-bench" / "bin" / "python"
_GOAL, _SWEEP_GOAL = 0.4, 3.0
_CHUNKS = 10
_EVENTS = f'{SECTION}watermark = ["updated_at"]\n'
MEMORY_GOAL_MIB = 300
_GROWTH_GOAL = 1.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """What one first copy has cost."""

    took_s: float
    cpu_s: float
    peak_kib: int
    """Of all its processes together."""
    rows_upserted: int
    stages_s: dict[str, float]


def figures(folder: Path, rows: int, runs: int, large_rows: int = 0) -> list[Figure]:
    """
    Measure copies of one table, sweeps of what was copied, a copy that died, and how memory grows.

    Args:
        folder: that the tables are made in.
        rows: of the table.
        runs: of copy and sweep.
        large_rows: of one that is copied once, for its memory alone; 0 for none.
    """
    home = folder / "copy"
    home.mkdir()
    database = home / "events.db"
    make(database, rows)
    copies, sweeps, by_rows_s, by_columns_s = list[Copy](), list[Copy](), list[float](), list[float]()
    for _ in range(runs):
        by_rows_s.append(fetch_s(database, [TABLE]))
        by_columns_s += _columnar_s(database)
        with null_sink(home, database) as config:
            copies.append(sync_once(config, rows))
            sweeps.append(sync_once(config, 0))
    with null_sink(home, database, f"chunk_rows = {rows // _CHUNKS}") as config:
        # A watermark pass between two chunks has a MERGE of its own.
        sync_once(config, None, BQSYNC_FAILPOINT=f"merge.intended:{_CHUNKS + 1}")
        resumed = sync_once(config, None)
    small = home / "small.db"
    make(small, rows // 10)
    with null_sink(home, small) as config:
        small_kib = sync_once(config, rows // 10).peak_kib
    took_s, swept_s = (statistics.median(one.took_s for one in kind) for kind in (copies, sweeps))
    peak_kib = max(one.peak_kib for one in copies)
    return [
        *_against("columnar scan (ADBC)", rows, took_s, by_columns_s, goal=_GOAL),
        *_against("`fetchmany`", rows, took_s, by_rows_s, goal=None),
        Figure(name="first copy, processor time (start of the process included)",
               value=f"{statistics.median(one.cpu_s for one in copies) / rows * 1e6:.2f} s for a million rows",
               floor=f"stages of the last run: {_stages(copies[-1])}", ratio=None),
        Figure(name=f"first copy of {rows:,} rows (peak memory, all processes)", value=f"{peak_kib / 1024:.0f} MiB",
               floor=f"of {rows // 10:,}: {small_kib / 1024:.0f} MiB", ratio=peak_kib / small_kib,
               goal=f"≤ {MEMORY_GOAL_MIB} MiB", is_met=peak_kib <= MEMORY_GOAL_MIB * 1024),
        *_swept(rows, swept_s, by_columns_s),
        Figure(name=f"`bqsync sync` after a crash at {100 - 100 // _CHUNKS} % of a first copy",
               value=f"{resumed.rows_upserted:,} rows sent, {resumed.took_s:.1f} s",
               floor=f"the whole copy: {rows:,}, {took_s:.1f} s", ratio=resumed.took_s / took_s,
               goal=f"≤ {rows // _CHUNKS:,} rows", is_met=resumed.rows_upserted <= rows // _CHUNKS),
        *_grown(home, rows, peak_kib, large_rows),
    ]


def _grown(home: Path, rows: int, peak_kib: int, large_rows: int) -> list[Figure]:
    """Memory has a bound by configuration, and not by the size of a table: so many times the rows show it."""
    if not large_rows:
        return []
    database = home / "large.db"
    make(database, large_rows)
    with null_sink(home, database) as config:
        done = sync_once(config, large_rows)
    shutil.rmtree(home / "state")
    database.unlink()
    growth = done.peak_kib / peak_kib
    return [Figure(
        name=f"first copy of {large_rows:,} rows (peak memory, all processes; {large_rows / done.took_s:,.0f} rows/s)",
        value=f"{done.peak_kib / 1024:.0f} MiB", floor=f"of {rows:,}: {peak_kib / 1024:.0f} MiB", ratio=growth,
        goal=f"≤ {_GROWTH_GOAL:.1f} times, and ≤ {MEMORY_GOAL_MIB} MiB",
        is_met=growth <= _GROWTH_GOAL and done.peak_kib <= MEMORY_GOAL_MIB * 1024)]


@contextmanager
def null_sink(home: Path, database: Path, sync: str = "", *, tables: str = _EVENTS) -> Iterator[Path]:
    """A BigQuery that costs nothing, and the configuration of tables that were never copied."""
    shutil.rmtree(home / "state", ignore_errors=True)
    with Child("bench.null_sink") as sink:
        endpoints = sink.hear()
        config = home / "copy.toml"
        config.write_text(
            f'[source]\ndb = "{database}"\n[bigquery]\nproject = "bench"\ndataset = "bench"\n'
            f'rest_endpoint = "{endpoints["rest"]}"\ngrpc_endpoint = "{endpoints["grpc"]}"\n'
            f'[state]\nfile = "{home}/state/state.db"\n[sync]\n{sync}\n{tables}',
            encoding="utf-8")
        yield config


def sync_once(config: Path, rows: int | None, **environment: str) -> Copy:
    """One `bqsync sync` that delivers so many rows; None: whatever comes of it."""
    start_s = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "bqsync", "sync", "-c", str(config), "--log-format", "json", "--log-level",
         "debug"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment})
    with Memory(process.pid) as memory:
        log = process.stderr.read() if process.stderr is not None else ""
        # Of the process and of the children that it has waited for.
        _, status, used = os.wait4(process.pid, 0)
    took_s = time.perf_counter() - start_s
    process.returncode = os.waitstatus_to_exitcode(status)
    ends = [line for line in map(json.loads, filter(None, log.splitlines())) if line["event"] == "sync.completed"]
    upserted = sum(line["rows_upserted"] for line in ends)
    if rows is not None and (process.returncode or upserted != rows):
        raise AssertionError(log)
    return Copy(took_s=took_s, cpu_s=_cpu_s(used), peak_kib=memory.peak_kib, rows_upserted=upserted,
                stages_s=ends[-1]["durations_s"] if ends else {})


def _swept(rows: int, took_s: float, floor_s: list[float]) -> list[Figure]:
    if not floor_s:
        return []
    scan_s = statistics.median(floor_s)
    return [Figure(name=f"`bqsync sync` of {rows:,} unchanged rows, start of the process included ({load()})",
                   value=f"{took_s:.1f} s", floor=f"bare columnar scan (ADBC): {scan_s:.1f} s", ratio=took_s / scan_s,
                   goal=f"≤ {_SWEEP_GOAL:.0f} times", is_met=took_s <= _SWEEP_GOAL * scan_s)]


def _against(floor: str, rows: int, took_s: float, floor_s: list[float], *, goal: float | None) -> list[Figure]:
    if not floor_s:
        return []
    share = statistics.median(floor_s) / took_s
    return [Figure(
        name=f"first copy into a null sink, ledger included ({load()})", value=f"{rows / took_s:,.0f} rows/s",
        floor=f"bare {floor}: {rows / statistics.median(floor_s):,.0f} rows/s", ratio=share,
        goal="" if goal is None else f"≥ {goal:.2f} of it", is_met=None if goal is None else share >= goal)]


def _stages(done: Copy) -> str:
    return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in done.stages_s.items() if seconds >= 0.05)


def fetch_s(database: Path, tables: Iterable[str]) -> float:
    """Seconds in which Python's sqlite3 reads every row of some tables, and nothing is done with them."""
    start_s = time.perf_counter()
    with closing(sqlite3.connect(database)) as connection:
        for table in tables:
            cursor = connection.execute(f"SELECT * FROM {table}")
            while cursor.fetchmany(5_000):
                pass
    return time.perf_counter() - start_s


def _columnar_s(database: Path) -> list[float]:
    """Nothing where the driver is not there."""
    if not PEERS_PYTHON.exists():
        return []
    done = subprocess.run([PEERS_PYTHON, "-I", Path(__file__).with_name("columnar.py"), database, TABLE],
                          capture_output=True, text=True, check=True)
    return [float(done.stdout.split()[1])]


def _cpu_s(used: resource.struct_rusage) -> float:
    return used.ru_utime + used.ru_stime

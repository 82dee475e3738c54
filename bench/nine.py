"""
The nine tables of the job tracker as they are in the field: rows of a kilobyte, long texts, NULLs, keys of two columns.

First copies and sweeps as in `bench.first_copy`, of all nine at once. `python -m bench.nine DATABASE JOBS` makes them,
in a process of its own: the demo's filler holds all rows in memory.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from bench.first_copy import MEMORY_GOAL_MIB, Copy, fetch_s, null_sink, sync_once
from bench.measure import Figure
from bench.processes import load
from bqsync.demo.fill import fill
from bqsync.demo.schema import TABLES, connect, create_tables

_ROOT = Path(__file__).parent.parent
_SEED = 1


def figures(folder: Path, jobs: int, runs: int) -> list[Figure]:
    """Measure first copies of all nine, sweeps of what was copied, and their memory."""
    home = folder / "nine"
    home.mkdir()
    database = home / "job_tracker.db"
    subprocess.run([sys.executable, "-P", "-m", "bench.nine", str(database), str(jobs)], check=True,
                   env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))})
    rows = _count(database)
    copies, sweeps, later_sweeps, bare_s = list[Copy](), list[Copy](), list[Copy](), list[float]()
    for _ in range(runs):
        bare_s.append(fetch_s(database, TABLES))
        with null_sink(home, database, tables=_shipped()) as config:
            copies.append(sync_once(config, rows))
            # What a copy has read is known by its bytes alone until passes have met it.
            sweeps.append(sync_once(config, 0))
            later_sweeps.append(sync_once(config, 0))
    size_bytes, floor_s = database.stat().st_size, statistics.median(bare_s)
    return [
        _figure(f"first copy of the nine tables into a null sink, {rows:,} rows of {size_bytes / rows:,.0f} bytes",
                rows, copies, floor_s),
        _figure(f"`bqsync sync` of the nine tables, {rows:,} unchanged rows, first after the copy", rows, sweeps,
                floor_s),
        _figure("the same once more", rows, later_sweeps, floor_s),
        Figure(name="first copy of the nine tables, processor time (start of the process included)",
               value=f"{_cpu_s(copies) / rows * 1e6:.2f} s for a million rows",
               floor=f"the two sweeps: {_cpu_s(sweeps) / rows * 1e6:.2f} s, {_cpu_s(later_sweeps) / rows * 1e6:.2f} s",
               ratio=None),
        _memory(copies, sweeps + later_sweeps),
    ]


def _figure(name: str, rows: int, done: list[Copy], floor_s: float) -> Figure:
    took_s = statistics.median(one.took_s for one in done)
    return Figure(name=f"{name}, start of the process included ({load()})", value=f"{rows / took_s:,.0f} rows/s",
                  floor=f"bare `fetchmany` of the nine: {rows / floor_s:,.0f} rows/s", ratio=floor_s / took_s)


def _memory(copies: list[Copy], sweeps: list[Copy]) -> Figure:
    copied_kib, swept_kib = (max(one.peak_kib for one in kind) for kind in (copies, sweeps))
    return Figure(name="first copy of the nine tables (peak memory, all processes)",
                  value=f"{copied_kib / 1024:.0f} MiB", floor=f"sweep: {swept_kib / 1024:.0f} MiB",
                  ratio=copied_kib / swept_kib, goal=f"≤ {MEMORY_GOAL_MIB} MiB",
                  is_met=copied_kib <= MEMORY_GOAL_MIB * 1024)


def _cpu_s(done: list[Copy]) -> float:
    return statistics.median(one.cpu_s for one in done)


def _shipped() -> str:
    """The tables of the configuration as it is shipped, and the messages that they name."""
    text = (_ROOT / "config.toml").read_text(encoding="utf-8")
    protos = _ROOT / "protos"
    return (f'[protos]\nfiles = ["{protos}/db_schemas.proto"]\ndescriptor_set = "{protos}/db_schemas.binpb"\n'
            f"{text[text.index('[[tables]]'):]}")


def _count(database: Path) -> int:
    with closing(connect(database)) as connection:
        return sum(int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]) for table in TABLES)


if __name__ == "__main__":
    with closing(connect(Path(sys.argv[1]))) as made:
        create_tables(made)
        fill(made, seed=_SEED, scale=int(sys.argv[2]))

"""What the daemon costs while nobody writes: processor, memory, and how often it wakes up."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from bench.measure import Figure
from bench.processes import cpu_s, load, rss_bytes, switches_by_thread
from bench.running import PROJECT, TABLE, RunningDaemon, make_database, write_config
from bqsync.embedded import EmbeddedBigQuery

_SETTLE_S = 10.0
_ROWS = 1_000
_CPU_GOAL_PERCENT = 0.2
_RSS_GOAL_BYTES = 170_000_000
_FLAT = 1.01
_FLOOR = """
import os, sys, time
while True:
    time.sleep(2)
    os.stat(sys.argv[1])
"""
"""The least that a daemon in Python can do which looks at a file every 2 s."""


def figures(folder: Path, seconds: float) -> list[Figure]:
    """Measure a daemon on the embedded BigQuery, beside an application that has written and stays open."""
    home = folder / "idle"
    home.mkdir()
    database = home / "app.db"
    make_database(database, "wal", _ROWS)
    with (closing(sqlite3.connect(database)) as application,
          EmbeddedBigQuery(home / "bigquery", PROJECT) as embedded):
        with application:
            application.execute(f"INSERT INTO {TABLE} VALUES (?, ?, ?)", (_ROWS + 1, time.time_ns() // 1_000, "x"))
        endpoints = embedded.start()
        config = write_config(home / "config.toml", database, rest=endpoints.rest, grpc=endpoints.grpc)
        floor = subprocess.Popen([sys.executable, "-c", _FLOOR, str(database)])
        try:
            with RunningDaemon(config) as daemon:
                time.sleep(_SETTLE_S)
                return _figures(daemon.pid, floor.pid, seconds)
        finally:
            floor.kill()
            floor.wait()


def _figures(pid: int, floor_pid: int, seconds: float) -> list[Figure]:
    before = cpu_s(pid), cpu_s(floor_pid), rss_bytes(pid), switches_by_thread(pid)
    start_s = time.monotonic()
    time.sleep(seconds)
    took_s = time.monotonic() - start_s
    percent, floor_percent = ((cpu_s(one) - used_s) * 100 / took_s
                              for one, used_s in zip((pid, floor_pid), before[:2], strict=True))
    rss, switches = rss_bytes(pid), switches_by_thread(pid)
    rates = {name: (count - before[3].get(name, 0)) / took_s for name, count in switches.items()}
    busiest = ", ".join(f"{name.partition(' ')[2]} {rate:.1f}" for name, rate in
                        sorted(rates.items(), key=lambda item: -item[1])[:3])
    return [
        Figure(name=f"idle for {took_s:.0f} s (one core; {load()})", value=f"{percent:.3f} %",
               floor=f"a loop that looks every 2 s: {floor_percent:.3f} %", ratio=None,
               goal=f"< {_CPU_GOAL_PERCENT} %", is_met=percent < _CPU_GOAL_PERCENT),
        Figure(name="idle (memory at the end)", value=f"{rss / 1e6:.1f} MB",
               floor=f"at the beginning: {before[2] / 1e6:.1f} MB", ratio=rss / before[2],
               goal=f"< {_RSS_GOAL_BYTES / 1e6:.0f} MB, flat",
               is_met=rss < _RSS_GOAL_BYTES and rss <= before[2] * _FLAT),
        Figure(name=f"idle (times a thread goes to sleep, of {len(switches)} threads)",
               value=f"{sum(rates.values()):.1f} /s", floor=f"most of them: {busiest}", ratio=None),
    ]

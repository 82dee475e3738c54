"""
How far the target is behind where BigQuery is as far away as the real one: 100 ms a call, 2 s a MERGE.

The lag of a change runs from just before it was written until the daemon tells that it was delivered. What nobody can
avoid of it is the debounce, three calls (append, insert a job, wait for its end) and the MERGE. What that has cost is
asked for afterwards.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from bench.measure import Figure, quantile, spread
from bench.processes import Child, load, wait_until
from bench.running import TABLE, RunningDaemon, make_database, write_config
from bqsync.config import load as load_config

_CALL_S, _MERGE_S = 0.1, 2.0
_CALLS = 3
_ROWS = 100
_BETWEEN_S = 1.0
"""Between two changes: the daemon has come to rest, and has prepared what the next one needs."""
_CYCLE_S = 60.0


def figures(folder: Path, changes: int) -> list[Figure]:
    """Measure single changes, each of which finds the daemon at rest."""
    home = folder / "far"
    home.mkdir()
    database = home / "app.db"
    make_database(database, "wal", _ROWS)
    with (Child("bench.null_sink", str(_CALL_S), str(_MERGE_S)) as sink,
          closing(sqlite3.connect(database)) as application):
        endpoints = sink.hear()
        config = write_config(home / "config.toml", database, rest=endpoints["rest"], grpc=endpoints["grpc"])
        with RunningDaemon(config) as daemon:
            lags_ms = [_change(application, daemon, _ROWS + 1 + number) for number in range(changes)]
    floor_ms = (load_config(config, environ={}).watch.debounce_s + _CALLS * _CALL_S + _MERGE_S) * 1000
    return [Figure(
        name=f"lag where a call takes {_CALL_S * 1000:.0f} ms and a MERGE {_MERGE_S:.0f} s, p50 / p95 / p99 / max "
        f"({changes} single changes; {load()})", value=spread(lags_ms),
        floor=f"debounce + {_CALLS} calls + the MERGE: {floor_ms:,.0f} ms", ratio=quantile(lags_ms, 0.5) / floor_ms)]


def _change(application: sqlite3.Connection, daemon: RunningDaemon, number: int) -> float:
    time.sleep(_BETWEEN_S)
    before, now_us = len(daemon.cycles), time.time_ns() // 1_000
    with application:
        application.execute(f"INSERT INTO {TABLE} VALUES (?, ?, 'new')", (number, now_us))
    if not wait_until(lambda: len(daemon.cycles) > before, _CYCLE_S):
        raise AssertionError(daemon.complaints())
    return (daemon.cycles[-1].told_us - now_us) / 1000

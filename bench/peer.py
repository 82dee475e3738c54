"""
What a user could pick instead, in the same run: dlt, on the embedded BigQuery, in an environment of its own.

Processor time of the clients alone: the emulator's part of a copy is larger than either, and the real service has
machines of its own for it. The time by the clock is told as well.
"""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.measure import Figure
from bench.processes import load, wait_until
from bench.running import RunningDaemon
from bench.source import SECTION, make
from bqsync.embedded import EmbeddedBigQuery

_ROOT = Path(__file__).parent.parent
_PYTHON = _ROOT / ".venv-dlt" / "bin" / "python"
_CHANGED_ROWS = 100
_COPY_GOAL, _PASS_GOAL, _DAEMON_GOAL = 0.4, 0.5, 8.0
_CYCLE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a process has cost."""

    took_s: float
    cpu_s: float


def figures(folder: Path, rows: int, runs: int) -> list[Figure]:
    """Measure copies, and passes after some rows have changed; nothing where the peer is not there."""
    if not _PYTHON.exists():
        return []
    home = folder / "peer"
    home.mkdir()
    database = home / "events.db"
    make(database, rows)
    copies: list[tuple[Cost, Cost]] = []
    passes: list[tuple[Cost, Cost]] = []
    with EmbeddedBigQuery(home / "bigquery", "bench") as embedded:
        endpoints = embedded.start()
        for number in range(runs):
            ours, theirs = _ours(home, database, number, endpoints.rest, endpoints.grpc), _theirs(
                home, database, number, endpoints.rest)
            copies.append((ours(), theirs()))
            _change(database, number)
            passes.append((ours("--no-sweep"), theirs()))
        _change(database, runs)
        with RunningDaemon(home / f"ours_{runs - 1}.toml") as daemon:
            for number in range(runs):
                known = len(daemon.cycles)
                _change(database, runs + 1 + number)
                if not wait_until(lambda: len(daemon.cycles) > known, _CYCLE_S):  # noqa: B023 - asked at once
                    raise AssertionError(daemon.complaints())
            cycle_s = median(cycle.whole_s for cycle in daemon.cycles[-runs:])
    their_pass_s = median(theirs.took_s for _, theirs in passes)
    return [
        _figure(f"first copy of {rows:,} rows, whole path on the emulator", copies, _COPY_GOAL),
        _figure(f"pass over {_CHANGED_ROWS} changed rows of {rows:,}: `bqsync sync --no-sweep`", passes, _PASS_GOAL),
        Figure(name=f"the same in the daemon, from its beginning to the commit of the state ({load()})",
               value=f"{cycle_s * 1000:.0f} ms", floor=f"a pass of dlt: {their_pass_s * 1000:,.0f} ms",
               ratio=their_pass_s / cycle_s, goal=f"≥ {_DAEMON_GOAL:.0f} times faster",
               is_met=their_pass_s >= _DAEMON_GOAL * cycle_s),
    ]


def _figure(name: str, pairs: Sequence[tuple[Cost, Cost]], goal: float) -> Figure:
    ours, theirs = (median(pair[at].cpu_s for pair in pairs) for at in (0, 1))
    clocks = [median(pair[at].took_s for pair in pairs) for at in (0, 1)]
    return Figure(name=f"{name} (processor time of the client)", value=f"{ours:.2f} s (by the clock {clocks[0]:.1f} s)",
                  floor=f"dlt: {theirs:.2f} s ({clocks[1]:.1f} s)", ratio=ours / theirs, goal=f"≤ {goal:.1f}",
                  is_met=ours <= goal * theirs)


def _ours(home: Path, database: Path, number: int, rest: str, grpc: str) -> Callable[..., Cost]:
    config = home / f"ours_{number}.toml"
    config.write_text(
        f'[source]\ndb = "{database}"\n[bigquery]\nproject = "bench"\ndataset = "ours_{number}"\n'
        f'rest_endpoint = "{rest}"\ngrpc_endpoint = "{grpc}"\n[state]\nfile = "{home}/state_{number}/state.db"\n'
        f'{SECTION}watermark = ["updated_at"]\n', encoding="utf-8")
    # Compiled once, as what is installed is: an empty value has Python keep its bytecode.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, "-P", "-m", "bqsync", "sync", "-c", str(config)]
    return lambda *options: _measured([*command, *options], environment)


def _theirs(home: Path, database: Path, number: int, rest: str) -> Callable[..., Cost]:
    state = home / f"theirs_{number}"
    shutil.rmtree(state, ignore_errors=True)
    # The emulator takes no compressed uploads.
    environment = {**os.environ, "BIGQUERY_EMULATOR_HOST": rest, "RUNTIME__DLTHUB_TELEMETRY": "false",
                   "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true"}
    command = [str(_PYTHON), "-I", str(Path(__file__).with_name("peer_dlt.py")), str(database), str(state),
               f"theirs_{number}"]
    return lambda: _measured(command, environment)


def _measured(command: list[str], environment: dict[str, str]) -> Cost:
    """Of a process with all that it starts."""
    before, start_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, env=environment, capture_output=True, check=True)
    took_s, after = time.perf_counter() - start_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(took_s=took_s, cpu_s=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def _change(database: Path, number: int) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE events SET score = random(), updated_at = (SELECT max(updated_at) + 100 FROM events)"
                           f" WHERE id >= {number * _CHANGED_ROWS} AND id < {(number + 1) * _CHANGED_ROWS}")

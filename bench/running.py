"""`bqsync run` as a real process on a table of commits, and what its log tells."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.processes import wait_until

TABLE = "commits"
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS {TABLE} (id INTEGER PRIMARY KEY, committed_at INTEGER NOT NULL, payload TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS {TABLE}_committed_at ON {TABLE} (committed_at);
"""
PROJECT, DATASET = "bench", "bench"
_CALLS = ("target", "stage", "append", "merge")
"""The stages of a cycle in which it waits for BigQuery."""
_READY_S = 60.0
_STOP_S = 30.0
_SILENCE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """A cycle that delivered rows, as `sync.completed` tells."""

    told_us: int
    """When its line was written, after the state was committed and the staging table dropped. Unix microseconds."""
    rows: int
    calls_s: float
    """Seconds in BigQuery's own calls."""
    own_s: float
    """Seconds in all other stages."""

    @property
    def whole_s(self) -> float:
        return self.calls_s + self.own_s


class RunningDaemon:
    """A daemon, from its first copy on. Its log is read as it comes."""

    def __init__(self, config: Path) -> None:
        self.cycles: list[Cycle] = []
        """Those that delivered rows, in order."""
        self.rows = 0
        """That they have delivered so far."""
        self._others: list[dict[str, Any]] = []
        self._heard_s = time.monotonic()
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "bqsync", "run", "-c", str(config), "--log-level", "debug",
             "--log-format", "json"], stdout=subprocess.PIPE, text=True, env=environment, cwd=config.parent)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not wait_until(lambda: bool(self.cycles), _READY_S):
            self.stop()
            raise RuntimeError(f"the daemon has copied nothing: {self._others}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None,
                 _trace: TracebackType | None) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_silent(self) -> bool:
        """No line has come for long."""
        return time.monotonic() > self._heard_s + _SILENCE_S

    def complaints(self) -> list[dict[str, Any]]:
        """Warnings and errors."""
        return [line for line in list(self._others) if line["level"] in ("warning", "error")]

    def stop(self) -> None:
        """End it as the service manager does."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(_STOP_S)

    def _read(self) -> None:
        if self._process.stdout is None:
            raise AssertionError
        for text in self._process.stdout:
            self._heard_s = time.monotonic()
            line = json.loads(text)
            if line["event"] != "sync.completed":
                self._others.append(line)
            elif line["rows_upserted"]:
                cycle = _cycle(line)
                self.rows += cycle.rows
                self.cycles.append(cycle)


def make_database(path: Path, mode: str, rows: int) -> None:
    """The table of commits, with some that are old."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.executescript(SCHEMA)
        with connection:
            connection.executemany(f"INSERT INTO {TABLE} VALUES (?, ?, ?)", (
                (number, 1_700_000_000_000_000 + number, "x" * 200) for number in range(1, rows + 1)))


def write_config(path: Path, database: Path, *, rest: str, grpc: str) -> Path:
    """A configuration of defaults, with the endpoints of a BigQuery on this machine."""
    path.write_text(
        f'[source]\ndb = "{database}"\n[bigquery]\nproject = "{PROJECT}"\ndataset = "{DATASET}"\n'
        f'rest_endpoint = "{rest}"\ngrpc_endpoint = "{grpc}"\n[state]\nfile = "{path.with_suffix(".state")}/state.db"\n'
        f'[[tables]]\nname = "{TABLE}"\nwatermark = ["committed_at"]\n'
        'timestamps = { committed_at = "unix_micros" }\n', encoding="utf-8")
    return path


def _cycle(line: dict[str, Any]) -> Cycle:
    stages: dict[str, float] = line["durations_s"]
    calls_s = sum(stages.get(name, 0.0) for name in _CALLS)
    told = datetime.fromisoformat(line["timestamp"])
    return Cycle(told_us=round(told.timestamp() * 1_000_000), rows=line["rows_upserted"], calls_s=calls_s,
                 own_s=sum(stages.values()) - calls_s)

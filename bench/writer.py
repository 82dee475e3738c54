"""
An application that commits at a steady rate: `python -m bench.writer DATABASE RATE_PER_S SECONDS [SYNCHRONOUS]`.

It opens the database, says that it is ready, and waits for a line. Then it inserts one row in each transaction, each
with the time at which it was written, tells what became of them, and keeps its connection open until its standard input
ends, as an application does that goes on.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from pathlib import Path

from bench.running import TABLE

_INSERT = f"INSERT INTO {TABLE} VALUES (?, ?, ?)"


def write(connection: sqlite3.Connection, path: Path, rate_per_s: float, seconds: float) -> dict[str, object]:
    """Write for so long; what each commit took, and how large the `-wal` became."""
    (last_id,) = connection.execute(f"SELECT max(id) FROM {TABLE}").fetchone()
    wal, wal_bytes, commit_s, written_us = Path(f"{path}-wal"), 0, list[float](), list[int]()
    start_s = time.monotonic()
    for number in range(int(rate_per_s * seconds)):
        # By the clock, and not by pauses: a slow commit is followed by quicker ones, the rate stays.
        time.sleep(max(0.0, start_s + number / rate_per_s - time.monotonic()))
        now_us = time.time_ns() // 1_000
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_INSERT, (last_id + 1 + number, now_us, f"{now_us:x}" * 15))
        began_s = time.perf_counter()
        connection.execute("COMMIT")
        commit_s.append(time.perf_counter() - began_s)
        written_us.append(now_us)
        if wal.exists():
            wal_bytes = max(wal_bytes, wal.stat().st_size)
    return {"commit_s": commit_s, "written_us": written_us, "wal_bytes": wal_bytes,
            "took_s": time.monotonic() - start_s}


def main() -> None:
    """See above."""
    path, rate_per_s, seconds = Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA synchronous = {sys.argv[4] if len(sys.argv) > 4 else 'full'}")
    connection.execute(f"SELECT count(*) FROM {TABLE}").fetchone()
    print(json.dumps("ready"), flush=True)
    if sys.stdin.readline():
        print(json.dumps(write(connection, path, rate_per_s, seconds)), flush=True)
    sys.stdin.read()
    connection.close()


if __name__ == "__main__":
    main()

"""The tables that the tests of the daemon use, and what is asked of their targets."""

from __future__ import annotations

import re
from collections import Counter
from functools import partial

from tests.daemon.life import Life
from tests.workbench import Workbench

MARKED = '[[tables]]\nname = "marked"\nwatermark = ["at"]\ntimestamps = { at = "unix_seconds" }\n'
"""A table with a watermark."""
PLAIN = '[[tables]]\nname = "plain"\n'
"""One without."""
SCHEMA = ("CREATE TABLE marked (id INTEGER PRIMARY KEY, v TEXT, at INTEGER);"
          "CREATE INDEX marked_at ON marked (at);"
          "CREATE TABLE plain (id INTEGER PRIMARY KEY, v TEXT);")
QUICK = '[watch]\ndebounce = "20 ms"\npoll_interval = "0.5 s"\n'
AT = 1_700_000_000


def configure(
    bench: Workbench, tables: str, *, sync: str = "", extra: str = QUICK, sweep_duty: float = 1.0,
) -> None:
    """
    Configure a daemon that is quick, and whose sweeps do not rest.

    The rest grows with what a sweep has taken: where the machine stands still for three seconds meanwhile, that would
    be a minute.
    """
    bench.configure(tables, sync=f"sweep_duty = {sweep_duty}\n{sync}", extra=extra)


def fill(bench: Workbench, rows: int = 10, *, script: str = SCHEMA) -> None:
    """So many rows in each of the two."""
    bench.fill(script, ("INSERT INTO marked VALUES (?, ?, ?)", [(n, f"v{n}", AT + n) for n in range(rows)]),
               ("INSERT INTO plain VALUES (?, ?)", [(n, f"v{n}") for n in range(rows)]))


def wait_for_lag(life: Life, bench: Workbench, table: str) -> float:
    """
    Write to a table until a line tells how long a change took; the seconds.

    One is enough, as a rule. But a change that a cycle meets which has begun without knowing of it may have no lag.
    """
    def lags() -> list[float]:
        return [line["lag_s"] for line in life.events("sync.completed", table=table) if "lag_s" in line]

    def lags_after_a_write() -> list[float]:
        (number,) = bench.db.execute(f'SELECT max(id) + 1 FROM "{table}"').fetchone()
        more = (AT + number,) if table == "marked" else ()
        bench.db.execute(f'INSERT INTO "{table}" VALUES (?, ?{", ?" * len(more)})', (number, "to be told", *more))
        wait_equal(life, bench, table)
        return lags()

    life.wait_until(lambda: lags() or lags_after_a_write(), f"a lag of {table}")
    return lags()[0]


def wait_equal(life: Life, bench: Workbench, *tables: str) -> None:
    """Wait until each target holds the ids and values of its source."""
    for table in tables:
        life.wait_until(partial(is_equal, bench, table), f"{table} equal")


def is_equal(bench: Workbench, table: str) -> bool:
    """Whether the target holds the ids and values of its source, each of them once."""
    return target(bench, table) == bench.db.execute(f'SELECT id, v FROM "{table}" ORDER BY id').fetchall()


def target(bench: Workbench, table: str) -> list[tuple[int, str]]:
    """What a target holds; nothing where there is none yet."""
    if table not in bench.tables():
        return []
    return [(row["id"], row["v"]) for row in bench.rows(table, "id")]


def is_tidy(bench: Workbench, *tables: str) -> bool:
    """Whether nothing stands but the targets, and for each of them what its next chunk needs, at most."""
    stems = Counter(re.sub(r"_\d{14}_[0-9a-f]{8}$", "", name) for name in bench.tables() - set(tables))
    return len(stems) <= len(tables) and set(stems.values()) <= {1} and all(
        stem.startswith("_bqsync_staging_") for stem in stems)

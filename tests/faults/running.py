"""A daemon that meets a fault: what is asked of it whatever the fault is."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.bad_input.command import SENTINEL
from tests.daemon.life import Life
from tests.daemon.tables import MARKED, PLAIN, QUICK, fill, wait_equal
from tests.workbench import Workbench

TABLES = ("marked", "plain")


@contextmanager
def running(bench: Workbench, *, prefix: Sequence[str] = (), **environment: str) -> Iterator[Life]:
    """A daemon that is ready. Whatever it has met, its log is judged afterwards."""
    life = Life(bench, prefix=prefix, **environment)
    try:
        yield life.ready()
        if life.process.poll() is None:
            assert life.end() == 0
        assert_well_told(life)
    finally:
        life.close()


def assert_well_told(life: Life) -> None:
    """No traceback, no fault of its own, no cell; and each failure with its code, its reason and the next step."""
    text = life.errors + "\n".join(json.dumps(line) for line in life.lines)
    assert [word for word in ("Traceback", "E901", SENTINEL) if word in text] == [], text
    failed = [line for line in life.lines if line["level"] == "error"]
    assert [line for line in failed if not (line.get("why") and line.get("fix"))] == []


def filled(bench: Workbench, rows: int = 10, *, extra: str = QUICK, sync: str = "", tables: str = "") -> None:
    """Two tables, one of them with a watermark, whose cells may be printed nowhere; and their configuration."""
    fill(bench, rows)
    for table in TABLES:
        bench.db.execute(f"UPDATE {table} SET v = '{SENTINEL} ' || id")
    bench.configure(MARKED + PLAIN + tables, extra=extra, sync=sync)


def copied(life: Life, bench: Workbench) -> None:
    """Wait until both tables have been copied."""
    wait_equal(life, bench, *TABLES)
    life.wait_until(lambda: life.status().endswith("up to date"), "up to date")


def write(bench: Workbench, number: int) -> None:
    """The application changes both tables: a new row and a changed one in each."""
    for table, columns in (("marked", "id, v, at"), ("plain", "id, v")):
        values = "?, ?, 1700001000 + ?" if table == "marked" else "?, ? || ?"
        bench.db.execute(f"INSERT INTO {table} ({columns}) VALUES ({values})", (number, SENTINEL, number))
    bench.db.execute(f"UPDATE plain SET v = '{SENTINEL} changed ' || ? WHERE id = 3", (number,))


def reconnect(bench: Workbench) -> None:
    """The application opens its database anew."""
    bench.db.close()
    bench.db = sqlite3.connect(bench.db_path, isolation_level=None)


def deleted(life: Life) -> int:
    """How many rows the daemon has deleted so far."""
    return sum(line["rows_deleted"] for line in life.events("sync.completed"))


def point_at(bench: Workbench, old: str, new: str) -> None:
    """Replace a text of the configuration."""
    text = bench.config_path.read_text(encoding="utf-8")
    assert old in text
    bench.config_path.write_text(text.replace(old, new), encoding="utf-8")

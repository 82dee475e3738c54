"""Beside a daemon and a writer, what is on its way is no difference, and what is damaged is found and repaired."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from tests.daemon.conftest import start  # noqa: F401 - a fixture
from tests.daemon.tables import AT, MARKED, PLAIN, configure, fill, is_equal, wait_equal
from tests.workbench import run_command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.daemon.conftest import Start
    from tests.workbench import Workbench

ROWS = 2_000
TABLES = MARKED + PLAIN
DAMAGED = {*range(100, 104), *range(200, 203), 90_001, 90_002, 90_003}


@contextmanager
def writing(bench: Workbench) -> Iterator[None]:
    """Rows of both tables are inserted, changed and deleted, but for those below 1,000, as long as the block lasts."""
    is_over = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(bench.db_path, isolation_level=None, timeout=60)) as db:
            number = 10_000
            while not is_over.wait(0.02):
                number += 1
                at = 1_000 + number % (ROWS - 1_000)
                db.executescript(
                    f"BEGIN; INSERT INTO marked VALUES ({number}, 'new', {AT + number});"
                    f"UPDATE marked SET v = 'written {number}', at = {AT + number} WHERE id = {at};"
                    f"DELETE FROM marked WHERE id = {number - 50}; UPDATE plain SET v = 'written {number}'"
                    f" WHERE id = {at}; INSERT INTO plain VALUES ({number}, 'new'); COMMIT")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def damage(bench: Workbench, table: str) -> None:
    bench.query(f"UPDATE {{d}}.{table} SET v = 'by hand' WHERE id BETWEEN 100 AND 103")
    bench.query(f"DELETE FROM {{d}}.{table} WHERE id BETWEEN 200 AND 202")
    bench.query(f"INSERT INTO {{d}}.{table} (id, v) VALUES (90001, 'by hand'), (90002, 'by hand'), (90003, NULL)")


def verify(bench: Workbench, *arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Exit code, and what is told of each table."""
    done = run_command("verify", "-c", str(bench.config_path), "--json", *arguments, folder=bench.folder)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["errors"] == []
    return done.returncode, {table["table"]: table for table in told["tables"]}


def keys(table: dict[str, Any]) -> set[int]:
    return {int(one["key"][0]) for one in table["differences"]}


def test_ten_damaged_rows_are_found_and_repaired_while_a_writer_writes(
    workbench: Workbench, start: Start,  # noqa: F811 - the fixture
) -> None:
    fill(workbench, ROWS)
    configure(workbench, TABLES, sync='sweep_interval = "1 s"\n')
    life = start(workbench).ready()
    wait_equal(life, workbench, "marked", "plain")
    with writing(workbench):
        code, told = verify(workbench)
        assert (code, [keys(table) for table in told.values()]) == (0, [set(), set()])
        damage(workbench, "marked")
        damage(workbench, "plain")
        code, told = verify(workbench)
        assert (code, [keys(table) for table in told.values()]) == (1, [DAMAGED, DAMAGED])
        code, told = verify(workbench, "--repair")
        assert (code, [table["rows_repaired"] for table in told.values()]) == (0, [10, 10])
        assert [keys(table) for table in told.values()] == [DAMAGED, DAMAGED]
    repaired = {line["table"]: line["rows"] for line in life.events("verify.repaired")}
    assert repaired == {"marked": 10, "plain": 10}
    wait_equal(life, workbench, "marked", "plain")
    assert verify(workbench)[0] == 0
    assert life.end() == 0


def test_the_daemon_looks_by_itself_and_repairs_what_differs(
    workbench: Workbench, start: Start,  # noqa: F811 - the fixture
) -> None:
    fill(workbench, 300)
    configure(workbench, MARKED, sync='verify_interval = "1 s"\n')
    life = start(workbench).ready()
    wait_equal(life, workbench, "marked")
    life.wait("verify.completed", rows_different=0)
    damage(workbench, "marked")
    life.wait("verify.repaired", table="marked", rows=10, rows_upserted=7, rows_deleted=3)
    assert is_equal(workbench, "marked")
    before = len(life.events("verify.completed"))
    life.wait("verify.completed", before + 2)
    assert life.events("verify.completed")[-1]["rows_different"] == 0
    assert life.end() == 0
    assert life.events("verify.failed") == []


def test_a_look_that_fails_is_told_and_hinders_nobody(
    workbench: Workbench, start: Start,  # noqa: F811 - the fixture
) -> None:
    fill(workbench, 300)
    configure(workbench, TABLES, sync='verify_interval = "1 s"\n')
    life = start(workbench).ready()
    wait_equal(life, workbench, "marked", "plain")
    workbench.query("DROP TABLE {d}.marked")
    told = life.wait("verify.failed", table="marked")
    assert (told["level"], told["kind"], told["retry_in_s"]) == ("warning", "bigquery_not_found", 900.0)
    before = len(life.events("verify.completed", table="plain"))
    life.wait_until(lambda: len(life.events("verify.completed", table="plain")) > before, "the other table's look")
    workbench.db.execute("INSERT INTO marked VALUES (5000, 'a change', 1700005000)")
    wait_equal(life, workbench, "marked")
    assert life.end() == 0

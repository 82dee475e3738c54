"""What can be wrong with the database file: said at once, naming the file and the next step, and nothing is deleted."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.bad_input.command import SENTINEL, as_ordinary_user, finish, run, start, synced
from tests.daemon.hold import held
from tests.end_to_end.processes import within
from tests.hostile.actions import Method
from tests.hostile.proxy import HostileBigQuery
from tests.workbench import Workbench

PAGE = 4096


def names(bench: Workbench, table: str) -> list[str]:
    return [row["name"] for row in bench.rows(table, "id")]


def make_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_text(path: Path) -> None:
    path.write_text(f"id,name\n1,{SENTINEL}\n" * 100, encoding="utf-8")


def make_stump(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def make_empty(path: Path) -> None:
    path.write_bytes(b"")


SPOILED: tuple[tuple[Callable[[Path], None], str, tuple[str, ...]], ...] = (
    (Path.unlink, "E201", ("does not exist", "source.db")),
    (make_directory, "E203", ("is a directory", "source.db")),
    (make_text, "E203", ("SQLITE_NOTADB", "source.db")),
    (make_stump, "E203", ("100 bytes", "source.db")),
    (make_empty, "E204", ("0 bytes", "source.db")),
)


def test_a_file_that_is_no_database_fails_and_deletes_nothing(bench: Workbench) -> None:
    synced(bench)
    bench.db.close()
    whole = bench.db_path.read_bytes()
    for spoil, code, words in SPOILED:
        bench.db_path.write_bytes(whole)
        spoil(bench.db_path)
        run(bench.folder, "sync").told(74, code, str(bench.db_path), *words)
        if bench.db_path.is_dir():
            bench.db_path.rmdir()
    assert len(names(bench, "things")) == len(names(bench, "others")) == 3
    bench.db_path.write_bytes(whole)
    synced(bench)


def test_a_database_that_may_not_be_read_is_a_matter_of_permission(bench: Workbench) -> None:
    bench.db_path.chmod(0)
    run(bench.folder, "sync", prefix=as_ordinary_user()).told(
        77, "E202", str(bench.db_path), "run bqsync as a user that may read it")


def spoil_page(bench: Workbench, table: str) -> None:
    """Overwrite a leaf in the middle of a table; its first and last pages stay whole."""
    bench.fill(f"PRAGMA page_size = {PAGE}", (
        f"INSERT INTO {table} VALUES (?, ?)", [(number, SENTINEL * 30) for number in range(100, 400)]))
    query = "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY pageno"
    try:
        pages = [row[0] for row in bench.db.execute(query, (table,))]
    except sqlite3.OperationalError:  # built without dbstat: pages of the table that was filled last are the last
        pages = list(range(5, bench.db.execute("PRAGMA page_count").fetchone()[0]))
    assert len(pages) > 10
    bench.db.close()
    with bench.db_path.open("r+b") as file:
        file.seek((pages[len(pages) // 2] - 1) * PAGE)
        file.write(b"\xff" * PAGE)


def test_a_damaged_page_stops_its_table_alone_and_deletes_nothing(bench: Workbench) -> None:
    synced(bench)
    bench.db.execute("UPDATE others SET name = ? WHERE id = 1", (f"{SENTINEL} new",))
    bench.db.execute("DELETE FROM things WHERE id = 0")
    spoil_page(bench, "things")
    done = run(bench.folder, "sync")
    done.told(74, "E206", " things", "damaged", "integrity_check")
    assert names(bench, "others")[1] == f"{SENTINEL} new", "the other table goes on"
    assert len(names(bench, "things")) >= 3, "no absence is judged on a table that can't be read"
    (failed,) = done.events("sync.failed")
    assert (failed["table"], failed["code"]) == ("things", "E206")


def test_an_exclusive_lock_that_outlasts_the_timeout_is_told_and_passes(bench: Workbench) -> None:
    text = bench.config_path.read_text(encoding="utf-8")
    bench.config_path.write_text(text.replace('db = "app.db"', 'db = "app.db"\nbusy_timeout = "0.2 s"'))
    bench.db.execute("BEGIN EXCLUSIVE")
    run(bench.folder, "sync").told(74, "E205", str(bench.db_path), "exclusive lock", "source.busy_timeout")
    bench.db.execute("ROLLBACK")
    synced(bench)
    assert len(names(bench, "things")) == 3


def test_a_database_that_vanishes_between_two_pages_deletes_nothing(
    relayed: Workbench, hostile: HostileBigQuery,
) -> None:
    synced(relayed, "things")
    relayed.fill("", ("INSERT INTO things VALUES (?, ?)", [(number, SENTINEL) for number in range(-50, 0)]))
    text = relayed.config_path.read_text(encoding="utf-8")
    relayed.config_path.write_text(text.replace("[sync]\n", "[sync]\npage_rows = 10\nchunk_rows = 10\n"))
    with held(hostile, Method.JOBS_INSERT, "MERGE") as hold, start(relayed.folder, "sync", "things") as process:
        assert within(60, lambda: hold.arrived)
        aside = relayed.db_path.rename(relayed.folder / "aside.db")
        hold.open()
        finish(process).told(74, "E201", str(relayed.db_path), "never counts as deleted rows")
    assert {0, 1, 2} <= {row["id"] for row in relayed.rows("things", "id")}

    aside.rename(relayed.db_path)
    synced(relayed, "things")
    with closing(sqlite3.connect(relayed.db_path)) as db:
        assert len(relayed.rows("things", "id")) == db.execute("SELECT count(*) FROM things").fetchone()[0] == 53

"""A state that is cut, or in which bits have turned: at the worst it is begun anew, and no row leaves its target."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.daemon.tables import is_equal, target
from tests.faults.running import TABLES, copied, deleted, filled, running, write
from tests.state.test_store import fill
from tests.workbench import Workbench

from bqsync.errors import BqsyncError, ErrorKind
from bqsync.state.store import Store

PAGE = 4096


def lengths(size: int) -> list[int]:
    """Within the header, beside the end of each page, and within pages."""
    within = [length for page in range(0, size, PAGE) for length in (page - 1, page, page + 1, page + 100, page + 2000)]
    return [length for length in (*range(1, 100, 12), *within) if 0 < length < size]


def test_a_state_that_is_cut_anywhere_is_never_half_trusted(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    instance = fill(path)
    whole = path.read_bytes()
    for length in lengths(len(whole)):
        path.write_bytes(whole[:length])
        with closing(Store(path)) as store:
            assert store.instance != instance, length
            assert store.rebuilt_from is not None or length < 16, length
        for rest in tmp_path.glob("state.db*"):
            rest.unlink()


def settle(bench: Workbench) -> set[str]:
    """A cycle over a state that may be damaged; how its tables failed. A second one has them equal, whatever it was."""
    before = {table: ids(bench, table) for table in TABLES}
    kinds: set[str] = set()
    try:
        kinds = {outcome.error["kind"] for outcome in bench.sync().values() if outcome.error}
    except BqsyncError as failure:
        kinds = {failure.kind.value}
    for table in TABLES:
        assert before[table] & present(bench, table) <= ids(bench, table), "no row leaves that is there"
    if kinds:
        outcomes = bench.sync().values()
        assert [outcome.error for outcome in outcomes if outcome.error] == []
        assert sum(outcome.rows_deleted for outcome in outcomes) == 0
    assert all(is_equal(bench, table) for table in TABLES)
    return kinds


def ids(bench: Workbench, table: str) -> set[int]:
    return {row[0] for row in target(bench, table)}


def present(bench: Workbench, table: str) -> set[int]:
    return {row[0] for row in bench.db.execute(f"SELECT id FROM {table}")}


@pytest.fixture
def synced(workbench: Workbench) -> Workbench:
    filled(workbench, 40)
    workbench.sync()
    # Some rows of the ledger stand alone, the others are packed.
    for table in TABLES:
        workbench.db.execute(f"UPDATE {table} SET v = 'single' WHERE id BETWEEN 2 AND 5")
    workbench.sync()
    return workbench


def put(bench: Workbench, content: bytes | bytearray, wal: bytes | None = None) -> None:
    """The state file holds this, and its -wal that."""
    bench.lose_state()
    bench.state_path.write_bytes(content)
    if wal is not None:
        bench.state_path.with_name("state.db-wal").write_bytes(wal)


def test_a_bit_that_turns_in_any_page_is_told_or_mended_or_changes_nothing(synced: Workbench) -> None:
    seen: set[str] = set()
    for page in range(synced.state_path.stat().st_size // PAGE):
        content = bytearray(synced.state_path.read_bytes())
        chance = random.Random(page)
        # Where something stands: the rest of a page is zeros.
        place = chance.choice([at for at in range(page * PAGE, min((page + 1) * PAGE, len(content))) if content[at]])
        content[place] ^= 1 << chance.randrange(8)
        put(synced, content)
        seen |= settle(synced)
    assert seen <= {ErrorKind.STATE_DAMAGED.value}


def pages_of(path: Path, table: str) -> list[int]:
    """The root of a table's tree; where that has more than one page, those below it may be anywhere."""
    with closing(sqlite3.connect(path)) as state:
        return [row[0] for row in state.execute("SELECT rootpage FROM sqlite_schema WHERE tbl_name = ?", (table,))]


@pytest.mark.parametrize("statement", [
    "UPDATE ledger SET slot = -3 WHERE slot = 3", "UPDATE ledger SET slot = 1 << 40 WHERE slot = 3",
    "UPDATE tables SET next_slot = 3",
    ("PRAGMA writable_schema = 1; UPDATE sqlite_schema SET name = 'ledges', tbl_name = 'ledges',"
     " sql = replace(sql, 'ledger', 'ledges') WHERE name = 'ledger'"),
    "PRAGMA writable_schema = 1; UPDATE sqlite_schema SET sql = replace(sql, 'slot', 'slat') WHERE name = 'ledger'",
    "UPDATE tables SET name = CAST(x'ff' AS TEXT) WHERE id = 1", "UPDATE ledger SET key = x'1300' WHERE slot = 3",
    "UPDATE ledger SET key = x'07ff0000' WHERE slot = 3", "DELETE FROM sources",
    "UPDATE runs SET first_slot = -3", "UPDATE runs SET first_slot = 1 << 40", "UPDATE runs SET rows = rows - 1",
    "UPDATE runs SET key_bytes = 0", "UPDATE runs SET key_bytes = key_bytes + 1", "UPDATE runs SET first_key = x'01'",
    "UPDATE runs SET last_key = x'ff'", "UPDATE runs SET keys = substr(keys, 2)",
    "UPDATE runs SET keys = substr(keys, 1, 30) || x'07ff' || substr(keys, 33)",
    "UPDATE runs SET fingerprints = substr(fingerprints, 9)", "UPDATE runs SET source_prints = x'00'",
    "UPDATE runs SET fingerprints = CAST(fingerprints AS TEXT)", "UPDATE runs SET keys = CAST(keys AS TEXT)",
    "UPDATE meta SET value = CAST(x'ff' AS TEXT)",
])
def test_what_only_a_spoilt_file_can_hold_is_known_as_damage(synced: Workbench, statement: str) -> None:
    """SQLite reads it without a complaint."""
    with closing(sqlite3.connect(synced.state_path)) as state:
        state.executescript(statement)
    write(synced, 50)
    assert settle(synced) <= {ErrorKind.STATE_DAMAGED.value}


def test_a_wal_of_the_state_that_is_cut_is_an_older_state(synced: Workbench) -> None:
    """What a crash of the machine leaves: commits that were never written, and targets further than the state."""
    with closing(sqlite3.connect(synced.state_path)) as holder:
        holder.execute("SELECT * FROM meta").fetchone()
        write(synced, 50)
        synced.db.execute("DELETE FROM marked WHERE id = 7")
        synced.sync()
        main = synced.state_path.read_bytes()
        wal = synced.state_path.with_name("state.db-wal").read_bytes()
    assert len(wal) > 4 * PAGE
    for length in (31, 32, 56 + PAGE, len(wal) // 2, len(wal) - 1):
        put(synced, main, wal[:length])
        assert settle(synced) == set()


def test_a_daemon_that_finds_its_state_damaged_within_begins_it_anew(workbench: Workbench) -> None:
    filled(workbench)
    with running(workbench) as life:
        copied(life, workbench)
    content = bytearray(workbench.state_path.read_bytes())
    for page in pages_of(workbench.state_path, "ledger"):
        content[(page - 1) * PAGE : page * PAGE] = b"\xee" * PAGE
    put(workbench, content)
    write(workbench, 50)
    with running(workbench) as life:
        assert "moved aside" in life.wait("sync.failed", code="E404")["fix"]
        rebuilt = life.wait("state.rebuilt")
        assert b"\xee" * PAGE in Path(rebuilt["moved_to"]).read_bytes()
        copied(life, workbench)
        write(workbench, 51)
        copied(life, workbench)
        assert deleted(life) == 0

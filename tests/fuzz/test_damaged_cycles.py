"""Whole cycles over files with changed bytes: no row that a scan still finds leaves the target, and all comes right."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from tests.fuzz.amounts import seeds
from tests.fuzz.damage import TABLES, damaged, make_database
from tests.fuzz.test_damaged_files import KEYS, OF_THE_FILE, scanned

from bqsync.errors import BqsyncError, ErrorKind

if TYPE_CHECKING:
    from tests.workbench import Workbench

CONFIGURED = "\n".join(f'[[tables]]\nname = "{name}"' for name in TABLES)
ALLOWED = OF_THE_FILE | {ErrorKind.DELETES_HELD_BACK, ErrorKind.QUARANTINE_FLOOD, ErrorKind.TARGET_INCOMPATIBLE,
                         ErrorKind.TIMESTAMP_UNIT_UNCLEAR}
WHERE_IT_HURTS = [seed for seed in range(400) if damaged(seed, bytes(5000))[0] not in {"cut_off", "change_file_header"}]


def keys_of(bench: Workbench, name: str) -> set[str]:
    columns = ", ".join(f"`{column}`" for column in KEYS[name])
    return {repr(tuple(row.values())) for row in bench.query(f"SELECT {columns} FROM {{d}}.`{name}`")}


def held(bench: Workbench, name: str) -> set[str]:
    """The keys that a scan of the table finds."""
    with closing(sqlite3.connect(f"file:{bench.db_path}?mode=ro", uri=True)) as db:
        try:
            there = {row[1] for row in db.execute(f"PRAGMA table_info({name})")}
        except sqlite3.Error:
            return set()
    if not there.issuperset(KEYS[name]):
        return set()
    return {repr(row) for row in scanned(bench.db_path, name, list(KEYS[name])) or []}


@pytest.mark.timeout(3600)
def test_no_row_that_a_scan_finds_leaves_the_target_and_the_whole_file_heals_it(workbench: Workbench) -> None:
    workbench.db.close()
    workbench.db_path.unlink(missing_ok=True)
    make_database(workbench.db_path)
    whole = workbench.db_path.read_bytes()
    workbench.configure(CONFIGURED, sync="page_rows = 20")
    workbench.sync()
    before = {name: keys_of(workbench, name) for name in TABLES}
    rng = random.Random(7)
    for _ in seeds(4):
        seed = rng.choice(WHERE_IT_HURTS)
        what, changed = damaged(seed, whole)
        workbench.db_path.write_bytes(changed)
        try:
            outcomes = workbench.sync()
        except BqsyncError as error:
            if error.kind not in OF_THE_FILE:
                raise
            outcomes = {}
        for name in TABLES:
            error_of = outcomes[name].error if name in outcomes else None
            assert error_of is None or error_of["kind"] in ALLOWED, (seed, what, name, error_of)
            missing = before[name] & held(workbench, name) - keys_of(workbench, name)
            assert not missing, (seed, what, name)
        workbench.db_path.write_bytes(whole)
        healed = workbench.sync(full=True, confirmed_deletes=1_000)
        assert [outcome.error for outcome in healed.values()] == [None] * len(TABLES), (seed, what)
        for name in TABLES:
            assert keys_of(workbench, name) == before[name], (seed, what, name)
            assert workbench.verify(name).rows_different == 0, (seed, what, name)

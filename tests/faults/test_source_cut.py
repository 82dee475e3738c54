"""A copy of the database that is not complete: none of it counts, and nothing is deleted for what is missing."""

from __future__ import annotations

import os

import pytest
from tests.faults.running import reconnect
from tests.workbench import Workbench

from bqsync.errors import BqsyncError


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_a_file_that_is_cut_within_its_last_page_is_told_and_deletes_nothing(
    workbench: Workbench, journal: str,
) -> None:
    """SQLite would take what is missing for zeros: rows of the last page would be others, or gone."""
    workbench.db.execute(f"PRAGMA journal_mode = {journal}")
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)",
                   ("INSERT INTO t VALUES (?, ?)", [(number, "v" * 300) for number in range(40)]))
    workbench.configure('[[tables]]\nname = "t"')
    assert workbench.sync()["t"].error is None
    before = workbench.rows("t", "id")
    workbench.db.close()
    whole = workbench.db_path.read_bytes()
    for missing_bytes in (1, 100, 4_000, 5_000):
        os.truncate(workbench.db_path, len(whole) - missing_bytes)
        with pytest.raises(BqsyncError) as caught:
            workbench.sync()
        assert caught.value.rule.code == "E206"
        assert workbench.rows("t", "id") == before, missing_bytes
    workbench.db_path.write_bytes(whole + b"\0" * 100)  # more than the header says is as SQLite may leave it
    assert workbench.sync()["t"].error is None
    reconnect(workbench)
    workbench.db.execute("INSERT INTO t VALUES (50, 'goes on')")
    workbench.db.execute("DELETE FROM t WHERE id = 39")
    assert workbench.sync()["t"].rows_deleted == 1
    assert workbench.verify("t").rows_different == 0

"""Folders that several users can enter, and all that a guest might change in them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from tests.guest.person import APPLICATION

SCRIPT = "CREATE TABLE t (k INTEGER PRIMARY KEY, x TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b');"
ROWS = [[1, "a"], [2, "b"]]
ACCOUNTS = """
CREATE TABLE accounts (id INTEGER PRIMARY KEY, amount INTEGER, filler TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 199)
INSERT INTO accounts SELECT i, 0, hex(zeroblob(200)) FROM n;
INSERT INTO accounts VALUES (1000, 0, '');
"""


def given_to_the_application(folder: Path, mode: int) -> Path:
    """A folder of the application's user."""
    folder.mkdir()
    os.chown(folder, APPLICATION.uid, APPLICATION.gid)
    folder.chmod(mode)
    return folder


def traces(folder: Path) -> dict[str, tuple[int | str, ...]]:
    """Owner, mode, inode, size, time of change and content of everything in a folder, the `-shm` included."""
    found: dict[str, tuple[int | str, ...]] = {}
    for entry in os.scandir(folder):
        stat = entry.stat()
        content = hashlib.sha256(Path(entry.path).read_bytes()).hexdigest()
        found[entry.name] = (stat.st_uid, stat.st_gid, stat.st_mode, stat.st_ino, stat.st_size, stat.st_mtime_ns,
                             content)
    return found

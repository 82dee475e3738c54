"""Database files as applications make them, and what may become of their bytes."""

from __future__ import annotations

import random
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

PAGE_BYTES = 512
"""Small pages: few rows make a tree of several levels, and a changed byte is likely to matter."""

SCHEMA = f"""
PRAGMA page_size = {PAGE_BYTES};
CREATE TABLE plain (id INTEGER PRIMARY KEY, name TEXT, price REAL, photo BLOB, updated_at INTEGER);
CREATE INDEX plain_updated ON plain (updated_at);
CREATE TABLE texts (id TEXT PRIMARY KEY, body TEXT, updated_at INTEGER NOT NULL);
CREATE UNIQUE INDEX texts_body ON texts (body);
CREATE TABLE pairs (shop INTEGER, number TEXT, note TEXT, PRIMARY KEY (shop, number)) WITHOUT ROWID;
CREATE TABLE strict_ones (id INT NOT NULL UNIQUE, amount REAL, any_value ANY) STRICT;
CREATE TABLE folded (name TEXT COLLATE NOCASE PRIMARY KEY, twice AS (name || name) STORED, n INTEGER);
"""
TABLES = ("plain", "texts", "pairs", "strict_ones", "folded")

Damage = Callable[[random.Random, bytearray], None]


def make_database(path: Path, *, wal: bool = False, rows: int = 150) -> None:
    """A database with deep trees, overflow chains and free pages; with `wal`, half of it stands in the `-wal`."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript(SCHEMA)
        if wal:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA wal_autocheckpoint = 0")
        fill(db, 0, rows)
        if not wal:
            db.execute(f"DELETE FROM plain WHERE id % 5 = 0 AND id < {rows // 2}")
            return
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        fill(db, rows, rows // 2)
        kept = {suffix: Path(f"{path}{suffix}").read_bytes() for suffix in ("", "-wal", "-shm")}
    # As a copy or a crash leaves it: the last close would have removed the side files.
    for suffix, content in kept.items():
        Path(f"{path}{suffix}").write_bytes(content)


def fill(db: sqlite3.Connection, first: int, count: int) -> None:
    """So many more rows in every table, in one commit."""
    numbers = range(first, first + count)
    db.execute("BEGIN")
    db.executemany("INSERT INTO plain VALUES (?, ?, ?, ?, ?)", [
        (n, f"name {n}" * (1 + 200 * (n % 50 == 7)), n / 8, bytes([n % 251]) * (n % 40), 1_700_000_000 + n)
        for n in numbers])
    db.executemany("INSERT INTO texts VALUES (?, ?, ?)", [
        (f"{n * 7919 % 100_003:06d}", f"body {n}", 1_700_000_000 + n) for n in numbers])
    db.executemany("INSERT INTO pairs VALUES (?, ?, ?)", [(n % 7, f"n{n:05d}", f"note {n}") for n in numbers])
    db.executemany("INSERT INTO strict_ones VALUES (?, ?, ?)", [
        (n, n * 1.5, [n, f"text {n}", b"blob", None][n % 4]) for n in numbers])
    db.executemany("INSERT INTO folded (name, n) VALUES (?, ?)", [(f"Name{n:04d}", n) for n in numbers])
    db.execute("COMMIT")


def flip_bits(rng: random.Random, content: bytearray) -> None:
    """A few bits anywhere."""
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def change_bytes(rng: random.Random, content: bytearray) -> None:
    """A few bytes, near to each other."""
    at = rng.randrange(len(content))
    for offset in range(rng.choice((1, 2, 4, 16))):
        content[(at + offset) % len(content)] = rng.choice((0, 0xFF, 0x7F, 0x80, rng.randrange(256)))


def change_page_header(rng: random.Random, content: bytearray) -> None:
    """The kind of a page, its number of cells, its free list, a pointer to a cell or to another page."""
    page = rng.randrange(max(1, len(content) // PAGE_BYTES)) * PAGE_BYTES
    at = page + (100 if page == 0 else 0) + rng.randrange(20)
    if at < len(content):
        content[at] = rng.choice((0, 1, 2, 5, 10, 13, 0xFF, (content[at] + rng.choice((-1, 1))) % 256))


def change_file_header(rng: random.Random, content: bytearray) -> None:
    """The first hundred bytes."""
    if len(content) > 100:
        content[16 + rng.randrange(84)] = rng.randrange(256)


def swap_pages(rng: random.Random, content: bytearray) -> None:
    """Two pages stand in each other's place."""
    pages = len(content) // PAGE_BYTES
    if pages > 2:
        one, other = (rng.randrange(1, pages) * PAGE_BYTES for _ in range(2))
        kept = content[one : one + PAGE_BYTES]
        content[one : one + PAGE_BYTES] = content[other : other + PAGE_BYTES]
        content[other : other + PAGE_BYTES] = kept


def repeat_page(rng: random.Random, content: bytearray) -> None:
    """A page was written over another one, as after a write that went astray."""
    pages = len(content) // PAGE_BYTES
    if pages > 2:
        one, other = (rng.randrange(1, pages) * PAGE_BYTES for _ in range(2))
        content[one : one + PAGE_BYTES] = content[other : other + PAGE_BYTES]


def blank_page(rng: random.Random, content: bytearray) -> None:
    """A page of zeros, as a file system leaves it."""
    page = rng.randrange(max(1, len(content) // PAGE_BYTES)) * PAGE_BYTES
    content[page : page + PAGE_BYTES] = bytes(len(content[page : page + PAGE_BYTES]))


def cut_off(rng: random.Random, content: bytearray) -> None:
    """The end is missing."""
    del content[rng.choice((rng.randrange(len(content)), len(content) - PAGE_BYTES * rng.randrange(1, 8))) :]


def append(rng: random.Random, content: bytearray) -> None:
    """Something stands behind the end."""
    content += rng.randbytes(rng.choice((1, 100, PAGE_BYTES, 5 * PAGE_BYTES)))


def change_pointer(rng: random.Random, content: bytearray) -> None:
    """Four bytes that may be a page number become another one."""
    at = rng.randrange(max(1, len(content) - 4))
    content[at : at + 4] = struct.pack(">I", rng.randrange(len(content) // PAGE_BYTES + 2))


DAMAGES: tuple[Damage, ...] = (flip_bits, change_bytes, change_page_header, change_file_header, swap_pages, repeat_page,
                               blank_page, cut_off, append, change_pointer)


def damaged(seed: int, content: bytes) -> tuple[str, bytes]:
    """The name of what was done, and what became of the content."""
    rng = random.Random(seed)
    damage = rng.choice(DAMAGES)
    changed = bytearray(content)
    damage(rng, changed)
    return damage.__name__, bytes(changed)

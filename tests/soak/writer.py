"""
A process that writes as applications do: `python -m tests.soak.writer DB --seed N`.

Bursts, steady writing and silence take turns. It ends on SIGTERM, in good order, or by itself in the midst of a
transaction, as a crash would. Every half second it prints what it has done so far, as one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress

from tests.soak.tables import BY_NAME, KINDS, WRONG, Cell, Key, Kind, Row, cells

_TELL_S = 0.5
_NAP_S = 0.05
_EXTRA_COLUMNS = 2
_PASSING = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_SCHEMA})


class _RefusedError(Exception):
    """The application changes its mind: its transaction is rolled back."""


class Writer:
    """
    One connection, and what is done with it.

    Args:
        path: the database.
        rng: decides about everything.
        kinds: the tables that it writes to.
        is_steady: makes small commits, and does nothing else.
    """

    def __init__(
        self, path: str, rng: random.Random, kinds: Sequence[Kind] = KINDS, *, is_steady: bool = False,
    ) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, timeout=5)
        # A small cache spills into the file long before the commit: a death leaves a journal that is hot.
        self._db.execute("PRAGMA cache_size = 20")
        self._rng = rng
        self._kinds = kinds
        self.done: Counter[str] = Counter()
        deeds: list[tuple[float, Callable[[], None]]] = [(60, self._write_some)]
        if not is_steady:
            deeds += [(4, self._write_many), (3, self._change_their_mind), (2, self._commit_late), (0.3, self._vacuum),
                      (2, self._checkpoint), (1, self._switch_journal), (0.5, self._add_column), (0.15, self._die)]
        self._weights, self._deeds = zip(*deeds, strict=True)

    def act(self) -> None:
        """One deed. Whoever is locked out leaves it."""
        deed = self._rng.choices(self._deeds, self._weights)[0]
        try:
            deed()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _PASSING and "no such" not in str(error):
                raise
            self.done["busy"] += 1
        except _RefusedError:
            self.done["rolled back"] += 1
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def close(self) -> None:
        self._db.close()

    # Transactions.

    def _transact(self, changes: int, *, hold_s: float = 0.0, now_s: float | None = None) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        rows = sum(self._change(self._rng.choice(self._kinds), now_s or time.time()) for _ in range(changes))
        time.sleep(hold_s)
        self._db.execute("COMMIT")
        self.done["commits"] += 1
        self.done["rows"] += rows

    def _write_some(self) -> None:
        self._transact(self._rng.choice((1, 1, 1, 2, 5)))

    def _write_many(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        kind = self._rng.choice((BY_NAME["large"], self._rng.choice(self._kinds)))
        rows = sum(self._change(kind, time.time()) for _ in range(self._rng.choice((50, 200, 800))))
        self._db.execute("COMMIT")
        self.done["commits"] += 1
        self.done["rows"] += rows

    def _commit_late(self) -> None:
        """Rows with the time at which the transaction began, or with a much older or a later one."""
        now_s = time.time() + self._rng.choice((0, 0, -3_000, -90_000, 3_600))
        self._transact(self._rng.randrange(1, 20), hold_s=self._rng.uniform(0.2, 2.5), now_s=now_s)

    def _change_their_mind(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        for _ in range(self._rng.randrange(1, 200)):
            self._change(self._rng.choice(self._kinds), time.time())
        time.sleep(self._rng.uniform(0, 0.5))
        raise _RefusedError

    def _die(self) -> None:
        """As by a crash, in the midst of a transaction that has spilled into the file already."""
        self._db.execute("BEGIN IMMEDIATE")
        for kind in (BY_NAME["large"], self._rng.choice(self._kinds)):
            self._db.execute(f"UPDATE {kind.name} SET v = 'never committed', n = ?", (self._rng.randrange(1000),))
        os.kill(os.getpid(), signal.SIGKILL)

    # Rows.

    def _change(self, kind: Kind, now_s: float) -> int:
        """One change of one row, or none; how many rows it has changed."""
        change = self._rng.choices((self._insert, self._update, self._silently, self._spoil, self._delete, self._rekey,
                                    self._renew), (8, 10, 4, 1, 5, 2, 2))[0]
        before = self._db.total_changes
        change(kind, now_s)
        return self._db.total_changes - before

    def _any_key(self, kind: Kind) -> Key:
        return self._rng.choice(kind.keys)

    def _loose_key(self, kind: Kind) -> Key:
        """One that is not kept."""
        return kind.keys[self._rng.randrange(kind.kept, len(kind.keys))]

    def _insert(self, kind: Kind, now_s: float, key: Key | None = None) -> None:
        row: Row = dict(zip(kind.key, key or self._loose_key(kind), strict=True)) | cells(self._rng, kind, now_s)
        self._db.execute(f"INSERT OR IGNORE INTO {kind.name} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
                         tuple(row.values()))

    def _set(self, kind: Kind, row: Row) -> None:
        assignments = ", ".join(f"{name} = ?" for name in row)
        values: tuple[Cell, ...] = (*row.values(), *self._any_key(kind))
        self._db.execute(f"UPDATE {kind.name} SET {assignments} WHERE {kind.where}", values)

    def _update(self, kind: Kind, now_s: float) -> None:
        self._set(kind, cells(self._rng, kind, now_s))

    def _silently(self, kind: Kind, now_s: float) -> None:
        """An update that leaves the time alone, or takes it away."""
        row = cells(self._rng, kind, now_s)
        del row["ts"]
        self._set(kind, row if self._rng.random() < 0.8 else {"ts": None})

    def _spoil(self, kind: Kind, now_s: float) -> None:
        column, value = self._rng.choice(WRONG)
        self._set(kind, {"ts": kind.stamp(now_s)} | {column: value})

    def _delete(self, kind: Kind, _now_s: float) -> None:
        self._db.execute(f"DELETE FROM {kind.name} WHERE {kind.where} AND kept = 0", self._loose_key(kind))

    def _rekey(self, kind: Kind, _now_s: float) -> None:
        assignments = ", ".join(f"{name} = ?" for name in kind.key)
        self._db.execute(f"UPDATE OR IGNORE {kind.name} SET {assignments} WHERE {kind.where} AND kept = 0",
                         (*self._loose_key(kind), *self._loose_key(kind)))

    def _renew(self, kind: Kind, now_s: float) -> None:
        """Delete a row and insert another one under its key."""
        key = self._loose_key(kind)
        self._db.execute(f"DELETE FROM {kind.name} WHERE {kind.where} AND kept = 0", key)
        self._insert(kind, now_s, key)

    # The file.

    def _vacuum(self) -> None:
        self._db.execute("VACUUM")
        self.done["vacuums"] += 1

    def _checkpoint(self) -> None:
        self._db.execute(f"PRAGMA wal_checkpoint({self._rng.choice(('PASSIVE', 'RESTART', 'TRUNCATE'))})").fetchall()
        self.done["checkpoints"] += 1

    def _switch_journal(self) -> None:
        mode = self._rng.choice(("DELETE", "WAL", "WAL", "TRUNCATE", "PERSIST"))
        self._db.execute(f"PRAGMA journal_mode = {mode}").fetchall()
        self.done["journal switches"] += 1

    def _add_column(self) -> None:
        kind = self._rng.choice(self._kinds)
        name = f"extra_{self._rng.randrange(_EXTRA_COLUMNS)}"
        default = self._rng.choice(("", " DEFAULT 'filled'"))
        with suppress(sqlite3.OperationalError):  # it is there already
            self._db.execute(f"ALTER TABLE {kind.name} ADD COLUMN {name} TEXT{default}")
            self.done["columns added"] += 1


class _Ending:
    def __init__(self) -> None:
        self.asked = False
        signal.signal(signal.SIGTERM, self._ask)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def _ask(self, _number: int, _frame: object) -> None:
        self.asked = True


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("db")
    parser.add_argument("--seed", required=True)
    parser.add_argument("--rate", type=float, help="so many single writes a second, and nothing else")
    parser.add_argument("--tables", help="their names, with commas between them")
    options = parser.parse_args()
    ending = _Ending()
    rng = random.Random(options.seed)
    kinds = [BY_NAME[name] for name in options.tables.split(",")] if options.tables else KINDS
    writer = Writer(options.db, rng, kinds, is_steady=options.rate is not None)
    told_s = 0.0
    until_s = pause_s = 0.0
    while not ending.asked:
        now_s = time.monotonic()
        if now_s >= until_s:
            pause_s = 1 / options.rate if options.rate else rng.choice((0.0, 0.02, 0.1, 0.3, -1.0))
            until_s = now_s + (rng.uniform(0.5, 3.0) if pause_s >= 0 else rng.uniform(1.0, 6.0))
        if now_s >= told_s + _TELL_S:
            told_s = now_s
            print(json.dumps(writer.done), flush=True)
        if pause_s >= 0:
            writer.act()
        time.sleep(pause_s if pause_s >= 0 else _NAP_S)
    writer.close()
    print(json.dumps(writer.done), flush=True)


if __name__ == "__main__":
    main()

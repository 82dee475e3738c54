"""Keys on disk, with fingerprints or with counts, for walks whose memory must not grow with the table."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self

_SCAN_ROWS = 5_000
_LOOKUP_KEYS = 500
_FILTER_BYTES = 1 << 23
_CACHE_KIB = 32 * 1024


class _File:
    """
    A file that nobody needs once the block is left.

    Its name is gone as soon as it is open: whatever becomes of the process, nothing of it stays.

    Args:
        folder: on whose disk it lies.
        schema: of its table.
    """

    def __init__(self, folder: Path, schema: str) -> None:
        with tempfile.TemporaryDirectory(prefix="compare-", dir=folder) as private:
            # A walk that was given up may be closed by whichever thread comes upon it.
            self._connection = sqlite3.connect(Path(private, "scratch.db"), isolation_level=None,
                                               check_same_thread=False)
            self._connection.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {schema}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()


class Scratch(_File):
    """
    Rows of one side of a comparison, crossed off as the other side shows them.

    Args:
        folder: where the file lives until the block is left.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "CREATE TABLE rows (key BLOB PRIMARY KEY, fingerprint INTEGER, source_key BLOB,"
                         " met INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID")

    def add(self, rows: Iterable[tuple[bytes, int | None, bytes | None]]) -> int:
        """
        Add (key, fingerprint, source key); a fingerprint of None is equal to any. The first of a key stays.

        Returns:
            How many were added.
        """
        with self._connection:
            self._connection.execute("BEGIN")
            return self._connection.executemany(
                "INSERT OR IGNORE INTO rows (key, fingerprint, source_key) VALUES (?, ?, ?)", rows
            ).rowcount

    def meet(self, keys: Sequence[bytes]) -> dict[bytes, tuple[int | None, bytes | None, bool]]:
        """For those keys that were added: fingerprint, source key, and whether it was met before. Crosses them off."""
        found: dict[bytes, tuple[int | None, bytes | None, bool]] = {}
        for start in range(0, len(keys), _LOOKUP_KEYS):
            portion = keys[start : start + _LOOKUP_KEYS]
            places = ",".join("?" * len(portion))
            rows = self._connection.execute(
                f"SELECT key, fingerprint, source_key, met FROM rows WHERE key IN ({places})", portion
            )
            found.update((key, (fingerprint, source_key, bool(met))) for key, fingerprint, source_key, met in rows)
            self._connection.execute(f"UPDATE rows SET met = 1 WHERE key IN ({places})", portion)
        return found

    def unmet(self) -> Iterator[tuple[bytes, bytes | None, int]]:
        """Key, source key and fingerprint of the rows that the other side did not show, in key order."""
        with closing(self._connection.execute(
            "SELECT key, source_key, fingerprint FROM rows WHERE met = 0 AND fingerprint IS NOT NULL ORDER BY key"
        )) as cursor:
            while rows := cursor.fetchmany(_SCAN_ROWS):
                yield from rows


class DigestCounts(_File):
    """
    How often each of some digests was met.

    Nearly all of them are new. A bit for each, in memory, tells most of those from the others without a look.

    Args:
        folder: where the file lives until the block is left.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, f"PRAGMA cache_size = -{_CACHE_KIB};"
                         "CREATE TABLE met (digest BLOB PRIMARY KEY, times INTEGER NOT NULL) WITHOUT ROWID")
        # Never committed: nobody else reads it, and what fits into the cache is never written.
        self._connection.execute("BEGIN")
        self._bits = bytearray(_FILTER_BYTES)

    def add(self, counts: Mapping[bytes, int]) -> dict[bytes, int]:
        """Count some more; tells how often each was met before, if ever."""
        fresh, doubtful = self._parted(counts)
        before: dict[bytes, int] = {}
        # In their order, neighbours share a page of the file.
        self._connection.executemany("INSERT INTO met VALUES (?, ?)", sorted(fresh))
        for start in range(0, len(doubtful), _LOOKUP_KEYS):
            portion = [digest for digest, _ in doubtful[start : start + _LOOKUP_KEYS]]
            places = ",".join("?" * len(portion))
            before.update(self._connection.execute(
                f"SELECT digest, times FROM met WHERE digest IN ({places})", portion))
        self._connection.executemany(
            "INSERT INTO met VALUES (?, ?) ON CONFLICT DO UPDATE SET times = times + excluded.times", doubtful)
        return before

    def _parted(self, counts: Mapping[bytes, int]) -> tuple[list[tuple[bytes, int]], list[tuple[bytes, int]]]:
        """Those that were surely not met before, and those that may have been."""
        fresh: list[tuple[bytes, int]] = []
        doubtful: list[tuple[bytes, int]] = []
        bits = self._bits
        # The bits of a page are set when all of it was looked at: a digest stands in it once, and another one that
        # shares its bit is new as well.
        places = [(digest, int.from_bytes(digest[:4], "big") % (8 * _FILTER_BYTES)) for digest in counts]
        for digest, place in places:
            chosen = doubtful if bits[place >> 3] >> (place & 7) & 1 else fresh
            chosen.append((digest, counts[digest]))
        for _, place in places:
            bits[place >> 3] |= 1 << (place & 7)
        return fresh, doubtful

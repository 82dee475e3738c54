"""
The compiled part, as ctypes sees it: `pages.h`, declared once more.

It is compiled where the package is built and a compiler is there, and serves every Python of that machine. It uses the
SQLite that Python's own `sqlite3` has loaded; where it can't be found in there, nothing is used, and pages are read by
rows.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from ctypes import POINTER, c_char_p, c_double, c_int32, c_int64, c_uint8, c_uint32, c_uint64, c_void_p
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

FILE = Path(__file__).with_name("libpages.so.0")


class CellType(IntEnum):
    """SQLite's numbers of its storage classes. Source: https://www.sqlite.org/c3ref/c_blob.html"""

    INTEGER = 1
    REAL = 2
    TEXT = 3
    BLOB = 4
    NULL = 5


class Outcome(IntEnum):
    """Of a call."""

    DONE = 0
    UNFIT = 1
    SQLITE_SAYS = 2
    NO_MEMORY = 3


class Kind(IntEnum):
    """What a cell may be, and how it goes onto the wire."""

    INT64 = 0
    DOUBLE = 1
    BOOL = 2
    TEXT = 3
    BYTES = 4
    INSTANT = 5


class NullRule(IntEnum):
    """What becomes of a NULL."""

    ABSENT = 0
    UNFIT = 1
    ZERO = 2


class _Content(ctypes.Union):
    _fields_: ClassVar[Sequence[tuple[str, type]]] = (
        ("integer", c_int64), ("real", c_double), ("offset", c_uint64), ("bytes", c_char_p))


class Cell(ctypes.Structure):
    """A value as SQLite has it."""

    _anonymous_ = ("content",)
    _fields_: ClassVar[Sequence[tuple[str, type]]] = (("type", c_int32), ("size", c_uint32), ("content", _Content))


class Query(ctypes.Structure):
    """A statement and what is bound to it."""

    _fields_: ClassVar[Sequence[tuple[str, type]]] = (
        ("sql", c_char_p), ("parameters", POINTER(Cell)), ("count", c_int32))


class Column(ctypes.Structure):
    """How a column goes onto the wire."""

    _fields_: ClassVar[Sequence[tuple[str, type]]] = (
        ("cell", c_int32), ("kind", c_int32), ("null_rule", c_int32), ("tag_size", c_int32), ("tag", c_uint8 * 8),
        ("unit_us", c_int64))


class Key(ctypes.Structure):
    """A part of the key."""

    _fields_: ClassVar[Sequence[tuple[str, type]]] = (("cell", c_int32), ("type", c_int32))


class Bytes(ctypes.Structure):
    """Bytes that grow."""

    _fields_: ClassVar[Sequence[tuple[str, type]]] = (("at", c_void_p), ("size", c_uint64), ("room", c_uint64))

    def copy(self) -> bytes:
        """What stands in them."""
        return ctypes.string_at(self.at, self.size) if self.size else b""


class PageStruct(ctypes.Structure):
    """A page: its cells, and what became of them."""

    _fields_: ClassVar[Sequence[tuple[str, type]]] = (
        ("why", c_char_p), ("column", c_int32), ("code", c_int32), ("rows", c_int64), ("width", c_int32),
        ("key_size", c_int32), ("connection", c_void_p), ("cells", Bytes), ("heap", Bytes), ("body", Bytes),
        ("row", Bytes), ("keys", Bytes),
        ("key_ends", Bytes), ("prints", Bytes), ("bounds", Bytes), ("ends", Bytes), ("column_texts", Bytes),
        ("column_ends", Bytes))


class ScanStruct(ctypes.Structure):
    """Which table, and how much of it."""

    _fields_: ClassVar[Sequence[tuple[str, type]]] = (
        ("uri", c_char_p), ("settings", c_char_p), ("rows", Query), ("behind", c_char_p), ("places", POINTER(c_int32)),
        ("place_count", c_int32), ("width", c_int32), ("most_rows", c_int64), ("most_bytes", c_int64),
        ("most_row_bytes", c_int64))


class EncodingStruct(ctypes.Structure):
    """How rows go onto the wire."""

    _fields_: ClassVar[Sequence[tuple[str, type]]] = (
        ("columns", POINTER(Column)), ("count", c_int32), ("keys", POINTER(Key)), ("key_count", c_int32),
        ("is_staged", c_int32), ("first_sequence", c_int64), ("most_row_bytes", c_int64))


if TYPE_CHECKING:
    PagePointer = ctypes._Pointer[PageStruct]  # noqa: SLF001 - there is no other name for it
else:
    PagePointer = POINTER(PageStruct)


def library_or_fail() -> ctypes.CDLL:
    """
    The compiled part.

    Raises:
        RuntimeError: it is not there: `library` tells before.
    """
    found = library()
    if found is None:
        raise RuntimeError(f"{FILE.name} can't be used here")
    return found


@cache
def library() -> ctypes.CDLL | None:
    """The compiled part; None where it is not there, or finds no SQLite that it may use."""
    try:
        import _sqlite3

        made_ns = FILE.stat().st_mtime_ns
        if any(source.stat().st_mtime_ns > made_ns for source in FILE.parent.glob("*.[ch]")):
            return None  # in a checkout, sources that are newer
        found = ctypes.CDLL(str(FILE))
        sqlite = _sqlite3.__file__
        found.bqsync_size_of.argtypes = (c_int32,)
    except (OSError, ImportError, AttributeError):
        return None  # AttributeError: it is a part of the interpreter, or made of other sources
    structures = (Cell, Query, Column, Key, Bytes, PageStruct, ScanStruct, EncodingStruct)
    if [found.bqsync_size_of(number) for number in range(len(structures) + 1)] != [*map(ctypes.sizeof, structures), 0]:
        return None  # made of other sources
    page = POINTER(PageStruct)
    found.bqsync_use.argtypes, found.bqsync_use.restype = (c_char_p,), c_char_p
    found.bqsync_page.argtypes, found.bqsync_page.restype = (), page
    found.bqsync_free.argtypes, found.bqsync_free.restype = (page,), None
    found.bqsync_scan.argtypes = (page, POINTER(ScanStruct))
    found.bqsync_close.argtypes, found.bqsync_close.restype = (page,), None
    found.bqsync_empty.argtypes, found.bqsync_empty.restype = (page,), None
    found.bqsync_encode.argtypes = (page, POINTER(EncodingStruct))
    found.bqsync_texts.argtypes = (page, c_int32)
    found.bqsync_replace.argtypes = (page, c_int32, POINTER(Cell), c_char_p, c_uint64)
    found.bqsync_xxh3.argtypes, found.bqsync_xxh3.restype = (c_char_p, c_uint64), c_uint64
    return found if found.bqsync_use(os.fsencode(sqlite)) is None else None

"""Cells of a page as values of Python, and values as cells."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import POINTER

from bqsync.model import SqlValue, WireValue
from bqsync.native.library import Cell, CellType, Outcome, PagePointer, PageStruct, library_or_fail

_TEXTS = (CellType.TEXT, CellType.BLOB)


def value_at(page: PageStruct, row: int, column: int) -> SqlValue:
    """One value. A text that is no UTF-8 keeps its bytes, as `capture` has it."""
    cell = ctypes.cast(page.cells.at, POINTER(Cell))[row * page.width + column]
    if cell.type == CellType.INTEGER:
        return int(cell.integer)
    if cell.type == CellType.REAL:
        return float(cell.real)
    if cell.type == CellType.NULL:
        return None
    content = ctypes.string_at(page.heap.at + cell.offset, cell.size) if cell.size else b""
    return content.decode("utf-8", "surrogateescape") if cell.type == CellType.TEXT else content


def column_values(pointer: PagePointer, column: int) -> list[SqlValue]:
    """
    The values of a column.

    Raises:
        UnicodeDecodeError: one of them is a text, but no UTF-8.
        MemoryError: there is none for them.
    """
    page = pointer.contents
    if library_or_fail().bqsync_texts(pointer, column) != Outcome.DONE:
        raise MemoryError
    texts = page.column_texts.copy()
    ends = memoryview(page.column_ends.copy()).cast("I")
    cells = ctypes.cast(page.cells.at, POINTER(Cell))
    values: list[SqlValue] = []
    begin = 0
    for at, end in zip(range(column, page.rows * page.width, page.width), ends, strict=True):
        kind = cells[at].type
        if kind == CellType.TEXT:
            values.append(texts[begin:end].decode())
        elif kind == CellType.NULL:
            values.append(None)
        elif kind == CellType.BLOB:
            values.append(texts[begin:end])
        else:
            values.append(cells[at].integer if kind == CellType.INTEGER else cells[at].real)
        begin = end
    return values


def replace_column(pointer: PagePointer, column: int, values: Sequence[WireValue]) -> None:
    """
    Put other values into a column.

    Raises:
        MemoryError: there is none for them.
    """
    cells, heap = cells_of(values)
    if library_or_fail().bqsync_replace(pointer, column, cells, heap, len(heap)) != Outcome.DONE:
        raise MemoryError


def cells_of(values: Sequence[WireValue]) -> tuple[ctypes.Array[Cell], bytes]:
    """Cells, and the heap in which their texts stand one after the other."""
    cells = (Cell * len(values))()
    heap: list[bytes] = []
    offset = 0
    for cell, value in zip(cells, values, strict=True):
        if value is None:
            cell.type = CellType.NULL
        elif isinstance(value, float):
            cell.type, cell.real = CellType.REAL, value
        elif isinstance(value, int):
            cell.type, cell.integer = CellType.INTEGER, value
        else:
            content = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
            cell.type = CellType.TEXT if isinstance(value, str) else CellType.BLOB
            cell.size, cell.offset = len(content), offset
            heap.append(content)
            offset += len(content)
    return cells, b"".join(heap)


def parameters_of(values: Sequence[SqlValue]) -> tuple[ctypes.Array[Cell], list[bytes]]:
    """Cells to be bound to a statement, and what they point at: to be kept as long as they are."""
    kept: list[bytes] = []
    cells = (Cell * max(1, len(values)))()
    for cell, value in zip(cells, values, strict=False):
        (one,), heap = cells_of([value])
        cell.type, cell.size = one.type, one.size
        if one.type in _TEXTS:
            kept.append(heap)
            cell.bytes = heap
        else:
            cell.integer = one.integer
    return cells, kept


"""
The pages of a table, read and encoded by compiled code.

Each page is believed only after its first and its last row were encoded the other way as well, with the same result.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from ctypes import byref, c_int32
from dataclasses import dataclass
from datetime import tzinfo

from bqsync.capture.connections import settings
from bqsync.capture.order import Order
from bqsync.capture.page_sql import page_query
from bqsync.encode.rejection import Rejected
from bqsync.encode.rows import MAX_ROW_BYTES, RowEncoder
from bqsync.errors import BqsyncError
from bqsync.model import EncodedPage, SqlValue, TableSpec, TargetType
from bqsync.native.cells import column_values, parameters_of, replace_column, value_at
from bqsync.native.library import EncodingStruct, Outcome, PageStruct, Query, ScanStruct, library_or_fail
from bqsync.native.offer import UnfitError
from bqsync.native.plan import Plan

_LEFT_AS_THEY_ARE = (TargetType.JSON,)
"""A text that can be delivered is delivered as it is."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """A page that was read, and is to be encoded."""

    rows: int
    place: tuple[SqlValue, ...]
    """Of the last row, by its values of the order."""


class NativeReader:
    """
    Reads the pages of one table, for one thread.

    Args:
        spec: the mapping; see `offer.can_read`.
        zone: meaning of ISO timestamps without an offset.
        order: of the table's pages.
    """

    def __init__(self, spec: TableSpec, zone: tzinfo, order: Order) -> None:
        self._library = library_or_fail()
        self._spec, self._order = spec, order
        self._encoder = RowEncoder(spec, zone)
        self._plan = Plan(spec, zone)
        names = [column.source_name for column in spec.columns]
        places = [term.name for term in order]
        self._columns = (*names, *(name for name in places if name not in names))
        self._places = tuple(self._columns.index(name) for name in places)
        behind = page_query(spec.source_name, places, spec.key, [0] * len(places), 1, order=order)
        self._behind = behind.sql.encode()
        self._place_numbers = (c_int32 * len(places))(*self._places)
        self._settings = "; ".join((*settings(), "BEGIN")).encode()
        self._page = self._library.bqsync_page()
        if not self._page:
            raise MemoryError
        self._took_s = 0.0

    def __del__(self) -> None:
        if getattr(self, "_page", None):
            self._library.bqsync_free(self._page)

    def scan(self, uri: str, after: Sequence[SqlValue] | None, most_rows: int, most_bytes: int) -> Scanned | None:
        """
        Read a page in one transaction. The file stays open, and locked, until `close`.

        Args:
            uri: how to open the file.
            after: the place behind which the page begins.
            most_rows: of the page.
            most_bytes: of texts and blobs, and of all else about; one row more may come.

        Returns:
            None where no row is left.

        Raises:
            UnfitError: the page has to be read by rows.
        """
        began_s = time.thread_time()
        query = page_query(self._spec.source_name, self._columns, self._spec.key, after, most_rows + 1,
                           order=self._order)
        parameters, kept = parameters_of(query.parameters)
        outcome = self._library.bqsync_scan(self._page, byref(ScanStruct(
            uri=uri.encode("utf-8", "surrogateescape"), settings=self._settings,
            rows=Query(query.sql.encode(), parameters, len(query.parameters)), behind=self._behind,
            places=self._place_numbers, place_count=len(self._places), width=len(self._columns), most_rows=most_rows,
            most_bytes=most_bytes, most_row_bytes=MAX_ROW_BYTES)))
        del kept
        self._require_done(outcome)
        page: PageStruct = self._page.contents
        self._took_s = time.thread_time() - began_s
        if not page.rows:
            return None
        return Scanned(page.rows, tuple(value_at(page, page.rows - 1, at) for at in self._places))

    def close(self) -> None:
        """Close the file. What was read is kept."""
        self._library.bqsync_close(self._page)

    def encode(self, first_sequence: int | None) -> EncodedPage:
        """
        Encode the page that was read last.

        Args:
            first_sequence: sequence number of its first row, for rows as they are staged; None for their data alone.

        Raises:
            UnfitError: a row of it can't be delivered, or nobody can tell.
        """
        began_s = time.thread_time()
        page: PageStruct = self._page.contents
        firsts = [self._values(row) for row in (0, page.rows - 1)]
        self._convert()
        plan = self._plan
        self._require_done(self._library.bqsync_encode(self._page, byref(EncodingStruct(
            columns=plan.columns, count=len(plan.columns), keys=plan.keys, key_count=len(plan.keys),
            is_staged=first_sequence is not None, first_sequence=first_sequence or 0, most_row_bytes=MAX_ROW_BYTES))))
        encoded = self._encoded(page, first_sequence or 0, self._took_s + time.thread_time() - began_s)
        if encoded.rows((0, len(encoded) - 1)) != list(map(self._encoder.encode, firsts)):
            raise UnfitError("the two ways to encode a row differ")
        return encoded

    def _values(self, row: int) -> list[SqlValue]:
        return [value_at(self._page.contents, row, at) for at in range(len(self._spec.columns))]

    def _convert(self) -> None:
        for at, encoder in self._plan.converted.items():
            column = self._spec.columns[at]
            try:
                wires = encoder.wire(column_values(self._page, at)).values
                if column.target_type not in _LEFT_AS_THEY_ARE:
                    replace_column(self._page, at, wires)
            except (Rejected, BqsyncError, ValueError, OverflowError, MemoryError):
                raise UnfitError(f"values that can't be delivered in column {column.source_name}") from None

    def _encoded(self, page: PageStruct, first_sequence: int, took_s: float) -> EncodedPage:
        keys = page.keys.copy()
        loose: list[bytes] = []
        if not page.key_size:
            ends = memoryview(page.key_ends.copy()).cast("I")
            loose = [keys[begin:end] for begin, end in zip((0, *ends[:-1]), ends, strict=True)]
        return EncodedPage(
            key_bytes=page.key_size, packed_keys=b"" if loose else keys, loose_keys=loose, prints=page.prints.copy(),
            body=page.body.copy(), bounds=page.bounds.copy(), ends=page.ends.copy(), first_sequence=first_sequence,
            took_s=took_s)

    def _require_done(self, outcome: int) -> None:
        if outcome == Outcome.DONE:
            return
        page: PageStruct = self._page.contents
        why = "there is no memory for it"
        if outcome == Outcome.UNFIT:
            why = page.why.decode() + (f" in column {self._columns[page.column]}" if page.column >= 0 else "")
        elif outcome == Outcome.SQLITE_SAYS:
            why = f"SQLite's error {page.code} ({sqlite3.sqlite_version})"
        self._library.bqsync_empty(self._page)
        raise UnfitError(why)

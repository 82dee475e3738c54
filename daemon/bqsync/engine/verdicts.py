"""The rows of one walk that can't be delivered: what is noted of them, what is logged, and when they are too many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from bqsync.engine.chunk import Chunk
from bqsync.engine.lane import Lane
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import CycleOutcome, EncodedRow, Reason, RejectedRow
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger
from bqsync.state.quarantine import QuarantineEntry

_log = get_logger()

FLOOD_ROWS = 1_000
FLOOD_FRACTION = 0.1
"""More than so many rows and such a part of a table in quarantine is a wrong mapping, not bad rows."""


class Verdicts:
    """
    Verdicts on rows, until the walk ends.

    Args:
        lane: of the table.
        outcome: of the cycle.
        met: source keys of the rows that were rejected in this cycle, by its passes and its sweep.
    """

    def __init__(self, lane: Lane, outcome: CycleOutcome, met: set[bytes]) -> None:
        self._lane = lane
        self._outcome = outcome
        self._news: Counter[tuple[str, Reason]] = Counter()
        self._recovered: set[bytes] = set()
        self.met = met

    def reject(self, row: RejectedRow, entry: QuarantineEntry | None, chunk: Chunk) -> None:
        """Note a row that can't be delivered, unless that very verdict is known."""
        if row.source_key in self.met:
            return  # rows alike to the last cell, NULLs in their keys
        self.met.add(row.source_key)
        if entry is None or (entry.fingerprint, entry.mapping_version, entry.reason) != (
            row.fingerprint, self._lane.mapping_version, row.reason
        ):
            chunk.reject(row)
            self._news[row.column, row.reason] += 1

    def recover(self, source_key: bytes, chunk: Chunk) -> None:
        """Note that a row leaves the quarantine: it can be delivered, or has left the source."""
        self.met.discard(source_key)
        chunk.recover(source_key)
        self._recovered.add(source_key)

    def is_refused(self, row: EncodedRow, waiting: Mapping[bytes, QuarantineEntry]) -> bool:
        """Whether BigQuery has refused this very version of the row in an earlier cycle."""
        entry = waiting.get(row.owner)
        return (
            entry is not None and entry.reason is Reason.REFUSED_BY_BIGQUERY
            and entry.fingerprint == row.fingerprint and entry.mapping_version == self._lane.mapping_version
        )

    def check_flood(self, rows_in_table: int, chunk: Chunk) -> None:
        """
        Stop the table where too many of its rows can't be delivered.

        Raises:
            BqsyncError: QUARANTINE_FLOOD.
        """
        rows = len(self.met)
        if rows <= FLOOD_ROWS or rows <= FLOOD_FRACTION * rows_in_table:
            return
        table = self._outcome.table
        chunk.note_rejected(FLOOD_ROWS)
        raise BqsyncError(
            ErrorKind.QUARANTINE_FLOOD, what=f"{rows} of {rows_in_table} rows of table {table} can't be delivered",
            why="so many rows in quarantine mean a wrong mapping, not bad rows; the table is stopped",
            fix="`bqsync quarantine` lists columns and reasons; correct `types`, `timestamps` or the message of "
            f"the [[tables]] entry of {table}",
        )

    def report(self) -> None:
        """Log what has been committed, once; rows of one cause share a line."""
        for (column, reason), rows in self._news.items():
            self._outcome.rows_quarantined += rows
            _log.warning(Event.ROW_QUARANTINED, table=self._outcome.table, column=column, reason=reason.value,
                         rows=rows)
        self._news.clear()
        if self._recovered:
            _log.info(Event.QUARANTINE_RECOVERED, table=self._outcome.table, rows=len(self._recovered))
            self._recovered.clear()

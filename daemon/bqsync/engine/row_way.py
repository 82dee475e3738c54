"""Which pass or sweep comes upon a row: its place beside the watermarks, and when the next sweep is due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bqsync.capture.pages import Row, TableReader
from bqsync.config import TableSection
from bqsync.encode.rows import RowEncoder
from bqsync.engine.contents import ContentReader
from bqsync.engine.plan import mapping_version
from bqsync.engine.row_columns import instant_text
from bqsync.engine.schedule import Facts, SweepMode, outlook
from bqsync.engine.sentences import Way
from bqsync.engine.session import Session
from bqsync.engine.tracked import Counted, Tracked
from bqsync.engine.watermarks import WatermarkBook
from bqsync.model import SweepPolicy
from bqsync.state.ledger import Ledger
from bqsync.state.tables import TableState


@dataclass(frozen=True, slots=True, kw_only=True)
class WatermarkPlace:
    """A row beside one watermark. Unix microseconds; of a column that SQLite counts up, the number itself."""

    column: str
    is_counted: bool
    reached: int | None
    """Up to where the column is dealt with."""
    begins: int | None
    """From where on the next pass reads; None: from the beginning."""
    row: int | None
    """Of the row; None where its value tells nothing."""
    is_in_range: bool
    """The next pass reads the row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowWay:
    """What finds a row, and when."""

    way: Way
    watermarks: tuple[WatermarkPlace, ...]
    unfit: Mapping[str, str]
    due_us: int
    now_us: int

    @property
    def due_text(self) -> str:
        """When the next sweep may begin, in words."""
        return "now" if self.due_us <= self.now_us else instant_text(self.due_us)


def way_of_row(
    session: Session, section: TableSection, encoder: RowEncoder, reader: TableReader, state: TableState,
    *, row: Row | None,
) -> RowWay:
    """
    Find the way of a row; of one that has left the source, it is the next sweep.

    Args:
        session: open source and state.
        section: the table's configuration.
        encoder: of the table.
        reader: of the table.
        state: of the table.
        row: in the source; None where it is not there.
    """
    overlap_us = int(session.config.sync.overlap_s * 1_000_000)
    book = WatermarkBook(session.source, encoder.spec, _usable(section, encoder, reader), reader, state,
                         zone=session.zone, overlap_us=overlap_us)
    tracked, now_us = book.tracked(), session.now_us()
    places = tuple(_place(item, row, now_us, overlap_us) for item in tracked)
    if any(place.is_in_range for place in places):
        way = Way.WATERMARK
    elif section.sweep is SweepPolicy.OFF:
        way = Way.NOTHING
    else:
        way = Way.SWEEP if places else Way.CYCLE
    return RowWay(way=way, watermarks=places, unfit=book.unfit(), now_us=now_us,
                  due_us=_due_us(session, section, encoder, state, tracked=tracked, now_us=now_us))


def _usable(section: TableSection, encoder: RowEncoder, reader: TableReader) -> tuple[str, ...]:
    """The watermark columns that a cycle would look at: see `TableCycle`."""
    if not reader.key_is_unique:
        return ()
    if not isinstance(reader, ContentReader):
        return section.watermark
    known = {column.source_name.lower() for column in encoder.spec.columns[: reader.known_by]}
    return tuple(name for name in section.watermark if name.lower() in known)


def _place(item: Tracked, row: Row | None, now_us: int, overlap_us: int) -> WatermarkPlace:
    reached_us = None if item.reached is None else item.reached.instant_us
    begins_us = None if reached_us is None else min(reached_us, item.limit_us(now_us)) - item.overlap_us(overlap_us)
    value = None if row is None else row[item.position]
    return WatermarkPlace(
        column=item.column, is_counted=isinstance(item, Counted), reached=reached_us, begins=begins_us,
        row=item.instant_us(value), is_in_range=row is not None and value in item.rows_from(begins_us),
    )


def _due_us(
    session: Session, section: TableSection, encoder: RowEncoder, state: TableState, *,
    tracked: list[Tracked], now_us: int,
) -> int:
    request = state.sweep_request()
    ahead = outlook(Facts(
        mode=SweepMode.DUE, sweeps_off=section.sweep is SweepPolicy.OFF, has_watermark=bool(tracked),
        is_indexed=all(item.is_indexed for item in tracked), is_first_copy=Ledger(
            session.store, state.table_id).is_empty(),
        is_asked=request.is_due or request.swept_mapping not in (None, mapping_version(encoder.spec, session.zone)),
        changed_since_sweep=True, changed_since_pass=True, last_sweep_us=request.last_sweep_us,
        last_walk=request.last_walk, last_pass=request.last_pass, now_us=now_us,
        sweep_interval_us=int(session.config.sweep_interval_s(section) * 1_000_000),
        duty=session.config.sync.sweep_duty,
    ))
    due_us = ahead.due_us if tracked else ahead.change_us
    return due_us or 0

"""Which columns of `bqsync status --watch` fit a terminal, and what stands in them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.text import Text

from bqsync.errors import one_line
from bqsync.observe.amounts import short_span
from bqsync.observe.lag_trace import STEPS
from bqsync.observe.moments import ago
from bqsync.observe.report import TableStatus
from bqsync.observe.snapshot import Snapshot
from bqsync.observe.sparkline import sparkline
from bqsync.observe.standing import SIGNS, Kind, lag_words, table_words

GAP = 2
"""Between two columns."""
_LEAST_CHART, _WIDEST_CHART = 8, STEPS // 4
_LONGEST_NAME, _LEAST_NAME = 40, 8
STYLES: dict[Kind, str] = {"good": "green", "warn": "yellow", "bad": "bold red"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column, with a cell for each table."""

    heading: str
    cells: Sequence[Text]
    is_number: bool = False

    @property
    def width(self) -> int:
        """Characters that it takes."""
        return max(len(self.heading), *(cell.cell_len for cell in self.cells))


def fitting(snapshot: Snapshot, tables: Sequence[TableStatus], width: int) -> list[Column]:
    """
    As many columns as have room, the most wanted ones first. Name and state stay; the chart takes what is left.

    Args:
        snapshot: of which the tables are a part.
        tables: one at least.
        width: of the terminal.
    """
    name, state, *others = _columns(snapshot, tables)
    chosen: list[Column] = []
    room = width - state.width - GAP - min(name.width, _LONGEST_NAME)
    has_chart = False
    for column in others:
        if column.width + GAP > room:
            break
        chosen.append(column)
        room -= column.width + GAP
        if len(chosen) == 1 and snapshot.history.tables and room >= _LEAST_CHART + GAP:
            has_chart, room = True, room - _LEAST_CHART - GAP
    if has_chart:
        chosen.insert(1, _chart(snapshot, tables, min(_WIDEST_CHART, _LEAST_CHART + room)))
    longest = max(_LEAST_NAME, min(_LONGEST_NAME, width - state.width - GAP))
    for cell in name.cells:
        cell.truncate(longest, overflow="ellipsis")
    return [name, state, *chosen]


def _columns(snapshot: Snapshot, tables: Sequence[TableStatus]) -> Iterator[Column]:
    now_us = snapshot.taken_us
    yield Column("table", [Text(one_line(table.name)) for table in tables])
    yield Column("", [_state(table) for table in tables])
    yield Column("lag", [Text(lag_words(table)) for table in tables], is_number=True)
    yield Column("last success", [Text(ago(table.last_success_us, now_us)) for table in tables], is_number=True)
    yield Column("rows", [Text(f"{table.rows:,}") for table in tables], is_number=True)
    yield Column("quarantine", [Text(f"{table.quarantined:,}") for table in tables], is_number=True)
    if snapshot.history.tables:
        yield Column("last cycle", [Text(_last_cycle(snapshot, table)) for table in tables])


def _state(table: TableStatus) -> Text:
    kind, words = table_words(table)
    return Text(f"{SIGNS[kind]} {words}", style=STYLES[kind])


def _chart(snapshot: Snapshot, tables: Sequence[TableStatus], width: int) -> Column:
    heading = "lag, last hour" if width >= len("lag, last hour") else "1 h"
    return Column(heading, [Text(sparkline(snapshot.table(table.name).lag_s, width), style="cyan") for table in tables])


def _last_cycle(snapshot: Snapshot, table: TableStatus) -> str:
    cycles = snapshot.table(table.name).cycles
    if not cycles:
        return ""
    last = cycles[0]
    when = ago(last.ended_us, snapshot.taken_us)
    if last.code is not None:
        return f"{last.code}, {when}"
    return f"+{last.rows_upserted:,} -{last.rows_deleted:,} in {short_span(last.duration_s)}, {when}"

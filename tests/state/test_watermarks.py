"""What a watermark column is, is decided once; up to where it was dealt with moves with what was dealt with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.state.entries import delivering, delivery

from bqsync.model import SqlValue, TimestampFormat, Watermark
from bqsync.state.chunk_commit import ChunkCommit
from bqsync.state.ledger import Ledger
from bqsync.state.store import Store
from bqsync.state.tables import TableState
from bqsync.state.watermarks import WatermarkColumn, Watermarks

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def marks(table: TableState) -> Watermarks:
    return Watermarks(table.store, table.table_id)


def decided(column: str = "at", *, reached: Watermark | None = None, unfit: str | None = None,
            form: str | None = None) -> WatermarkColumn:
    fmt = None if unfit else TimestampFormat.UNIX_MILLIS
    return WatermarkColumn(column=column, timestamp_format=fmt, form=form, unfit=unfit, reached=reached)


def mark(value: SqlValue, instant_us: int, column: str = "at") -> Watermark:
    return Watermark(column=column, source_value=value, instant_us=instant_us)


def test_nothing_is_decided_at_first(marks: Watermarks) -> None:
    assert marks.columns() == {}


def test_what_was_decided_stands(marks: Watermarks, state_path: Path, table: TableState) -> None:
    columns = [decided(), decided("b", unfit="two forms"), decided("c", form="####-##-##", reached=mark("x", 5, "c"))]
    for column in columns:
        marks.decide(column)
    table.store.close()
    later = Store(state_path)
    again = Watermarks(later, TableState(later, later.source_id("app"), "things").table_id)
    assert again.columns() == {column.column: column for column in columns}
    later.close()


@pytest.mark.parametrize("value", [5, 2**63 - 1, -(2**63), 0.1, 1e300, "2024-01-01", "", b"\x00\xff"])
def test_the_value_of_the_source_is_kept_as_it_is(marks: Watermarks, value: SqlValue) -> None:
    marks.decide(decided(reached=mark(value, 7)))
    reached = marks.columns()["at"].reached
    assert reached == mark(value, 7)
    assert type(reached.source_value) is type(value)
    marks.set_back(mark(value, 6))
    reached = marks.columns()["at"].reached
    assert reached is not None
    assert (reached.instant_us, reached.source_value) == (6, value)
    assert type(reached.source_value) is type(value)


def test_a_commit_moves_its_columns_and_no_others(marks: Watermarks, ledger: Ledger) -> None:
    marks.decide(decided(reached=mark(1, 1)))
    marks.decide(decided("b", reached=mark(1, 1, "b")))
    chunk = delivering([delivery(b"k")])
    chunk.watermarks = {"at": mark(9, 9)}
    ledger.commit(chunk, "v1")
    columns = marks.columns()
    assert (columns["at"].reached, columns["b"].reached) == (mark(9, 9), mark(1, 1, "b"))
    assert columns["at"].timestamp_format is TimestampFormat.UNIX_MILLIS, "what the column is, stays"
    ledger.commit(ChunkCommit(watermarks={"at": mark(10, 10)}), "v1")
    assert marks.columns()["at"].reached == mark(10, 10)


def test_a_column_that_nothing_was_decided_about_is_not_moved(marks: Watermarks, ledger: Ledger) -> None:
    ledger.commit(ChunkCommit(watermarks={"at": mark(9, 9)}), "v1")
    assert marks.columns() == {}


def test_to_forget_is_to_decide_anew(marks: Watermarks, store: Store) -> None:
    other = Watermarks(store, TableState(store, store.source_id("app"), "others").table_id)
    for one in (marks, other):
        one.decide(decided(reached=mark(1, 1)))
    marks.forget()
    assert marks.columns() == {}
    assert other.columns().keys() == {"at"}, "of this table alone"
    marks.decide(decided(unfit="no"))
    assert marks.columns()["at"] == decided(unfit="no")

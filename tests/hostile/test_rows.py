"""Staged rows and their envelopes, read off the wire."""

from __future__ import annotations

import pytest
from tests.encode.specs import accepted, column, table
from tests.hostile.actions import Method, Reset, When
from tests.hostile.proxy import HostileBigQuery
from tests.hostile.rows import StagedRow, staged_row
from tests.workbench import Workbench

from bqsync.encode.rows import RowEncoder
from bqsync.model import TargetType

ENCODER = RowEncoder(table(
    column("id", TargetType.INT64), column("v"), column("x", TargetType.FLOAT64), column("b", TargetType.BYTES)))


@pytest.mark.parametrize("row", [(1, "text", 1.5, b"\0\xff"), (-1, None, None, None), (2**63 - 1, "", 0.0, b"")])
@pytest.mark.parametrize("sequence", [0, 127, 128, 2**40])
def test_envelope_and_data_are_told_apart(row: tuple[int, str, float, bytes], sequence: int) -> None:
    encoded = accepted(ENCODER, row)
    assert staged_row(ENCODER.stage_upsert(encoded, sequence)) == StagedRow(encoded.key, "U", sequence, encoded.row)
    deleted = staged_row(ENCODER.stage_delete(encoded.key, sequence))
    assert (deleted.key, deleted.operation, deleted.sequence) == (encoded.key, "D", sequence)
    assert encoded.row.startswith(deleted.data), "the key columns alone"


@pytest.mark.parametrize("broken", [b"", b"\x0a\x05ab", b"\x80", b"\x0b", accepted(ENCODER, (1, "", 0.0, b"")).row])
def test_what_is_no_staged_row_is_told(broken: bytes) -> None:
    with pytest.raises(ValueError, match=r"envelope|ends|wire"):
        staged_row(broken)


def test_what_a_cycle_appends_and_merges_is_on_record(hostile_bench: Workbench, hostile: HostileBigQuery) -> None:
    hostile_bench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)",
                       ("INSERT INTO t VALUES (?, ?)", [(1, "one"), (2, "two")]))
    hostile_bench.configure('[[tables]]\nname = "t"')
    # The lost answer has them sent twice; they are there once.
    hostile.rule(Method.APPEND_ROWS, Reset(When.AFTER), times=1)
    assert hostile_bench.sync()["t"].error is None
    assert len(hostile.matching(Method.APPEND_ROWS)) == 2
    assert [staged_row(appended.row).operation for appended in hostile.appended] == ["U", "U"]
    assert [appended.offset for appended in hostile.appended] == [0, 1]

    hostile_bench.db.execute("DELETE FROM t WHERE id = 2")
    hostile_bench.sync()
    assert [staged_row(appended.row).operation for appended in hostile.appended] == ["U", "U", "D"]
    assert len({appended.table for appended in hostile.appended}) == 2
    assert [text.split()[0] for text in hostile.merges] == ["MERGE", "MERGE"]

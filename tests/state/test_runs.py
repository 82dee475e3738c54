"""Rows of the ledger that came together are packed, and nobody can tell: every answer is that of single rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.properties import COSTLY
from tests.state.entries import EVERY_SLOT, given_slots, keys, known
from tests.state.targets import target_of

from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import Delivery, LedgerEntry, Run, run_of
from bqsync.state.chunk_commit import ChunkCommit
from bqsync.state.slots import SPARSE_SLOTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bqsync.state.ledger import Ledger
    from bqsync.state.store import Store

KEYS = 400
"""Of the table of the property: so few that whatever happens meets what happened before."""


def key(number: int) -> bytes:
    return number.to_bytes(4, "big")


def packed(numbers: Iterable[int], prints: Iterable[int], *, with_sources: bool = False) -> Run:
    found = run_of([Delivery(key(number), fingerprint, None, fingerprint + 1 if with_sources else None)
                    for number, fingerprint in zip(numbers, prints, strict=False)])
    assert found is not None
    return found


def packed_rows(store: Store) -> int:
    with store.transaction() as connection:
        return int(connection.exec_driver_sql("SELECT coalesce(sum(rows), 0) FROM runs").scalar_one())


def test_a_run_answers_as_its_rows_would(store: Store, ledger: Ledger) -> None:
    run = packed(range(0, 4_000, 2), range(2_000), with_sources=True)
    (slots,) = (list(group) for group in ledger.commit(ChunkCommit(runs=[run]), "v1") if group)
    assert (slots, packed_rows(store), ledger.is_empty(), ledger.count()) == (list(range(2_000)), 2_000, False, 2_000)
    assert ledger.count(700) == 700
    assert known(ledger, [key(0), key(1), key(2_000), key(3_998), key(4_000)]) == {
        key(2 * at): LedgerEntry(key(2 * at), at, at, at + 1, None) for at in (0, 1_000, 1_999)}
    assert len(known(ledger, map(key, range(4_000)))) == 2_000
    assert keys(ledger) == run.all_keys()
    assert [row.slot for portion in ledger.scan(700) for row in portion] == list(range(700))
    assert ledger.partitions([key(2)])[key(2)] is None


def test_a_row_of_a_run_is_changed_alone(store: Store, ledger: Ledger) -> None:
    ledger.commit(ChunkCommit(runs=[packed(range(2_000), range(2_000))]), "v1")
    (kept,) = ledger.commit(ChunkCommit(delivered={key(1_500): Delivery(key(1_500), -7, None, 3)},
                                        deleted=[key(3)], refreshed=[(key(900), 42)]), "v1")[-1]
    assert kept == 1_500
    assert known(ledger, map(key, (3, 900, 1_499, 1_500))) == {
        key(900): LedgerEntry(key(900), 900, 900, 42, None),
        key(1_499): LedgerEntry(key(1_499), 1_499, 1_499, None, None),
        key(1_500): LedgerEntry(key(1_500), -7, 1_500, 3, None)}
    assert (ledger.count(), packed_rows(store)) == (1_999, 1_994), "three rows at the beginning are not worth a run"
    assert keys(ledger) == [key(number) for number in range(2_000) if number != 3]


def test_a_run_that_meets_other_rows_becomes_single_rows(store: Store, ledger: Ledger) -> None:
    ledger.commit(ChunkCommit(runs=[packed(range(0, 200, 2), range(100))]), "v1")
    places = given_slots(ledger.commit(ChunkCommit(runs=[packed(range(100, 300), range(200))]), "v1"))
    assert places == [*(slot for at in range(50) for slot in (50 + at, 100 + at)), *range(150, 250)]
    assert (ledger.count(), len(known(ledger, map(key, range(300))))) == (250, 250)


def test_slots_of_runs_are_numbered_anew_with_the_others(store: Store, ledger: Ledger) -> None:
    ledger.commit(ChunkCommit(runs=[packed(range(100), range(100))]), "v1")
    ledger.commit(ChunkCommit(delivered={key(5): Delivery(key(5), 1, None, 1)}), "v1")
    with store.transaction() as connection:
        connection.exec_driver_sql("UPDATE runs SET first_slot = first_slot + 1")
        connection.exec_driver_sql(f"UPDATE tables SET next_slot = {SPARSE_SLOTS}")
    assert ledger.begin_sweep() == 100
    found = [row.slot for portion in ledger.scan(EVERY_SLOT) for row in portion]
    assert (sorted(found), ledger.begin_sweep()) == (list(range(100)), 100)


def test_a_new_list_of_the_target_knows_of_no_run(store: Store, ledger: Ledger) -> None:
    ledger.commit(ChunkCommit(runs=[packed(range(100), range(100))]), "v1")
    ledger.reconcile(target_of(1), [])
    assert (ledger.count(), packed_rows(store), ledger.is_empty()) == (0, 0, True)


@pytest.mark.parametrize("change", ["keys = substr(keys, 2)", "rows = 7", "key_bytes = 3", "first_key = x''",
                                    "fingerprints = CAST(fingerprints AS TEXT)", "source_prints = x'00'"])
def test_a_run_that_does_not_fit_together_is_damage(store: Store, ledger: Ledger, change: str) -> None:
    ledger.commit(ChunkCommit(runs=[packed(range(100), [0x4141414141414141] * 100)]), "v1")
    with store.transaction() as connection:
        connection.exec_driver_sql(f"UPDATE runs SET {change}")
    with pytest.raises(BqsyncError) as caught:
        ledger.lookup([key(50)])
    assert caught.value.kind is ErrorKind.STATE_DAMAGED


@dataclass
class Model:
    """What the ledger is to hold."""

    rows: dict[bytes, LedgerEntry] = field(default_factory=dict)
    slots: Iterator[int] = field(default_factory=count)

    def put(self, row: Delivery) -> None:
        slot = self.rows[row.key].slot if row.key in self.rows else next(self.slots)
        self.rows[row.key] = LedgerEntry(row.key, row.fingerprint, slot, row.source_print, None)


number = st.integers(0, KEYS - 1)
stretch = st.tuples(number, st.integers(1, 80), st.integers(1, 3), st.booleans())
few = st.lists(number, max_size=6, unique=True)
step = st.tuples(st.none() | stretch, few, few, few)
Step = tuple[tuple[int, int, int, bool] | None, list[int], list[int], list[int]]


@COSTLY
@given(st.lists(step, max_size=12))
def test_whatever_happens_runs_are_the_rows_that_they_hold(store: Store, ledger: Ledger, steps: list[Step]) -> None:
    with store.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM ledger")
        connection.exec_driver_sql("DELETE FROM runs")
        connection.exec_driver_sql("UPDATE tables SET next_slot = 0")
    model, fingerprints = Model(), count(1)
    for span, changed, deleted, refreshed in steps:
        chunk = ChunkCommit()
        if span is not None:
            first, length, distance, with_sources = span
            run = packed(range(first, first + length * distance, distance), fingerprints, with_sources=with_sources)
            chunk.runs.append(run)
            for row in run.deliveries():
                model.put(row)
        taken = {one for run in chunk.runs for one in run.all_keys()}
        for name in map(key, changed):
            if name not in taken:
                chunk.delivered[name] = Delivery(name, next(fingerprints), None, 5)
                model.put(chunk.delivered[name])
        for name in map(key, deleted):
            if name not in taken and name not in chunk.delivered:
                chunk.deleted.append(name)
                model.rows.pop(name, None)
        for name in map(key, refreshed):
            if name in model.rows and name not in taken:
                chunk.refreshed.append((name, 9))
                model.rows[name] = model.rows[name]._replace(source_print=9)
        ledger.commit(chunk, "v1")
        _require_equal(ledger, model)


def _require_equal(ledger: Ledger, model: Model) -> None:
    expected = model.rows
    everything = [key(at) for at in range(KEYS + 300)]
    assert known(ledger, everything) == expected
    assert known(ledger, everything[::7]) == {name: one for name, one in expected.items() if name in everything[::7]}
    assert keys(ledger) == sorted(expected)
    assert ledger.count() == len(expected)
    assert ledger.count(50) == sum(one.slot < 50 for one in expected.values())
    held = ledger.stretch(packed(range(100, 251), range(151)))
    assert held is not None
    inside = [entry[0] for entry in [*(row for one in held.runs for row in one.entries()), *held.rows.values()]]
    assert {name for name in inside if key(100) <= name <= key(250)} == {
        name for name in expected if key(100) <= name <= key(250)}
    assert all(one.run.first > other.run.last for other, one in zip(held.runs, held.runs[1:], strict=False))

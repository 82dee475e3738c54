"""A chunk is noted whole or not at all, and the lookup finds the same rows in either of its ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.properties import COSTLY
from tests.state.entries import delivering, delivery, keys, known, put, rejected, rejecting, seen
from tests.state.targets import target_of

from bqsync import failpoints
from bqsync.model import Intent, TimestampFormat, Watermark
from bqsync.state.chunk_commit import ChunkCommit
from bqsync.state.ledger import Ledger
from bqsync.state.quarantine import Quarantine
from bqsync.state.store import Store
from bqsync.state.tables import TableState
from bqsync.state.watermarks import WatermarkColumn, Watermarks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START = Watermark(column="at", source_value=100, instant_us=100_000_000)


class DeathError(Exception):
    """Stands for the end of the process."""


@pytest.fixture
def dying() -> Iterator[list[str]]:
    """The names of the places at which the test dies; empty until it names some."""
    places: list[str] = []

    def reach(name: str) -> None:
        if name in places:
            raise DeathError(name)

    failpoints.on_reached = reach
    yield places
    failpoints.on_reached = None


def everything(store: Store, table: TableState) -> list[str]:
    """All that a commit may change."""
    statements = [f"SELECT * FROM {name} WHERE table_id = ? ORDER BY 1, 2"
                  for name in ("ledger", "quarantine", "watermarks", "intents")]
    with store.transaction() as connection:
        return [str(connection.exec_driver_sql(statement, (table.table_id,)).fetchall())
                for statement in (*statements, "SELECT * FROM tables WHERE id = ?")]


def prepared(table: TableState, ledger: Ledger) -> None:
    Watermarks(table.store, table.table_id).decide(WatermarkColumn(
        column="at", timestamp_format=TimestampFormat.UNIX_SECONDS, form=None, unfit=None, reached=START))
    ledger.commit(delivering([delivery(b"old", instant_us=5), delivery(b"kept", 1, source_print=10, instant_us=500),
                              delivery(b"gone", instant_us=500)]), "v1")
    ledger.commit(rejecting(rejected(b"waits"), rejected(b"recovers")), "v1")
    table.record_intent(Intent(job_id="j", staging_table="s"))


def full_chunk() -> ChunkCommit:
    chunk = delivering([delivery(b"new", 7, source_key=b"src", source_print=70, instant_us=900)])
    chunk.deleted = [b"gone"]
    chunk.refreshed = [(b"kept", 11)]
    chunk.rejected = {b"bad": rejected(b"bad")}
    chunk.recovered = {b"recovers"}
    chunk.watermarks = {"at": Watermark(column="at", source_value=200.5, instant_us=200_500_000)}
    chunk.forget_before_us = 100
    return chunk


@pytest.mark.parametrize("place", ["commit.begun", "commit.half", "commit.written"])
def test_a_process_that_dies_within_a_commit_has_changed_nothing(
    store: Store, table: TableState, ledger: Ledger, dying: list[str], place: str,
) -> None:
    prepared(table, ledger)
    before = everything(store, table)
    dying.append(place)
    with pytest.raises(DeathError):
        ledger.commit(full_chunk(), "v1")
    assert everything(store, table) == before


def test_a_process_that_dies_behind_a_commit_has_changed_all_of_it(
    store: Store, table: TableState, ledger: Ledger, dying: list[str],
) -> None:
    prepared(table, ledger)
    dying.append("commit.done")
    with pytest.raises(DeathError):
        ledger.commit(full_chunk(), "v1")
    assert keys(ledger) == [b"kept", b"new"], "delivered, deleted, and forgotten as too old for the overlap"
    entries = known(ledger, [b"kept", b"new"])
    assert (entries[b"kept"].source_print, entries[b"kept"].fingerprint) == (11, 1), "the print alone is refreshed"
    assert entries[b"new"]._replace(slot=0) == (b"new", 7, 0, 70, b"src")
    assert Quarantine(store, table.table_id).source_keys() == {b"waits", b"bad"}
    assert Watermarks(store, table.table_id).columns()["at"].reached == Watermark(
        column="at", source_value=200.5, instant_us=200_500_000)
    assert table.intent() is None


def test_rows_without_an_instant_are_never_too_old(ledger: Ledger) -> None:
    ledger.commit(delivering([delivery(b"a"), delivery(b"b", instant_us=99), delivery(b"c", instant_us=100)]), "v1")
    ledger.commit(ChunkCommit(forget_before_us=100), "v1")
    assert keys(ledger) == [b"a", b"c"]
    ledger.commit(delivering([delivery(b"d", instant_us=1)]), "v1")
    assert keys(ledger) == [b"a", b"c", b"d"], "nothing is forgotten unasked"


def test_a_row_that_is_delivered_again_takes_all_of_its_new_entry(ledger: Ledger) -> None:
    ledger.commit(delivering([delivery(b"a", 1, source_key=b"s", source_print=5, instant_us=1)]), "v1")
    slot = known(ledger, [b"a"])[b"a"].slot
    ledger.commit(delivering([delivery(b"a", 2, source_print=6, instant_us=200)]), "v1")
    assert known(ledger, [b"a"])[b"a"] == (b"a", 2, slot, 6, None)
    ledger.commit(ChunkCommit(forget_before_us=100), "v1")
    assert keys(ledger) == [b"a"]


@COSTLY
@given(st.sets(st.integers(0, 400), max_size=120), st.lists(st.sets(st.integers(0, 400), max_size=12), max_size=30))
def test_a_lookup_finds_what_is_there_whether_it_reads_a_range_or_single_keys(
    tmp_path: Path, delivered: set[int], lookups: list[set[int]],
) -> None:
    def key(number: int) -> bytes:
        return f"{number:04}".encode()

    (tmp_path / "state.db").unlink(missing_ok=True)
    store = Store(tmp_path / "state.db")
    table = TableState(store, store.source_id("app"), "things")
    writer, by_key = Ledger(store, table.table_id), Ledger(store, table.table_id)
    writer.commit(delivering(delivery(key(number), number, source_print=-number) for number in delivered), "v1")
    for wanted in lookups:
        by_key._range_pause = 1_000
        names = [key(number) for number in wanted]
        found = known(writer, [*names, None])
        assert found == known(by_key, names)
        assert {name: entry.fingerprint for name, entry in found.items()} == {
            key(number): number for number in wanted & delivered}
    store.close()


def test_keys_that_lie_far_apart_are_not_read_as_a_range(ledger: Ledger) -> None:
    put(ledger, *((f"{number:06}".encode(), number) for number in range(5_000)))
    scattered = [b"000000", b"004999", b"nobody"]
    assert len(ledger.lookup(scattered)) == 2, "what lies between is not read into memory"
    dense = [f"{number:06}".encode() for number in range(0, 40, 2)]
    assert ledger.lookup(dense).keys() == set(dense), "for a while, no range is tried again"
    for _ in range(16):
        ledger.lookup(dense)
    assert set(dense) < ledger.lookup(dense).keys(), "then it is: a range of neighbours is read whole"
    assert known(ledger, dense).keys() == set(dense)


def test_slots_below_a_limit_are_those_that_were_given_before(ledger: Ledger) -> None:
    put(ledger, (b"a", 1), (b"b", 1))
    limit = ledger.begin_sweep()
    put(ledger, (b"c", 1), (b"a", 2))
    assert (ledger.count(), ledger.count(limit)) == (3, 2)
    assert [row.key for portion in ledger.scan(limit) for row in portion] == [b"a", b"b"]
    assert ledger.begin_sweep() == limit + 1


def test_a_target_with_repeated_keys_is_not_trusted(ledger: Ledger, table: TableState) -> None:
    assert ledger.reconcile(target_of(5), [seen(b"a", b"b"), seen(b"b", b"c", b"c")]) == 2
    assert table.trusted() is None
    assert ledger.reconcile(target_of(5), [seen(b"a", b"a")]) == 1
    assert ledger.reconcile(target_of(5), [seen(b"a")]) == 0
    assert table.trusted() == target_of(5)


@pytest.mark.parametrize("place", ["reconcile.portion", "reconcile.done"])
def test_reconciling_that_dies_is_begun_again_or_done(
    ledger: Ledger, table: TableState, dying: list[str], place: str,
) -> None:
    ledger.reconcile(target_of(4), [])
    dying.append(place)
    with pytest.raises(DeathError):
        ledger.reconcile(target_of(5), [seen(b"a")])
    dying.clear()
    assert table.trusted() == (target_of(5) if place == "reconcile.done" else None)
    assert ledger.reconcile(target_of(5), [seen(b"a")]) == 0
    assert keys(ledger) == [b"a"]


def test_a_reconciled_ledger_asks_for_a_sweep(ledger: Ledger, table: TableState) -> None:
    before = table.sweep_request()
    ledger.reconcile(target_of(5), [seen(b"a")])
    after = table.sweep_request()
    assert (after.is_due, after.reason, after.number) == (True, "reconciled", before.number + 1)


def test_every_place_of_the_state_is_named() -> None:
    assert {"commit.begun", "commit.half", "commit.written", "commit.done", "reconcile.portion", "reconcile.done",
            "merge.intended", "sweep.noted", "watermark.noted"} <= set(failpoints.NAMES)

"""The ledger says what was delivered, a chunk at a time, and what it forgets is forgotten whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.properties import COSTLY
from tests.state.entries import (
    EVERY_SLOT,
    delivering,
    delivery,
    keys,
    known,
    put,
    rejected,
    rejecting,
    seen,
)
from tests.state.targets import target_of

from bqsync.errors import BqsyncError
from bqsync.model import Intent, LedgerEntry, Reason, RejectedRow, TargetKey, Watermark
from bqsync.state.chunk_commit import ChunkCommit
from bqsync.state.ledger import Ledger, LedgerRow
from bqsync.state.quarantine import Quarantine
from bqsync.state.store import Store
from bqsync.state.tables import TableState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bqsync.state.quarantine import QuarantineEntry


def quarantined(ledger: Ledger) -> dict[bytes, QuarantineEntry]:
    return Quarantine(ledger._store, ledger._table_id).entries()


def test_what_was_committed_is_looked_up(ledger: Ledger) -> None:
    slots = put(ledger, (b"a", -(2**63)), (b"b", 2**63 - 1))
    assert known(ledger, [b"a", b"b", b"c", None]) == {
        b"a": LedgerEntry(b"a", -(2**63), slots[0], 0, None), b"b": LedgerEntry(b"b", 2**63 - 1, slots[1], 0, None),
    }
    assert ledger.lookup([]) == ledger.lookup([None]) == {}
    assert ledger.count() == 2


def test_a_page_of_any_size_is_looked_up(ledger: Ledger) -> None:
    rows = [(f"{number:06}".encode(), number) for number in range(1501)]
    slots = put(ledger, *rows)
    found = known(ledger, [key for key, _ in rows])
    assert {key: (entry.fingerprint, entry.slot) for key, entry in found.items()} == {
        key: (fingerprint, slot) for (key, fingerprint), slot in zip(rows, slots, strict=True)
    }


def test_a_row_keeps_its_slot_and_takes_the_new_fingerprint(ledger: Ledger) -> None:
    (slot,) = put(ledger, (b"a", 1))
    assert put(ledger, (b"b", 5), (b"a", 2)) == [slot + 1, slot]
    assert known(ledger, [b"a"]) == {b"a": LedgerEntry(b"a", 2, slot, 0, None)}


def test_the_slot_of_a_deleted_row_is_not_given_to_another(ledger: Ledger) -> None:
    """In the same sweep its mark would count for the new row."""
    slots = put(ledger, (b"a", 1), (b"b", 1))
    ledger.commit(ChunkCommit(deleted=[b"b"]), "v1")
    assert known(ledger, [b"a", b"b"]).keys() == {b"a"}
    (again,) = put(ledger, (b"b", 1))
    assert again not in slots


SOME_KEYS = st.lists(st.sampled_from([b"1", b"2", b"3", b"4"]), max_size=4, unique=True)


@COSTLY
@given(st.lists(st.tuples(st.sampled_from("ab"), SOME_KEYS, SOME_KEYS), max_size=8))
def test_no_two_rows_of_a_table_ever_share_a_slot(
    tmp_path: Path, steps: list[tuple[str, list[bytes], list[bytes]]],
) -> None:
    (tmp_path / "state.db").unlink(missing_ok=True)
    store = Store(tmp_path / "state.db")
    ledgers = {name: Ledger(store, TableState(store, store.source_id("app"), name).table_id) for name in "ab"}
    used: dict[str, dict[int, bytes]] = {"a": {}, "b": {}}
    for name, delivered, deleted in steps:
        ledgers[name].commit(ChunkCommit(deleted=deleted), "v1")
        for key, slot in zip(delivered, put(ledgers[name], *((key, 1) for key in delivered)), strict=True):
            assert used[name].setdefault(slot, key) == key
        entries = known(ledgers[name], [b"1", b"2", b"3", b"4"])
        assert len({entry.slot for entry in entries.values()}) == len(entries) == ledgers[name].count()
    store.close()


def test_tables_know_nothing_of_each_other(store: Store, ledger: Ledger) -> None:
    other = Ledger(store, TableState(store, store.source_id("app"), "others").table_id)
    elsewhere = Ledger(store, TableState(store, store.source_id("app2"), "things").table_id)
    put(ledger, (b"a", 1))
    ledger.commit(rejecting(rejected(b"q")), "v1")
    for one in (other, elsewhere):
        assert (one.count(), known(one, [b"a"]), keys(one), one.is_empty()) == (0, {}, [], True)
        assert quarantined(one) == {}
        one.commit(ChunkCommit(deleted=[b"a"], recovered={b"q"}), "v1")
    assert (ledger.count(), len(quarantined(ledger))) == (1, 1)


def test_a_scan_gives_every_row_once_in_key_order(ledger: Ledger) -> None:
    rows = [(bytes([number % 256, 0, 255 - number // 256]), number) for number in range(10_001)]
    put(ledger, *rows)
    portions = list(ledger.scan(EVERY_SLOT))
    assert [len(portion) for portion in portions] == [5000, 5000, 1]
    assert [row.key for portion in portions for row in portion] == sorted(key for key, _ in rows)


def test_rows_may_be_deleted_and_added_while_a_scan_goes_on(ledger: Ledger) -> None:
    put(ledger, *((f"{number:05}".encode(), number) for number in range(7000)))
    seen: list[bytes] = []
    for portion in ledger.scan(EVERY_SLOT):
        seen += [row.key for row in portion]
        ledger.commit(ChunkCommit(deleted=[row.key for row in portion]), "v1")
        put(ledger, (b"00000", 1), (b"zzz", 1))
    assert seen == [*(f"{number:05}".encode() for number in range(7000)), b"zzz"]


def test_the_source_key_is_kept_beside_the_key(ledger: Ledger) -> None:
    ledger.commit(delivering([delivery(b"a", source_key=b"other"), delivery(b"b")]), "v1")
    entries = known(ledger, [b"a", b"b"])
    assert (entries[b"a"].owner, entries[b"b"].owner) == (b"other", b"b")
    slots = [entry.slot for entry in entries.values()]
    assert list(ledger.scan(EVERY_SLOT)) == [[
        LedgerRow(b"a", slots[0], b"other", is_known=True), LedgerRow(b"b", slots[1], None, is_known=True),
    ]]
    ledger.doubt([b"b", b"c"], [b"a"])
    assert [(row.key, row.is_known) for row in next(iter(ledger.scan(EVERY_SLOT)))] == [(b"b", False), (b"c", False)]
    put(ledger, (b"a", 2))
    assert next(iter(ledger.scan(EVERY_SLOT)))[0].source_key is None


def test_a_commit_is_whole_or_absent_and_ends_the_intent(ledger: Ledger, table: TableState) -> None:
    table.record_intent(Intent(job_id="j", staging_table="s"))
    broken = delivering([delivery(b"a")])
    broken.rejected[b"q"] = RejectedRow(b"q", None, None, Reason.NULL_KEY, 1)  # type: ignore[arg-type] # on purpose
    with pytest.raises(BqsyncError) as caught:
        ledger.commit(broken, "v1")
    assert "NOT NULL" in caught.value.why
    assert (ledger.count(), quarantined(ledger)) == (0, {})
    assert table.intent() is not None
    put(ledger, (b"a", 1))
    assert table.intent() is None


def test_an_empty_chunk_says_so() -> None:
    assert ChunkCommit().is_empty
    assert not any(chunk.is_empty for chunk in (
        delivering([delivery(b"a")]), ChunkCommit(deleted=[b"a"]), rejecting(rejected(b"a")),
        ChunkCommit(recovered={b"a"}), ChunkCommit(refreshed=[(b"a", 1)]),
        ChunkCommit(watermarks={"at": Watermark(column="at", source_value=1, instant_us=1)}),
    ))


def test_a_row_in_quarantine_keeps_its_date_and_takes_its_newest_reason(ledger: Ledger) -> None:
    ledger.commit(rejecting(rejected(b"q")), "v1")
    first = quarantined(ledger)[b"q"]
    assert (first.column, first.reason, first.fingerprint, first.mapping_version) == ("x", Reason.WRONG_TYPE, 1, "v1")
    ledger.commit(rejecting(rejected(b"q", reason=Reason.OUT_OF_RANGE, fingerprint=2)), "v2")
    second = quarantined(ledger)[b"q"]
    assert (second.reason, second.fingerprint, second.mapping_version) == (Reason.OUT_OF_RANGE, 2, "v2")
    assert second.since_us == first.since_us
    ledger.commit(ChunkCommit(recovered={b"q", b"never there"}), "v2")
    assert quarantined(ledger) == {}


def test_quarantine_tells_whether_an_earlier_version_stands_in_the_target(ledger: Ledger) -> None:
    put(ledger, (b"a", 1))
    ledger.commit(rejecting(rejected(b"1", b"a"), rejected(b"2", b"b"), rejected(b"3")), "v1")
    assert {key: entry.delivered for key, entry in quarantined(ledger).items()} == {
        b"1": True, b"2": False, b"3": False,
    }


def test_reconciling_takes_the_keys_of_the_target_and_knows_nothing_of_their_rows(
    ledger: Ledger, table: TableState,
) -> None:
    put(ledger, (b"gone", 1), (b"b", 1))
    assert ledger.reconcile(target_of(77), [seen(b"a", b"b"), seen(b"c")]) == 0
    assert keys(ledger) == [b"a", b"b", b"c"]
    entries = known(ledger, [b"a", b"b", b"c"])
    assert {entry.fingerprint for entry in entries.values()} == {None}
    assert len({entry.slot for entry in entries.values()}) == 3
    assert table.trusted() == target_of(77)
    (slot,) = put(ledger, (b"new", 1))
    assert slot not in {entry.slot for entry in entries.values()}


def test_reconciling_with_an_empty_target_empties_the_ledger(ledger: Ledger) -> None:
    put(ledger, (b"a", 1))
    assert ledger.reconcile(target_of(77), []) == 0
    assert ledger.count() == 0


def test_reconciling_that_breaks_off_is_done_again(ledger: Ledger, table: TableState) -> None:
    def breaking() -> Iterator[list[TargetKey]]:
        yield seen(b"a")
        raise ConnectionError

    ledger.reconcile(target_of(77), [seen(b"old")])
    assert table.trusted() is not None
    with pytest.raises(ConnectionError):
        ledger.reconcile(target_of(78), breaking())
    assert table.trusted() is None, "what is in the ledger now is half of the target's keys"
    assert ledger.reconcile(target_of(78), [seen(b"a", b"b")]) == 0
    assert table.trusted() == target_of(78)
    assert keys(ledger) == [b"a", b"b"]


def test_slots_are_numbered_anew_where_most_rows_have_gone(ledger: Ledger, store: Store) -> None:
    put(ledger, *((b"%d" % number, number) for number in range(10)))
    with store.transaction() as connection:
        connection.exec_driver_sql("UPDATE ledger SET slot = slot * 1000000")
        connection.exec_driver_sql("UPDATE tables SET next_slot = 9000001")
    assert ledger.begin_sweep() == 10
    assert sorted(entry.slot for entry in known(ledger, keys(ledger)).values()) == list(range(10))
    assert put(ledger, (b"new", 1)) == [10]
    assert known(ledger, [b"3"])[b"3"].fingerprint == 3


def test_slots_that_are_in_use_stay(ledger: Ledger, store: Store) -> None:
    places = put(ledger, *((b"%d" % number, number) for number in range(10)))
    with store.transaction() as connection:
        connection.exec_driver_sql("UPDATE tables SET next_slot = 999999")
    assert ledger.begin_sweep() == 999_999
    assert [known(ledger, [b"%d" % number])[b"%d" % number].slot for number in range(10)] == places

"""Field numbers stay what they were, intents outlive a crash, and the health of a table is what happened last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from tests.properties import COSTLY
from tests.state.entries import rejecting, seen
from tests.state.targets import target_of

from bqsync.model import FIRST_FIELD_NUMBER, Intent, Reason, RejectedRow, TargetType, TimestampFormat
from bqsync.state.clock import now_us
from bqsync.state.health import table_health
from bqsync.state.ledger import Ledger
from bqsync.state.store import Store
from bqsync.state.tables import TableState

if TYPE_CHECKING:
    from pathlib import Path

INT, TEXT, INSTANT = TargetType.INT64, TargetType.STRING, TargetType.TIMESTAMP
NAMES = ("ant", "things", "zebra")
COLUMNS = st.tuples(st.sampled_from(["a", "A", "b", "c d"]), st.sampled_from(list(TargetType)))


def test_field_numbers_count_on_from_the_envelope(table: TableState) -> None:
    first = FIRST_FIELD_NUMBER
    assert table.allot_fields([("a", INT), ("b", TEXT)]) == [first, first + 1]
    assert table.allot_fields([("b", TEXT), ("c", INT), ("a", INT)]) == [first + 1, first + 2, first]


def test_another_type_has_another_number_and_the_old_one_comes_back_with_its_type(table: TableState) -> None:
    (before,) = table.allot_fields([("a", INT)])
    (after,) = table.allot_fields([("a", TEXT)])
    assert after != before
    assert table.allot_fields([("a", INT)]) == [before]
    assert table.known_types() == {"a": TEXT}


@COSTLY
@given(st.lists(st.lists(COLUMNS, max_size=4, unique=True), max_size=3))
def test_a_number_is_never_given_to_two_fields(tmp_path: Path, rounds: list[list[tuple[str, TargetType]]]) -> None:
    (tmp_path / "state.db").unlink(missing_ok=True)
    given_out: dict[tuple[str, TargetType], int] = {}
    for wanted in rounds:
        store = Store(tmp_path / "state.db")
        numbers = TableState(store, store.source_id("app"), "things").allot_fields(wanted)
        for field, number in zip(wanted, numbers, strict=True):
            assert given_out.setdefault(field, number) == number
        store.close()
    assert len(set(given_out.values())) == len(given_out)


def test_tables_count_for_themselves(store: Store, table: TableState) -> None:
    other = TableState(store, store.source_id("app"), "others")
    assert table.allot_fields([("a", INT)]) == other.allot_fields([("x", TEXT)])
    assert TableState(store, store.source_id("app"), "things").table_id == table.table_id != other.table_id
    assert TableState(store, store.source_id("app2"), "things").table_id not in (table.table_id, other.table_id)


def test_a_timestamp_format_is_fixed_for_the_timestamp_alone(table: TableState) -> None:
    table.allot_fields([("a", INSTANT), ("a", INT), ("b", INSTANT)])
    assert table.timestamp_formats() == {}
    table.fix_timestamp_format("a", TimestampFormat.UNIX_MILLIS)
    assert table.timestamp_formats() == {"a": TimestampFormat.UNIX_MILLIS}


def test_an_intent_stands_until_its_job_has_ended(state_path: Path, store: Store, table: TableState) -> None:
    assert table.intent() is None
    table.record_intent(Intent(job_id="one", staging_table="p.d.s1"))
    table.record_intent(Intent(job_id="two", staging_table="p.d.s2"))
    store.close()
    later = Store(state_path)
    again = TableState(later, later.source_id("app"), "things")
    assert again.intent() == Intent(job_id="two", staging_table="p.d.s2")
    assert TableState(later, later.source_id("app"), "others").intent() is None
    again.clear_intent()
    again.clear_intent()
    assert again.intent() is None
    later.close()


def test_a_ledger_is_not_trusted_before_it_was_reconciled_nor_after_doubts(table: TableState, ledger: Ledger) -> None:
    assert table.trusted() is None
    ledger.reconcile(target_of(5), [])
    assert table.trusted() == target_of(5)
    table.distrust()
    assert table.trusted() is None


def test_health_is_what_happened_last(store: Store, table: TableState, ledger: Ledger) -> None:
    before = now_us()
    ledger.reconcile(target_of(5), [seen(b"a", b"b")])
    ledger.commit(rejecting(RejectedRow(b"q", None, "x", Reason.NULL_KEY, 1)), "v1")
    table.record_attempt(None, now_us())
    (good,) = table_health(store, "app", NAMES)
    assert (good.name, good.target, good.rows, good.quarantined) == ("things", "p.d.t", 2, 1)
    assert (good.reconcile_pending, good.last_error) == (False, None)
    assert good.last_success_us == good.last_attempt_us
    assert good.last_success_us is not None
    assert before <= good.last_success_us <= now_us()
    table.record_attempt({"code": "E302", "what": "gone"}, now_us())
    (bad,) = table_health(store, "app", NAMES)
    assert bad.last_error == {"code": "E302", "what": "gone"}
    assert bad.last_success_us == good.last_success_us
    assert bad.last_attempt_us is not None
    assert bad.last_attempt_us >= good.last_success_us
    table.record_attempt(None, now_us())
    assert table_health(store, "app", NAMES)[0].last_error is None


def test_health_lists_the_tables_of_its_source_by_name(store: Store, table: TableState) -> None:
    for source, name in (("app", "zebra"), ("app", "ant"), ("other", "b")):
        TableState(store, store.source_id(source), name)
    assert [one.name for one in table_health(store, "app", NAMES)] == ["ant", "things", "zebra"]
    fresh = table_health(store, "app", NAMES)[0]
    assert (fresh.target, fresh.rows, fresh.quarantined, fresh.reconcile_pending) == (None, 0, 0, True)
    assert (fresh.last_success_us, fresh.last_attempt_us, fresh.last_error) == (None, None, None)
    assert table_health(store, "nobody", NAMES) == []

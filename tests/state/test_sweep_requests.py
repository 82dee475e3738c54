"""A sweep that was asked for is due until a sweep that began later has ended well."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bqsync.model import SourceIdentity
from bqsync.state.sources import note_identity
from bqsync.state.tables import Effort, TableState

if TYPE_CHECKING:
    from bqsync.state.store import Store

FILE = SourceIdentity(device=1, inode=2, application_id=3, schema_cookie=4, change_counter=5)


def test_the_first_sweep_is_due(table: TableState) -> None:
    request = table.sweep_request()
    assert (request.is_due, request.reason, request.suspicion) == (True, "first sync", None)
    assert (request.swept_mapping, request.last_sweep_us, request.last_pass, request.last_attempt_us) == (
        None, None, None, None)


def test_a_sweep_that_ended_serves_what_was_asked_before_it_began(table: TableState) -> None:
    table.ask_sweep("one reason")
    table.ask_sweep("another reason")
    request = table.sweep_request()
    assert request.reason == "another reason"
    table.record_sweep(request, "v7", 1_000)
    after = table.sweep_request()
    assert (after.is_due, after.swept_mapping, after.last_sweep_us) == (False, "v7", 1_000)


def test_what_was_asked_during_a_sweep_is_not_served_by_it(table: TableState) -> None:
    request = table.sweep_request()
    table.ask_sweep("the clock went back", suspicion="it did")
    table.record_sweep(request, "v1", 1_000)
    after = table.sweep_request()
    assert (after.is_due, after.reason, after.suspicion) == (True, "the clock went back", "it did")
    table.record_sweep(after, "v1", 2_000)
    assert (table.sweep_request().is_due, table.sweep_request().suspicion) == (False, None)


def test_a_suspicion_outlives_requests_without_one_and_ends_with_a_sweep(table: TableState) -> None:
    table.ask_sweep("went back", suspicion="the largest at went back")
    table.ask_sweep("reconciled")
    request = table.sweep_request()
    assert (request.reason, request.suspicion) == ("reconciled", "the largest at went back")
    table.record_pass(1_500, 7)
    table.record_attempt({"code": "E1"}, 1_600)
    assert table.sweep_request().suspicion is not None, "neither a pass nor a failure ends it"
    assert (table.sweep_request().last_pass, table.sweep_request().last_attempt_us) == (Effort(1_500, 7), 1_600)
    table.record_sweep(request, "v1", 2_000)
    assert table.sweep_request().suspicion is None


def test_the_identity_of_a_file_is_noted_and_its_later_self_is_no_news(store: Store, table: TableState) -> None:
    source = store.source_id("app")
    table.record_sweep(table.sweep_request(), "v1", 1)
    assert note_identity(store, source, FILE) is None, "never seen before"
    assert note_identity(store, source, FILE) is None
    later = replace(FILE, change_counter=9)
    assert note_identity(store, source, later) is None
    assert not table.sweep_request().is_due
    assert note_identity(store, source, replace(later, schema_cookie=5)) is None
    request = table.sweep_request()
    assert (request.is_due, request.reason, request.suspicion) == (True, "the schema has changed", None), (
        "what a table holds that was rebuilt, no watermark tells")
    assert note_identity(store, source, FILE) == "its contents are older than before", "told from the newest seen"


@pytest.mark.parametrize(("change", "why"), [
    ({"device": 9}, "another file"), ({"inode": 9}, "another file"), ({"application_id": 9}, "application_id"),
    ({"schema_cookie": 1}, "older"), ({"change_counter": 1}, "older"),
])
def test_another_file_makes_a_sweep_of_every_table_of_the_source_due_and_suspect(
    store: Store, table: TableState, change: dict[str, int], why: str,
) -> None:
    source = store.source_id("app")
    second = TableState(store, source, "second")
    elsewhere = TableState(store, store.source_id("other"), "things")
    for one in (table, second, elsewhere):
        one.record_sweep(one.sweep_request(), "v1", 1)
    note_identity(store, source, FILE)
    told = note_identity(store, source, replace(FILE, **change))
    assert told is not None
    assert why in told
    for one in (table, second):
        request = one.sweep_request()
        assert request.is_due
        assert why in request.reason
        assert why in str(request.suspicion)
    assert not elsewhere.sweep_request().is_due
    assert note_identity(store, source, replace(FILE, **change)) is None, "it is told once"


def test_a_source_with_numbers_of_any_size_is_noted(store: Store) -> None:
    source = store.source_id("app")
    huge = replace(FILE, device=2**63 - 1, inode=2**63 - 1, application_id=-(2**31), change_counter=2**32 - 1)
    assert note_identity(store, source, huge) is None
    assert note_identity(store, source, huge) is None
    assert note_identity(store, source, replace(huge, change_counter=1)) is not None


def test_a_walk_is_noted_whether_it_ended_well_or_not(table: TableState) -> None:
    table.record_walk(1_000, 50)
    request = table.sweep_request()
    assert (request.is_due, request.last_sweep_us, request.last_walk) == (True, None, Effort(1_000, 50))

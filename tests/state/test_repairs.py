"""Requests for repairs outlive processes, add up, and end with a sweep that began after them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from bqsync.state.repairs import Repair, ask_repair, asked_repair, end_repair, tables_to_repair
from bqsync.state.store import Store
from bqsync.state.tables import TableState

if TYPE_CHECKING:
    from pathlib import Path


def test_a_request_outlives_the_process_and_adds_up(tmp_path: Path) -> None:
    path = tmp_path / "state" / "state.db"
    with closing(Store(path)) as store:
        source = store.source_id("app")
        one, other = (TableState(store, source, name) for name in ("one", "other"))
        assert tables_to_repair(store, source) == set()
        before = one.sweep_request().number
        ask_repair(store, one.table_id, 3)
        # As a command does, beside the daemon.
        with closing(Store(path, rebuild=False)) as beside:
            ask_repair(beside, one.table_id, 4)
        request = one.sweep_request()
        assert (request.number, request.reason, request.is_due) == (before + 2, "repair", True)
        assert asked_repair(store, other.table_id) is None
    with closing(Store(path)) as store:
        assert tables_to_repair(store, source) == {"one"}
        assert tables_to_repair(store, source + 1) == set()
        assert asked_repair(store, one.table_id) == Repair(rows=7, number=2)


def test_a_request_that_came_during_the_sweep_stays(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "state.db")) as store:
        table = TableState(store, store.source_id("app"), "t").table_id
        ask_repair(store, table, 1)
        begun = asked_repair(store, table)
        assert begun is not None
        ask_repair(store, table, 1)
        end_repair(store, table, begun)
        later = asked_repair(store, table)
        assert later == Repair(rows=2, number=2)
        end_repair(store, table, later)
        assert asked_repair(store, table) is None


def test_when_a_table_was_compared_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with closing(Store(path)) as store:
        assert TableState(store, store.source_id("app"), "t").last_verify_us() is None
        TableState(store, store.source_id("app"), "t").record_verify(1_700_000_000_000_000)
    with closing(Store(path)) as store:
        assert TableState(store, store.source_id("app"), "t").last_verify_us() == 1_700_000_000_000_000

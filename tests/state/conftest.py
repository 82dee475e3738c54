from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bqsync.state.ledger import Ledger
from bqsync.state.store import Store
from bqsync.state.tables import TableState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def state_path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def store(state_path: Path) -> Iterator[Store]:
    opened = Store(state_path)
    yield opened
    opened.close()


@pytest.fixture
def table(store: Store) -> TableState:
    return TableState(store, store.source_id("app"), "things")


@pytest.fixture
def ledger(store: Store, table: TableState) -> Ledger:
    return Ledger(store, table.table_id)

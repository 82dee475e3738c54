from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from tests.hostile.proxy import HostileBigQuery
from tests.hostile.wire import Wire

from bqsync.embedded import Endpoints


@pytest.fixture
def emulated(emulator: Endpoints) -> Iterator[Wire]:
    """Straight to the emulator: a dataset with the table `t`, whose column is `v STRING`."""
    wire = Wire(emulator, f"wire_{secrets.token_hex(6)}")
    wire.post("/datasets", {"datasetReference": {"projectId": "demo", "datasetId": wire.dataset}})
    assert wire.create_table("t").ok
    yield wire
    wire.close()


@pytest.fixture
def wire(hostile: HostileBigQuery, emulated: Wire) -> Iterator[Wire]:
    """The same through the proxy."""
    wire = Wire(hostile.endpoints, emulated.dataset)
    yield wire
    wire.close()

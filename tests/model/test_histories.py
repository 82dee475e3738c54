"""Random histories: `make soak HISTORIES=n` runs any number of them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis.stateful import run_state_machine_as_test

from bqsync.embedded import Endpoints
from tests.hostile.proxy import HostileBigQuery
from tests.model.machine import Histories

HISTORIES = int(os.environ.get("HISTORIES", "40"))
STEPS = 16


@pytest.fixture(scope="module")
def proxy(emulator: Endpoints) -> Iterator[HostileBigQuery]:
    hostile = HostileBigQuery(emulator)
    yield hostile
    hostile.stop()


@pytest.mark.timeout(max(900, HISTORIES * 30))
def test_every_history_converges(emulator: Endpoints, proxy: HostileBigQuery) -> None:
    Histories.emulator, Histories.hostile = emulator, proxy
    run_state_machine_as_test(Histories, settings=settings(
        max_examples=HISTORIES, stateful_step_count=STEPS, deadline=None, print_blob=True, database=None,
        suppress_health_check=list(HealthCheck), verbosity=Verbosity.normal, phases=[Phase.generate],
    ))

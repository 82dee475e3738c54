"""Random histories: a few in every run of the tests, any number of them by `make histories HISTORIES=n`."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from bqsync.embedded import Endpoints
from tests.hostile.proxy import HostileBigQuery
from tests.model.machine import Histories

HISTORIES = int(os.environ.get("HISTORIES", "24"))
SHARES = min(HISTORIES, int(os.environ.get("SHARES", "2")))
STEPS = 16
PHASES = [Phase.generate, Phase.shrink] if os.environ.get("SHRINK") else [Phase.generate]
"""A failing history is printed as it was found; making it shorter may take many minutes, and is asked for."""


@pytest.fixture(scope="module")
def proxy(emulator: Endpoints) -> Iterator[HostileBigQuery]:
    hostile = HostileBigQuery(emulator)
    yield hostile
    hostile.stop()


@pytest.mark.timeout(600 + HISTORIES * 20)
@pytest.mark.parametrize("share", range(SHARES))
def test_every_history_converges(emulator: Endpoints, proxy: HostileBigQuery, share: int) -> None:
    Histories.emulator, Histories.hostile = emulator, proxy
    histories = HISTORIES // SHARES + (share < HISTORIES % SHARES)
    run_state_machine_as_test(Histories, settings=settings(
        max_examples=histories, stateful_step_count=STEPS, deadline=None, print_blob=True, database=None,
        suppress_health_check=list(HealthCheck), phases=PHASES,
    ))

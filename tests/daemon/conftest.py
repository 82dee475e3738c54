from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest
from tests.daemon.life import Life
from tests.daemon.relay import Relay
from tests.workbench import Workbench

from bqsync.embedded import Endpoints

Start = Callable[..., Life]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts daemons; whatever lives on at the end of the test is killed."""
    lives: list[Life] = []

    def one(bench: Workbench, *, prefix: Sequence[str] = (), **environment: str) -> Life:
        lives.append(Life(bench, prefix=prefix, **environment))
        return lives[-1]

    yield one
    for life in lives:
        life.close()


@pytest.fixture
def relay(emulator: Endpoints) -> Iterator[Relay]:
    """The only way to BigQuery for the daemons of a test; closed at first."""
    one = Relay(emulator)
    yield one
    one.end()

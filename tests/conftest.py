from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bqsync.embedded import EmbeddedBigQuery, Endpoints
from tests.hostile.proxy import HostileBigQuery
from tests.workbench import Workbench

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    """One BigQuery for all tests of a worker; each test has a dataset of its own."""
    with EmbeddedBigQuery(tmp_path_factory.mktemp("bigquery"), "demo") as server:
        yield server.start()


@pytest.fixture
def workbench(tmp_path: Path, emulator: Endpoints) -> Iterator[Workbench]:
    """A folder with a SQLite file, a configuration, and a dataset of its own on the shared BigQuery."""
    bench = Workbench(tmp_path, emulator)
    yield bench
    bench.close()


@pytest.fixture
def hostile(emulator: Endpoints) -> Iterator[HostileBigQuery]:
    """The shared BigQuery, behind a proxy that misbehaves where a test tells it to."""
    proxy = HostileBigQuery(emulator)
    yield proxy
    proxy.stop()


@pytest.fixture
def hostile_bench(tmp_path: Path, emulator: Endpoints, hostile: HostileBigQuery) -> Iterator[Workbench]:
    """A workbench whose cycles go through that proxy; its own client, with which a test looks, does not."""
    bench = Workbench(tmp_path, emulator)
    bench.endpoints = hostile.endpoints
    yield bench
    bench.close()

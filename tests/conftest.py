from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bqsync.embedded import EmbeddedBigQuery, Endpoints
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

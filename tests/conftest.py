from __future__ import annotations

import gc
import os
import shutil
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog

from bqsync.embedded import EmbeddedBigQuery, Endpoints
from tests.bigquery import chosen, datasets, report
from tests.bigquery.place import Place, from_environment, local
from tests.hostile.proxy import HostileBigQuery
from tests.workbench import Workbench

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder in it is made as any other temporary one
_MEMORY_BYTES = 4 << 30

LONG = {f"tests/{name}.py" for name in (
    "end_to_end/test_failpoints", "model/test_histories", "deliver/test_analyzer", "end_to_end/test_volume",
    "end_to_end/test_commands", "daemon/test_ending", "verify/test_beside_daemon", "init/test_samples",
    "bad_input/test_state_file", "embedded/test_embedded", "end_to_end/test_crashes", "daemon/test_metrics",
    "fuzz/test_damaged_cycles", "end_to_end/test_readme",
)}
"""The files that take more than some 20 s of a processor."""

gc.set_threshold(20_000, 20, 100)  # as the commands do: most of the heap are modules that stay


@pytest.fixture(autouse=True)
def _nobody_elses_log() -> Iterator[None]:
    """
    A command that ran in this process has set the level of the log; the next test hears everything again.

    As structlog does by default, but for tracebacks: those that it colours and frames take longer than many a test.
    """
    structlog.reset_defaults()
    *first, _ = structlog.get_config()["processors"]
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*first, plain])
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def emulator() -> Iterator[Endpoints]:
    """
    One BigQuery for all tests of a worker; each test has a dataset of its own.

    Its files are in memory where there is enough of it: they are nobody's to keep, and DuckDB waits for the disk after
    every statement.
    """
    has_room = os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _MEMORY_BYTES
    with (
        tempfile.TemporaryDirectory(prefix="bqsync-test-bigquery-", dir=_MEMORY if has_room else None) as folder,
        EmbeddedBigQuery(Path(folder), "demo") as server,
    ):
        yield server.start()


@pytest.fixture(scope="session")
def testbed(request: pytest.FixtureRequest) -> Place:
    """The BigQuery of this run: the shared one on this machine, or the real one where the environment names it."""
    service = from_environment(os.environ)
    if service is None:
        return local(request.getfixturevalue("emulator"))
    with closing(service.rest_client()) as client:
        for name in datasets.leftovers(client):
            datasets.drop(client, name)
    return service


@pytest.fixture
def workbench(tmp_path: Path, testbed: Place) -> Iterator[Workbench]:
    """A folder with a SQLite file, a configuration, and a dataset of its own."""
    bench = Workbench(tmp_path, testbed)
    try:
        if testbed.is_service:  # on this machine the first cycle makes it, and nothing outlives the run
            datasets.create(testbed, bench.rest, name=bench.dataset)
        yield bench
    finally:
        if testbed.is_service:
            datasets.drop(bench.rest, bench.dataset)
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


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None]:
    """Mark what can run against the real BigQuery; where one is named, nothing else runs. Long files come first."""
    chosen.mark(items)
    if from_environment(os.environ) is not None:
        others = [item for item in items if item.get_closest_marker(chosen.MARKER) is None]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item.get_closest_marker(chosen.MARKER) is not None]
    yield
    if hasattr(config, "workerinput"):  # one of several processes: the others would wait for a long file at the end
        items.sort(key=lambda item: item.nodeid.partition("::")[0] not in LONG)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the real BigQuery answered, and what in that differs from the emulator."""
    if from_environment(os.environ) is not None:
        report.write(terminalreporter)

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.bad_input.command import SENTINEL
from tests.fakes.rest_server import RestServer
from tests.workbench import Workbench

from bqsync.embedded import Endpoints

TABLES = '[[tables]]\nname = "things"\n\n[[tables]]\nname = "others"\n'


@pytest.fixture
def bench(workbench: Workbench) -> Workbench:
    """Two tables of 3 rows with sentinels in them, configured."""
    fill(workbench)
    return workbench


@pytest.fixture
def rest(emulator: Endpoints) -> Iterator[RestServer]:
    server = RestServer(emulator.rest)
    yield server
    server.stop()


@pytest.fixture
def relayed(tmp_path: Path, emulator: Endpoints, rest: RestServer) -> Iterator[Workbench]:
    """The same, with the fake between the command and the REST interface; its own client goes there directly."""
    bench = Workbench(tmp_path, emulator)
    fill(bench)
    text = bench.config_path.read_text(encoding="utf-8")
    bench.config_path.write_text(text.replace(emulator.rest, rest.endpoint), encoding="utf-8")
    yield bench
    bench.close()


def fill(bench: Workbench) -> None:
    rows = [(number, f"{SENTINEL} {number}") for number in range(3)]
    bench.fill(
        "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT);"
        "CREATE TABLE others (id INTEGER PRIMARY KEY, name TEXT);",
        ("INSERT INTO things VALUES (?, ?)", rows), ("INSERT INTO others VALUES (?, ?)", rows),
    )
    bench.configure(TABLES)

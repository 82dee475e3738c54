from __future__ import annotations

import pytest
from tests.bad_input.command import SENTINEL
from tests.workbench import Workbench

TABLES = '[[tables]]\nname = "things"\n\n[[tables]]\nname = "others"\n'


@pytest.fixture
def bench(workbench: Workbench) -> Workbench:
    """Two tables of 3 rows with sentinels in them, configured."""
    fill(workbench)
    return workbench


@pytest.fixture
def relayed(hostile_bench: Workbench) -> Workbench:
    """The same, with the proxy between the command and BigQuery; its own client goes there directly."""
    fill(hostile_bench)
    return hostile_bench


def fill(bench: Workbench) -> None:
    rows = [(number, f"{SENTINEL} {number}") for number in range(3)]
    bench.fill(
        "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT);"
        "CREATE TABLE others (id INTEGER PRIMARY KEY, name TEXT);",
        ("INSERT INTO things VALUES (?, ?)", rows), ("INSERT INTO others VALUES (?, ?)", rows),
    )
    bench.configure(TABLES)

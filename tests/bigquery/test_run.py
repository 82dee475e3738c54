"""A run against a real BigQuery, played by the emulator: it cleans up, tells what differs, and its exit code tells."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from google.cloud import bigquery

from bqsync.embedded import Endpoints
from tests.bigquery import datasets
from tests.bigquery.place import ENDPOINTS, LOCATION, PROJECT, Place
from tests.bigquery.report import TITLE
from tests.workbench import ROOT

PASSES = "test_rows_can_be_read_as_soon_as_they_are_acknowledged"
FAILS = "test_a_select_under_an_id_burns_it"
STREAMS, JOBS = "tests/bigquery/test_streams.py", "tests/bigquery/test_jobs.py"


@pytest.fixture
def pretended(emulator: Endpoints) -> Place:
    """What counts as the real one here: a project of its own on the emulator."""
    return Place(project="pretended", location="EU", endpoints=emulator, is_service=True)


@pytest.fixture
def client(pretended: Place) -> Iterator[bigquery.Client]:
    with closing(pretended.rest_client()) as one:
        yield one


def start(place: Place | None, *arguments: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items()
                   if name not in {PROJECT, LOCATION, ENDPOINTS, datasets.RUN}}
    if place is not None and place.endpoints is not None:
        environment |= {PROJECT: place.project, LOCATION: place.location,
                        ENDPOINTS: f"{place.endpoints.rest},{place.endpoints.grpc}"}
    command = [sys.executable, "-m", "tests.bigquery", *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)


def run(place: Place | None, *arguments: str) -> tuple[int, str]:
    """A run to its end, in one process: its exit code, and all that it prints."""
    with start(place, *(["-n0", "-p", "no:cacheprovider", *arguments] if arguments else [])) as process:
        printed, _ = process.communicate(timeout=150)
    return process.returncode, printed


def named(client: bigquery.Client) -> set[str]:
    return {item.dataset_id for item in client.list_datasets()}


def test_without_a_project_it_says_what_is_missing() -> None:
    code, printed = run(None)
    assert code == 0
    assert printed.startswith("skipped: BQSYNC_TEST_PROJECT is not set. Set it to ")
    assert len(printed.splitlines()) == 1


def test_a_run_tells_what_differs_fails_and_leaves_nothing_of_its_own_or_of_earlier_ones(
    pretended: Place, client: bigquery.Client,
) -> None:
    old = datasets.create(pretended, client, name=datasets.new_name(datetime.now(UTC) - timedelta(days=1, minutes=1)),
                          run="another-1-1")
    dead = datasets.create(pretended, client, run=f"{datasets.this_run()}0")
    others = {datasets.create(pretended, client, run="another-1-1"), datasets.create(pretended, client), "theirs"}
    client.create_dataset("theirs")
    code, printed = run(pretended, f"{STREAMS}::{PASSES}", f"{JOBS}::{FAILS}")
    assert code == 1, printed
    assert TITLE in printed
    assert "2 checks of the contract; 1 not as expected" in printed
    assert "ends: here ['ran', 'ran']\n      expected ['ran', '409 duplicate']" in printed
    for name in (old, dead):
        assert f"dropped {name}, which an earlier run has left" in printed
    assert "datasets that had to be dropped at the end: 0, left: 0" in printed
    assert named(client) == others, "what belongs to somebody who may live stays"
    for name in others:
        datasets.drop(client, name)


def test_a_run_without_a_difference_ends_well(pretended: Place, client: bigquery.Client) -> None:
    code, printed = run(pretended, f"{STREAMS}::{PASSES}")
    assert code == 0, printed
    assert "1 checks of the contract; 0 not as expected" in printed
    assert named(client) == set()


def test_what_a_killed_run_has_left_is_dropped_by_the_next(pretended: Place, client: bigquery.Client) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        left = datasets.create(pretended, client, run=datasets.run_of(process.pid))
        assert datasets.leftovers(client) == [], "it lives"
        process.kill()
    assert datasets.leftovers(client) == [left]
    datasets.drop(client, left)

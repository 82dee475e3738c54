"""
`python -m tests.bigquery [ARGUMENT …]`: contract and chosen tests against a real BigQuery (`make test-bigquery`).

BQSYNC_TEST_PROJECT    the project; without it nothing is run
BQSYNC_TEST_LOCATION   where its datasets are made (default: US)
Arguments are pytest's.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing

from google.api_core.exceptions import GoogleAPIError
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery
from requests.exceptions import RequestException

from tests.bigquery import chosen, datasets
from tests.bigquery.place import PROJECT, Place, from_environment
from tests.workbench import ROOT

PROCESSES = 4
"""The tests wait for BigQuery, not for this machine."""
TEST_S = 900
SKIPPED = (f"skipped: {PROJECT} is not set. Set it to a Google Cloud project with billing and the BigQuery API, run"
           " `gcloud auth application-default login`, and see docs/testing.md, Against a real BigQuery.")


def main() -> int:
    """Return pytest's exit code; 1 where BigQuery can't be reached or something is left behind."""
    place = from_environment(os.environ)
    if place is None:
        print(SKIPPED)
        return 0
    # So that a run that is told to end still drops what it has made.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))
    # Ctrl-C is for pytest, which ends in order and tells what it has found so far.
    signal.signal(signal.SIGINT, lambda _number, _frame: None)
    begun = time.monotonic()
    try:
        with closing(place.rest_client()) as client:
            sweep(client)
            return run(place, client, begun)
    except (GoogleAuthError, GoogleAPIError, RequestException) as error:
        print(f"BigQuery can't be used in {PROJECT}={place.project}: {error}")
        return 1


def sweep(client: bigquery.Client) -> None:
    """Drop what earlier runs have left."""
    for name in datasets.leftovers(client):
        datasets.drop(client, name)
        print(f"dropped {name}, which an earlier run has left")


def run(place: Place, client: bigquery.Client, begun: float) -> int:
    """Run the tests, and drop what of theirs is left, however they end."""
    this = datasets.run_of(os.getpid())
    print(f"{place.project}, location {place.location}, run {this}", flush=True)
    command = [sys.executable, "-m", "pytest", "-m", chosen.MARKER, "-n", str(PROCESSES), "--timeout", str(TEST_S),
               *(sys.argv[1:] or ["tests"])]
    try:
        code = subprocess.run(command, cwd=ROOT, env={**os.environ, datasets.RUN: this}, check=False).returncode
    finally:
        left = datasets.of_run(client, this)
        for name in left:
            datasets.drop(client, name)
    print(f"{time.monotonic() - begun:.0f} s; datasets that had to be dropped at the end: {len(left)},"
          f" left: {len(datasets.of_run(client, this))}")
    return code


if __name__ == "__main__":
    sys.exit(main())

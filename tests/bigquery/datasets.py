"""
Datasets of the tests in a real project: made under names of their own, dropped whatever happens.

Three nets, one below the other: the fixture that made a dataset drops it; `python -m tests.bigquery` drops what its run
has left; the next run drops what an earlier one has left, once that is a day old or its process is known to be dead.
And tables expire by themselves.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from google.cloud import bigquery
from google.cloud.bigquery.retry import DEFAULT_RETRY

from bqsync.embedded.endpoint import started_ticks
from tests.bigquery.place import Place

LABEL = "bqsync_test"
"""Its value is the run that made the dataset: a mark of the machine, a process, and when that process began."""
RUN = "BQSYNC_TEST_RUN"
"""In the environment: the run that several processes belong to."""
TABLES_LIVE = timedelta(hours=6)
OLD = timedelta(days=1)
_NAME = re.compile(r"bqsync_test_(?P<at>\d{14})_[0-9a-f]{8}")
_FIRST = DEFAULT_RETRY.with_timeout(20.0)
"""A list is the first call of a run: where nothing answers, that is told soon."""
_ANSWER_S = 30.0
_TIME = "%Y%m%d%H%M%S"


def new_name(at: datetime | None = None) -> str:
    """A name that no other dataset has; it says when it was made."""
    return f"bqsync_test_{(at or datetime.now(UTC)).strftime(_TIME)}_{secrets.token_hex(4)}"


def this_run() -> str:
    """The run that this process belongs to: the one of its environment, or itself."""
    return os.environ.get(RUN) or run_of(os.getpid())


def run_of(pid: int) -> str:
    """The run that a process of this machine is, as the value of a label."""
    return f"{_machine()}-{pid}-{started_ticks(pid)}"


@contextmanager
def lent(place: Place, client: bigquery.Client) -> Iterator[str]:
    """A dataset for as long as the context lasts."""
    name = create(place, client)
    try:
        yield name
    finally:
        drop(client, name)


def create(place: Place, client: bigquery.Client, *, name: str | None = None, run: str | None = None) -> str:
    """Make a dataset that is known as one of the tests; its name."""
    name = name or new_name()
    dataset = bigquery.Dataset(f"{place.project}.{name}")
    dataset.location = place.location
    dataset.default_table_expiration_ms = int(TABLES_LIVE.total_seconds() * 1000)
    dataset.labels = {LABEL: run or this_run()}
    client.create_dataset(dataset)
    return name


def drop(client: bigquery.Client, name: str) -> None:
    """Drop a dataset with all that is in it, if it is there."""
    client.delete_dataset(name, delete_contents=True, not_found_ok=True)


def of_run(client: bigquery.Client, run: str) -> list[str]:
    """The datasets that a run has made and not dropped yet."""
    return [name for name, owner in _all(client) if owner == run]


def leftovers(client: bigquery.Client) -> list[str]:
    """The datasets of runs that will never drop them."""
    return [name for name, owner in _all(client) if _is_old(name) or _is_dead(owner)]


def _all(client: bigquery.Client) -> list[tuple[str, str]]:
    """Name and run of each dataset of the tests. Whatever lacks name or label is somebody's own."""
    listed = client.list_datasets(filter=f"labels.{LABEL}", retry=_FIRST, timeout=_ANSWER_S)
    return [(item.dataset_id, item.labels[LABEL]) for item in listed
            if LABEL in item.labels and _NAME.fullmatch(item.dataset_id)]


def _is_old(name: str) -> bool:
    found = _NAME.fullmatch(name)
    return found is not None and datetime.strptime(found["at"], _TIME).replace(tzinfo=UTC) < datetime.now(UTC) - OLD


def _is_dead(run: str) -> bool:
    """Of another machine nothing is known."""
    machine, _, process = run.partition("-")
    pid, _, ticks = process.partition("-")
    return machine == _machine() and pid.isdecimal() and str(started_ticks(int(pid))) != ticks


def _machine() -> str:
    return sha256(socket.gethostname().encode()).hexdigest()[:8]

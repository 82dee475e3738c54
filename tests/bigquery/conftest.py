from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.bigquery import datasets
from tests.bigquery.answers import Compare
from tests.bigquery.ground import Ground
from tests.bigquery.place import Place


@contextmanager
def ground_on(place: Place) -> Iterator[Ground]:
    with closing(place.rest_client()) as rest, datasets.lent(place, rest) as dataset:
        write = place.write_client()
        try:
            yield Ground(place, dataset, rest, write)
        finally:
            write.transport.close()


@pytest.fixture(scope="session")
def ground(testbed: Place) -> Iterator[Ground]:
    """A dataset on the BigQuery of this run, for all checks of a process; each makes tables of its own in it."""
    with ground_on(testbed) as one:
        yield one


@pytest.fixture
def compare(request: pytest.FixtureRequest, testbed: Place) -> Compare:
    """Judges what a check has seen, and keeps it for the report."""
    name: str = request.node.name
    return Compare(name, is_service=testbed.is_service, properties=request.node.user_properties)

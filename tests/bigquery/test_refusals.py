"""The contract of failures: what BigQuery says is what `deliver.translate` and `deliver.grpc_status` take it for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from google.api_core.exceptions import GoogleAPICallError

from bqsync.deliver.translate import kind_of
from bqsync.errors import ErrorKind
from tests.bigquery.answers import Compare
from tests.bigquery.ground import Ground

pytestmark = pytest.mark.service


def nowhere(ground: Ground) -> str:
    """A table in a dataset that was never there."""
    return f"{ground.place.project}.{ground.dataset}_nowhere.t"


REFUSED: dict[str, tuple[Callable[[Ground], object], ErrorKind | None]] = {
    "reading a dataset that is not there": (
        lambda ground: ground.rest.get_dataset(f"{ground.dataset}_nowhere"), ErrorKind.BIGQUERY_DATASET_MISSING),
    "reading a table that is not there": (
        lambda ground: ground.rest.get_table(ground.name()), ErrorKind.BIGQUERY_NOT_FOUND),
    "reading a table in a dataset that is not there": (
        lambda ground: ground.rest.get_table(nowhere(ground)), ErrorKind.BIGQUERY_DATASET_MISSING),
    "listing the tables of a dataset that is not there": (
        lambda ground: list(ground.rest.list_tables(f"{ground.dataset}_nowhere")), ErrorKind.BIGQUERY_DATASET_MISSING),
    "making a table in a dataset that is not there": (
        lambda ground: ground.table(name=nowhere(ground), once=True), ErrorKind.BIGQUERY_DATASET_MISSING),
    "selecting from a table that is not there": (
        lambda ground: ground.run(f"SELECT * FROM `{ground.name()}`"), ErrorKind.BIGQUERY_NOT_FOUND),
    "selecting from a dataset that is not there": (
        lambda ground: ground.run(f"SELECT * FROM `{nowhere(ground)}`"), None),
    "a statement that is none": (
        lambda ground: ground.run("SELECT FROM WHERE"), ErrorKind.BIGQUERY_JOB_FAILED),
    "a column that is not there": (
        lambda ground: ground.run(f"SELECT nothing FROM `{ground.table()}`"), ErrorKind.BIGQUERY_JOB_FAILED),
    "a job that is not there": (
        lambda ground: ground.rest.get_job(ground.job_id()), ErrorKind.BIGQUERY_NOT_FOUND),
    "a stream onto a table that is not there": (
        lambda ground: ground.stream(ground.name(), is_new=False), ErrorKind.BIGQUERY_NOT_FOUND),
    "a stream onto a table in a dataset that is not there": (
        lambda ground: ground.stream(nowhere(ground), is_new=False), None),
}
"""Calls, and what their failure is; None where Google may hide what is not there behind a missing permission."""


@pytest.mark.parametrize("what", REFUSED)
def test_a_failure_is_taken_for_what_it_is(ground: Ground, compare: Compare, what: str) -> None:
    call, kind = REFUSED[what]
    try:
        call(ground)
        found = "no failure"
    except GoogleAPICallError as error:
        found = kind_of(error).value
    compare({"kind": found}, expected=None if kind is None else {"kind": kind.value})

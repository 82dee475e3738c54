"""The contract of jobs: an id is used once, whatever became of it, and every job can be looked up and is listed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from google.api_core.exceptions import GoogleAPICallError
from google.cloud import bigquery
from google.cloud.bigquery import QueryJob

from tests.bigquery.answers import Compare
from tests.bigquery.ground import Ground

pytestmark = pytest.mark.service

HOUR = timedelta(hours=1)
LONG = "SELECT SUM(MOD(a * b, 7)) FROM UNNEST(GENERATE_ARRAY(1, {n})) AS a, UNNEST(GENERATE_ARRAY(1, {n})) AS b"


def end_of(ground: Ground, statement: str, job_id: str) -> str:
    """Run a statement under an id: "ran", or HTTP status and reason of the refusal."""
    try:
        ground.run(statement, job_id=job_id)
    except GoogleAPICallError as error:
        return f"{error.code} {error.errors[0]['reason'] if error.errors else ''}"
    return "ran"


def job_of(ground: Ground, job_id: str) -> QueryJob:
    job = ground.rest.get_job(job_id)
    assert isinstance(job, QueryJob)
    return job


def test_an_id_that_was_used_is_refused_and_its_job_can_be_looked_up(ground: Ground, compare: Compare) -> None:
    table, job_id = ground.filled((1, "once")), ground.job_id()
    insert = f"INSERT INTO `{table}` (id, v) VALUES (2, 'twice')"
    ends = [end_of(ground, insert, job_id), end_of(ground, insert, job_id)]
    job = job_of(ground, job_id)
    compare({"ends": ends, "state": job.state, "text": job.query == insert, "rows": count(ground, table)},
            expected={"ends": ["ran", "409 duplicate"], "state": "DONE", "text": True, "rows": 2})


def count(ground: Ground, table: str) -> int:
    (row,) = ground.rows(f"SELECT COUNT(*) AS n FROM `{table}`")
    return int(row["n"])


def test_a_select_under_an_id_burns_it(ground: Ground, compare: Compare) -> None:
    """So a MERGE of which nothing is known can never run late."""
    table, job_id = ground.filled((1, "stays")), ground.job_id()
    ends = [end_of(ground, "SELECT 1", job_id), end_of(ground, f"DELETE FROM `{table}` WHERE TRUE", job_id)]
    is_first = job_of(ground, job_id).query == "SELECT 1"
    compare({"ends": ends, "the first has the id": is_first, "rows": ground.texts(table)},
            expected={"ends": ["ran", "409 duplicate"], "the first has the id": True, "rows": {1: "stays"}})


def test_the_id_of_a_job_that_failed_is_burnt_as_well(ground: Ground, compare: Compare) -> None:
    job_id = ground.job_id()
    fails = "SELECT ERROR('on purpose')"
    ends = [end_of(ground, fails, job_id), end_of(ground, "SELECT 1", job_id)]
    job = job_of(ground, job_id)
    compare({"ends": ends, "state": job.state, "reason": (job.error_result or {}).get("reason")},
            expected={"ends": ["400 invalidQuery", "409 duplicate"], "state": "DONE", "reason": "invalidQuery"})


def test_a_job_that_never_was_is_not_found(ground: Ground, compare: Compare) -> None:
    with pytest.raises(GoogleAPICallError) as refused:
        job_of(ground, ground.job_id())
    compare({"status": refused.value.code, "reason": refused.value.errors[0]["reason"]},
            expected={"status": 404, "reason": "notFound"})


def test_a_job_that_runs_can_be_cancelled(ground: Ground, compare: Compare) -> None:
    # The emulator answers a submission when the job has ended, so there it is a short one.
    size = 200_000 if ground.place.endpoints is None else 2
    job = ground.rest.query(LONG.format(n=size), job_id=ground.job_id(), job_retry=None)
    job.cancel()
    try:
        job.result(job_retry=None)
        end = "ran"
    except GoogleAPICallError:
        end = str((job.error_result or {}).get("reason"))
    compare({"end": end, "state": job.state}, expected={"end": "stopped", "state": "DONE"})


def test_jobs_are_listed_newest_first_and_from_a_time_on(ground: Ground, compare: Compare) -> None:
    """As `deliver.history` looks for MERGEs that the state does not know."""
    ids = [ground.job_id(), ground.job_id()]
    jobs = [ground.run("SELECT 1", job_id=job_id) for job_id in ids]
    assert jobs[0].created is not None
    listed = names(ground, jobs[0].created)
    later = names(ground, datetime.now(UTC) + HOUR)
    compare({"order": [ids.index(name) for name in listed if name in ids], "later": set(ids) <= set(later)},
            expected={"order": [1, 0], "later": False})


def names(ground: Ground, since: datetime) -> list[str]:
    return [str(job.job_id) for job in ground.rest.list_jobs(max_results=200, min_creation_time=since)]


def test_jobs_are_stamped_by_the_clock_that_statements_see(ground: Ground, compare: Compare) -> None:
    ((before,),) = (row.values() for row in ground.rows("SELECT CURRENT_TIMESTAMP() AS now"))
    job = ground.run("SELECT 1")
    ((after,),) = (row.values() for row in ground.rows("SELECT CURRENT_TIMESTAMP() AS now"))
    assert job.created is not None
    # Stamps have no parts of a millisecond.
    compare({"in order": before - timedelta(milliseconds=1) <= job.created <= after}, expected={"in order": True})


def test_a_dry_run_tells_bytes_and_changes_nothing(ground: Ground, compare: Compare) -> None:
    table = ground.filled((1, "a"), (2, "b"))
    dry = bigquery.QueryJobConfig(dry_run=True)
    job = ground.rest.query(f"DELETE FROM `{table}` WHERE id = 1", job_config=dry, job_retry=None)
    compare({"bytes": bool(job.total_bytes_processed), "rows": count(ground, table)},
            expected={"bytes": True, "rows": 2})


def test_a_statement_is_billed_with_ten_megabytes_at_least(ground: Ground, compare: Compare) -> None:
    """What `docs/testing.md` reckons with. Source: https://cloud.google.com/bigquery/pricing#on_demand_pricing"""
    job = ground.run(f"SELECT * FROM `{ground.filled((1, 'a'))}`")
    compare({"bytes": job.total_bytes_billed}, expected={"bytes": 10 * 1024 * 1024})

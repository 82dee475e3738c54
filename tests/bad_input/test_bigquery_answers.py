"""What BigQuery's REST interface may answer: what passes is tried again, what does not is told with the next step."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.bad_input.command import SENTINEL, run
from tests.hostile.actions import Delay, Method, Reset, RestFailure, Underway, When
from tests.hostile.proxy import HostileBigQuery
from tests.workbench import Workbench

from bqsync.config import BigQuerySection
from bqsync.deliver.clients import Destination, connect
from bqsync.deliver.retry import Policy
from bqsync.deliver.target import check_dataset
from bqsync.embedded import Endpoints
from bqsync.errors import RULES, BqsyncError, ErrorKind

ROLES = ("roles/bigquery.jobUser", "roles/bigquery.dataEditor")


def denied(message: str) -> RestFailure:
    return RestFailure(status=403, reason="accessDenied", message=f"Access Denied: {message}")


@pytest.mark.parametrize(("method", "failure", "words"), [
    (Method.DATASETS_GET, denied("Dataset demo:x: Permission bigquery.datasets.get denied"),
     ("datasets.get", "read dataset")),
    (Method.TABLES_INSERT, denied("Dataset demo:x: Permission bigquery.tables.create denied"),
     ("tables.create", "things")),
    (Method.JOBS_INSERT, denied("Project demo: User does not have bigquery.jobs.create permission"),
     ("jobs.create", "submit")),
    (Method.JOBS_INSERT, RestFailure(status=403, reason="billingNotEnabled", message="Billing has not been enabled"),
     ("billing",)),
])
def test_a_missing_permission_names_the_roles_to_grant(
    relayed: Workbench, hostile: HostileBigQuery, method: Method, failure: RestFailure, words: tuple[str, ...],
) -> None:
    hostile.rule(method, failure)
    run(relayed.folder, "sync", "things").told(77, "E306", *ROLES, *words)
    assert len(hostile.matching(method)) == 1, "a refusal is not tried again"


def test_refused_credentials_are_told_as_such(relayed: Workbench, hostile: HostileBigQuery) -> None:
    hostile.rule(Method.DATASETS_GET, RestFailure(
        status=401, reason="authError", message="Request had invalid authentication credentials."))
    run(relayed.folder, "sync").told(77, "E307", "read dataset", "GOOGLE_APPLICATION_CREDENTIALS")


def test_a_dataset_in_another_location_is_told_with_the_location(relayed: Workbench, hostile: HostileBigQuery) -> None:
    hostile.rule(Method.JOBS_INSERT, RestFailure(status=404, reason="notFound", location="US", message=(
        f"Not found: Dataset demo:{relayed.dataset} was not found in location US")))
    run(relayed.folder, "sync", "things").told(78, "E309", relayed.dataset, "was not found in location US",
                                               "bigquery.location")


@contextmanager
def destination_at(endpoints: Endpoints) -> Iterator[Destination]:
    """The clients as a command makes them, but for the time that they spend on an endpoint that is none."""
    section = BigQuerySection(project="demo", dataset="nowhere", location="EU", rest_endpoint=endpoints.rest,
                              grpc_endpoint=endpoints.grpc)
    destination = connect(section, Policy(connect_budget_s=0.2))
    yield destination
    destination.close()


def test_a_dataset_that_is_missing_in_a_real_project_is_not_made_but_told_with_its_command(
    emulator: Endpoints, hostile: HostileBigQuery,
) -> None:
    endpoints = Endpoints(rest=hostile.endpoints.rest, grpc=emulator.grpc)
    with destination_at(endpoints) as destination, pytest.raises(BqsyncError, match="does not exist") as raised:
        check_dataset(destination, create=False)
    assert "demo.nowhere" in raised.value.what
    assert RULES[raised.value.kind].exit_code == 78
    assert "bq --location=EU mk --dataset demo:nowhere" in raised.value.fix
    assert not hostile.matching(Method.ANY, "POST ")


def test_an_endpoint_that_accepts_and_says_nothing_ends_the_command_soon(
    relayed: Workbench, hostile: HostileBigQuery,
) -> None:
    """Within ten seconds beyond its start, in one of three attempts: the machine may stand still in the others."""
    hostile.rule(Method.ANY, Delay(60.0))
    longer_s: list[float] = []
    while len(longer_s) < 3 and min(longer_s, default=10.0) >= 10.0:
        begun = time.monotonic()
        assert run(relayed.folder, "check", "--offline").code == 0
        start_up_s = time.monotonic() - begun
        done = run(relayed.folder, "sync")
        done.told(69, "E301", hostile.endpoints.rest.removeprefix("http://"), "did not answer")
        longer_s.append(time.monotonic() - begun - 2 * start_up_s)
    assert min(longer_s) < 10.0


@pytest.mark.parametrize(("failure", "code", "times"), [
    (RestFailure(status=403, reason="rateLimitExceeded", message="Exceeded rate limits: too many requests"), "E303", 2),
    (RestFailure(status=503, reason="backendError", message="Error encountered during execution. Retry."), "E302", 3),
    (RestFailure(status=500, reason="internalError", message="An internal error occurred."), "E302", 1),
    (Reset(), "E302", 2),
])
def test_what_passes_is_tried_again_and_logged(
    relayed: Workbench, hostile: HostileBigQuery, failure: RestFailure | Reset, code: str, times: int,
) -> None:
    hostile.rule(Method.TABLES_INSERT, failure, times=times)
    done = run(relayed.folder, "sync", "things", "--log-level", "debug")
    assert done.code == 0, done.errors
    retries = done.events("retry.scheduled")
    assert [(event["code"], event["attempt"]) for event in retries] == [(code, n + 1) for n in range(times)]
    assert [event["level"] for event in retries] == ["warning", *["debug"] * (times - 1)], "one line a minute"
    assert len(relayed.rows("things", "id")) == 3


def test_a_quota_that_is_used_up_is_told_and_not_hammered(relayed: Workbench, hostile: HostileBigQuery) -> None:
    hostile.rule(Method.JOBS_INSERT, RestFailure(
        status=403, reason="quotaExceeded", message="Quota exceeded: Your project exceeded quota for query usage"))
    run(relayed.folder, "sync", "things").told(69, "E304", "Quota exceeded", "submit", "Wait until the quota")
    assert len(hostile.matching(Method.JOBS_INSERT)) == 1


def test_a_submission_whose_answer_is_lost_is_repeated_under_the_same_id(
    relayed: Workbench, hostile: HostileBigQuery,
) -> None:
    hostile.rule(Method.JOBS_INSERT, Reset(When.AFTER), holding="MERGE", times=1)
    done = run(relayed.folder, "sync", "things")
    assert done.code == 0, done.errors
    assert [event["code"] for event in done.events("retry.scheduled")] == ["E302"]
    ids = {json.loads(call.body)["jobReference"]["jobId"] for call in hostile.matching(Method.JOBS_INSERT, "MERGE")}
    assert (len(hostile.matching(Method.JOBS_INSERT, "MERGE")), len(ids)) == (2, 1)
    assert len(hostile.matching(Method.JOBS_GET, ids.pop())) == 1, "it is looked up instead"
    assert [row["name"] for row in relayed.rows("things", "id")] == [f"{SENTINEL} {n}" for n in range(3)]


def test_a_cycle_that_loses_its_job_settles_it_before_the_next_merge(
    relayed: Workbench, hostile: HostileBigQuery,
) -> None:
    hostile.rule(Method.JOBS_INSERT, Underway(), holding="MERGE")
    refused = denied("Job demo:US.j: Permission bigquery.jobs.get denied")
    hostile.rule(Method.JOBS_GET_QUERY_RESULTS, refused, times=1)
    hostile.rule(Method.JOBS_GET, refused, times=1)
    run(relayed.folder, "sync", "things").told(77, "E306", *ROLES)
    done = run(relayed.folder, "sync", "things")
    assert done.code == 0, done.errors
    (settled,) = done.events("intent.settled")
    assert (settled["table"], settled["outcome"]) == ("things", "done")
    assert len(relayed.rows("things", "id")) == 3


def test_what_one_table_meets_does_not_stop_the_other(relayed: Workbench, hostile: HostileBigQuery) -> None:
    hostile.rule(Method.TABLES_INSERT, denied("Table demo:x.others"), holding='"others"')
    run(relayed.folder, "sync").told(77, "E306", "others")
    assert len(relayed.rows("things", "id")) == 3


@pytest.mark.parametrize("answer", [
    RestFailure(status=200, reason="", message="{}"), RestFailure(status=200, reason="", message="[]"),
    RestFailure(status=200, reason="", message="<html>Welcome to the guest network</html>"),
    RestFailure(status=407, reason="", message="<html>Proxy Authentication Required</html>"),
])
def test_what_is_not_bigquery_is_told_as_such(
    emulator: Endpoints, hostile: HostileBigQuery, answer: RestFailure,
) -> None:
    hostile.rule(Method.ANY, answer)
    endpoints = Endpoints(rest=hostile.endpoints.rest, grpc=emulator.grpc)
    with destination_at(endpoints) as destination, pytest.raises(BqsyncError, match="Could not read dataset") as raised:
        check_dataset(destination, create=True)
    assert raised.value.kind is ErrorKind.BIGQUERY_UNREACHABLE
    assert "not BigQuery" in raised.value.why or "Proxy" in raised.value.why
    assert not hostile.matching(Method.ANY, "POST ")


def test_endpoints_that_are_swapped_are_told_soon(emulator: Endpoints) -> None:
    swapped = Endpoints(rest=f"http://{emulator.grpc}", grpc=emulator.rest.removeprefix("http://"))
    with destination_at(swapped) as destination, pytest.raises(BqsyncError, match="Could not read dataset") as raised:
        check_dataset(destination, create=True)
    assert (raised.value.kind, raised.value.why) == (
        ErrorKind.BIGQUERY_UNREACHABLE, "what answers there is not BigQuery")
    assert "endpoints under [bigquery]" in raised.value.fix

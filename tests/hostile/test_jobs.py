"""Jobs under a proxy: an id counts once, and a submission may arrive late, twice or never."""

from __future__ import annotations

import threading

import pytest
import requests
from tests.hostile.actions import FailJob, Method, RestFailure, RunLate, RunTwice
from tests.hostile.job_book import Fate
from tests.hostile.proxy import HostileBigQuery
from tests.hostile.wire import Wire

from bqsync.embedded import Endpoints

INSERT = "INSERT INTO {d}.t (v) VALUES ('a')"
MERGE = "MERGE {d}.t AS T USING (SELECT 'm' AS v) AS S ON T.v = S.v WHEN NOT MATCHED THEN INSERT (v) VALUES (S.v)"


def test_an_id_that_was_used_is_refused_and_the_job_does_not_run_again(wire: Wire, emulated: Wire) -> None:
    assert wire.submit(INSERT, "job_1").ok
    again = wire.submit(INSERT, "job_1")
    assert (again.status_code, again.json()["error"]["errors"][0]["reason"]) == (409, "duplicate")
    assert "Already Exists: Job demo:EU.job_1" in again.json()["error"]["message"]
    assert emulated.values("t") == ["a"]
    assert wire.submit(INSERT).ok
    assert wire.submit(INSERT).ok, "BigQuery makes up the ids of these"


def test_a_failed_job_has_used_its_id_too(wire: Wire) -> None:
    wire.submit("SELECT * FROM {d}.missing", "job_1")
    assert wire.submit("SELECT 1", "job_1").status_code == 409


def test_a_job_is_made_to_fail_and_every_method_says_so(
    wire: Wire, emulated: Wire, hostile: HostileBigQuery,
) -> None:
    hostile.rule(Method.JOBS_INSERT, FailJob(reason="invalidQuery", message="as scripted"), times=1)
    for resource in (wire.submit(INSERT, "job_5").json(), wire.get("/jobs/job_5").json()):
        assert (resource["jobReference"]["jobId"], resource["status"]["state"]) == ("job_5", "DONE")
        assert resource["status"]["errorResult"] == {"reason": "invalidQuery", "message": "as scripted"}
    results = wire.get("/queries/job_5")
    assert (results.status_code, results.json()["error"]["message"]) == (400, "as scripted")
    assert wire.submit(INSERT, "job_5").status_code == 409
    assert emulated.values("t") == []


def test_the_book_of_jobs_can_be_left_to_the_emulator(emulator: Endpoints, emulated: Wire) -> None:
    lax = HostileBigQuery(emulator, strict_jobs=False)
    wire = Wire(lax.endpoints, emulated.dataset)
    assert [wire.submit(INSERT, "job_2").status_code for _ in range(2)] == [200, 200]
    assert emulated.values("t") == ["a", "a"]
    wire.close()
    lax.stop()


def test_merges_are_noted_when_they_took_effect(wire: Wire, hostile: HostileBigQuery) -> None:
    wire.submit(MERGE, "job_3")
    wire.submit(MERGE, "job_3")
    wire.submit(MERGE.replace("{d}.t", "{d}.missing"), "job_4")
    wire.submit(INSERT)
    assert [text.partition(" AS ")[0] for text in hostile.merges] == [f"MERGE `demo`.`{wire.dataset}`.t"]


def test_a_job_runs_twice_and_one_answer_is_given(wire: Wire, emulated: Wire, hostile: HostileBigQuery) -> None:
    hostile.rule(Method.JOBS_INSERT, RunTwice())
    assert wire.submit(INSERT, "job_5").json()["status"]["state"] == "DONE"
    assert emulated.values("t") == ["a", "a"]
    wire.submit(MERGE, "job_6")
    assert len(hostile.merges) == 2


def submit_late(wire: Wire, hostile: HostileBigQuery, late: RunLate, job_id: str) -> None:
    hostile.rule(Method.JOBS_INSERT, late, times=1)
    with pytest.raises(requests.ConnectionError):
        wire.submit(INSERT, job_id)


def test_a_job_that_is_late_is_unknown_until_it_arrives(wire: Wire, emulated: Wire, hostile: HostileBigQuery) -> None:
    submit_late(wire, hostile, RunLate(), "late_1")
    assert hostile.held_jobs == ["late_1"]
    assert (wire.get("/jobs/late_1").status_code, emulated.values("t")) == (404, [])
    assert [(released.job_id, released.fate) for released in hostile.release()] == [("late_1", Fate.RAN)]
    assert (wire.get("/jobs/late_1").json()["status"]["state"], emulated.values("t")) == ("DONE", ["a"])
    assert hostile.release() == []


def test_a_job_that_is_late_is_refused_if_its_id_was_used_meanwhile(
    wire: Wire, emulated: Wire, hostile: HostileBigQuery,
) -> None:
    submit_late(wire, hostile, RunLate(), "late_2")
    assert wire.submit("SELECT 1", "late_2").ok
    assert [released.fate for released in hostile.release()] == [Fate.REFUSED]
    assert emulated.values("t") == []


def test_jobs_that_are_late_arrive_in_order(wire: Wire, emulated: Wire, hostile: HostileBigQuery) -> None:
    hostile.rule(Method.JOBS_INSERT, RunLate(answer=RestFailure(status=503, reason="backendError", message="?")))
    statements = ("UPDATE {d}.t SET v = 'b' WHERE TRUE", INSERT, "INSERT INTO {d}.missing (v) VALUES ('a')")
    assert [wire.submit(text, f"late_3{n}").status_code for n, text in enumerate(statements)] == [503] * 3
    assert [released.fate for released in hostile.release()] == [Fate.RAN, Fate.RAN, Fate.FAILED]
    assert emulated.values("t") == ["a"]


def test_a_late_job_that_is_visible_runs_until_it_is_released(
    wire: Wire, emulated: Wire, hostile: HostileBigQuery,
) -> None:
    submit_late(wire, hostile, RunLate(visible=True), "late_4")
    assert wire.submit("SELECT 1", "late_4").status_code == 409, "it exists"
    assert wire.get("/jobs/late_4").json()["status"] == {"state": "RUNNING"}
    assert wire.get("/queries/late_4?timeoutMs=10").json()["jobComplete"] is False
    assert emulated.values("t") == []

    threading.Timer(0.2, hostile.release).start()
    assert wire.get("/queries/late_4").json()["jobComplete"] is True, "it waits for the end"
    assert (wire.get("/jobs/late_4").json()["status"]["state"], emulated.values("t")) == ("DONE", ["a"])


def test_who_dies_while_a_job_is_waited_for_hears_nothing_more(wire: Wire, hostile: HostileBigQuery) -> None:
    submit_late(wire, hostile, RunLate(visible=True), "late_7")
    threading.Timer(0.2, setattr, (hostile, "dead", True)).start()
    with pytest.raises(requests.ConnectionError):
        wire.get("/queries/late_7")


def test_a_job_that_is_lost_never_runs(wire: Wire, emulated: Wire, hostile: HostileBigQuery) -> None:
    submit_late(wire, hostile, RunLate(never=True), "late_5")
    assert (hostile.release(), hostile.held_jobs, emulated.values("t")) == ([], [], [])


def test_a_reset_forgets_jobs(wire: Wire, hostile: HostileBigQuery) -> None:
    submit_late(wire, hostile, RunLate(), "late_6")
    wire.submit("SELECT 1", "job_7")
    hostile.reset()
    assert (hostile.release(), wire.submit("SELECT 1", "job_7").status_code) == ([], 200)

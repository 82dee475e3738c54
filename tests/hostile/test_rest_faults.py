"""What each action does to a REST call, seen from the wire."""

from __future__ import annotations

import random
import threading
import time

import pytest
import requests
from tests.daemon.life import wait_until
from tests.hostile.actions import Action, Delay, Duplicate, Method, Reset, RestFailure, RunTwice, Truncate, When
from tests.hostile.proxy import HostileBigQuery
from tests.hostile.wire import Wire

BUSY = RestFailure(status=503, reason="backendError", message="Try again.", location="US")
TABLE = "/datasets/{d}/tables/new"


def has_table(emulated: Wire, table: str = "new") -> bool:
    return emulated.get(f"/datasets/{emulated.dataset}/tables/{table}").ok


def test_without_rules_it_is_the_emulator(wire: Wire, emulated: Wire, hostile: HostileBigQuery) -> None:
    for path in (f"/datasets/{wire.dataset}", f"/datasets/{wire.dataset}/tables", "/datasets/none", "/nonsense"):
        through, straight = wire.get(path), emulated.get(path)
        assert (through.status_code, through.content) == (straight.status_code, straight.content)
        assert through.headers["Content-Type"] == straight.headers["Content-Type"]
    assert wire.create_table("new").ok
    assert has_table(emulated)
    assert [call.method for call in hostile.calls] == [
        Method.DATASETS_GET, Method.TABLES_LIST, Method.DATASETS_GET, Method.OTHER_REST, Method.TABLES_INSERT]
    assert '"tableId": "new"' in hostile.matching(Method.TABLES_INSERT)[0].body


@pytest.mark.parametrize(("verb", "path", "method"), [
    ("POST", "/datasets", Method.DATASETS_INSERT),
    ("GET", "/datasets/d/tables/t", Method.TABLES_GET),
    ("DELETE", "/datasets/d/tables/t", Method.TABLES_DELETE),
    ("PATCH", "/datasets/d/tables/t", Method.TABLES_PATCH),
    ("GET", "/datasets/d/tables/t/data", Method.TABLEDATA_LIST),
    ("POST", "/jobs", Method.JOBS_INSERT),
    ("GET", "/jobs/j", Method.JOBS_GET),
    ("POST", "/jobs/j/cancel", Method.JOBS_CANCEL),
    ("POST", "/queries", Method.JOBS_QUERY),
    ("GET", "/queries/j", Method.JOBS_GET_QUERY_RESULTS),
])
def test_every_method_is_known_by_its_verb_and_path(
    hostile: HostileBigQuery, verb: str, path: str, method: Method,
) -> None:
    hostile.rule(method, BUSY)
    url = f"{hostile.endpoints.rest}/bigquery/v2/projects/demo{path}?prettyPrint=false"
    with requests.Session() as session:
        session.trust_env = False
        assert session.request(verb, url, timeout=10).status_code == 503
    assert [call.method for call in hostile.calls] == [method]


def test_a_failure_has_the_form_of_bigquerys_and_nothing_is_done(wire: Wire, emulated: Wire,
                                                                hostile: HostileBigQuery) -> None:
    hostile.rule(Method.TABLES_INSERT, BUSY)
    answer = wire.create_table("new")
    assert answer.status_code == 503
    assert answer.json()["error"]["errors"] == [{
        "message": "Try again.", "domain": "global", "reason": "backendError", "location": "US",
        "locationType": "other"}]
    assert not has_table(emulated)


def test_a_failure_without_a_reason_is_its_message(wire: Wire, hostile: HostileBigQuery) -> None:
    hostile.rule(Method.ANY, RestFailure(status=407, reason="", message="<html>"))
    assert (wire.get("/datasets").status_code, wire.get("/datasets").text) == (407, "<html>")


@pytest.mark.parametrize(("when", "done"), [(When.BEFORE, False), (When.AFTER, True)])
def test_a_connection_is_reset_on_either_side_of_the_effect(
    wire: Wire, emulated: Wire, hostile: HostileBigQuery, when: When, done: bool,
) -> None:
    hostile.rule(Method.TABLES_INSERT, Reset(when))
    with pytest.raises(requests.ConnectionError, match="reset"):
        wire.create_table("new")
    assert has_table(emulated) is done


def test_half_of_an_answer_arrives_and_the_whole_is_done(
    wire: Wire, emulated: Wire, hostile: HostileBigQuery,
) -> None:
    hostile.rule(Method.TABLES_INSERT, Truncate())
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        wire.create_table("new")
    assert has_table(emulated)


def test_a_delay_holds_a_request_back(wire: Wire, emulated: Wire, hostile: HostileBigQuery) -> None:
    hostile.rule(Method.TABLES_INSERT, Delay(0.5))
    begun = time.monotonic()
    assert wire.create_table("new").ok
    assert time.monotonic() >= begun + 0.5
    assert has_table(emulated)


@pytest.mark.parametrize("end", ["stop", "reset", "die"])
def test_a_delay_ends_early_and_without_effect(
    wire: Wire, emulated: Wire, hostile: HostileBigQuery, end: str,
) -> None:
    rule = hostile.rule(Method.TABLES_INSERT, Delay(60.0))
    lost: list[requests.ConnectionError] = []

    def create() -> None:
        try:
            wire.create_table("new")
        except requests.ConnectionError as error:
            lost.append(error)

    thread = threading.Thread(target=create)
    thread.start()
    while not rule.fired:
        time.sleep(0.01)
    if end == "die":
        hostile.dead = True
    else:
        getattr(hostile, end)()
    thread.join(30)
    assert len(lost) == 1
    assert not has_table(emulated)


def test_a_rule_counts_and_lasts_as_it_says(wire: Wire, hostile: HostileBigQuery) -> None:
    rule = hostile.rule(Method.TABLES_GET, BUSY, first=2, times=2, holding="/tables/t")
    later = hostile.rule(Method.TABLES_GET, RestFailure(status=404, reason="notFound", message="no"), first=3, times=2)
    wire.get(f"/datasets/{wire.dataset}/tables/other")
    wire.get(f"/datasets/{wire.dataset}")
    answers = [wire.get(f"/datasets/{wire.dataset}/tables/t").status_code for _ in range(5)]
    assert answers == [200, 503, 503, 200, 200], "the first rule that applies decides"
    assert (rule.seen, rule.fired, later.seen, later.fired) == (5, 2, 6, 0)
    hostile.drop(rule)
    wire.get(f"/datasets/{wire.dataset}/tables/t")
    assert rule.seen == 5


def test_a_rule_ends_as_it_began_when_another_decides(wire: Wire, hostile: HostileBigQuery) -> None:
    later = hostile.rule(Method.TABLES_GET, BUSY, first=2, times=1)
    assert [wire.get(f"/datasets/{wire.dataset}/tables/t").status_code for _ in range(3)] == [200, 503, 200]
    assert (later.seen, later.fired) == (3, 1)


def test_a_rule_may_meet_a_share_of_the_calls(wire: Wire, hostile: HostileBigQuery) -> None:
    rule = hostile.rule(Method.TABLES_GET, BUSY, share=0.5, rng=random.Random(1))
    answers = [wire.get(f"/datasets/{wire.dataset}/tables/t").status_code for _ in range(20)]
    dice = random.Random(1)
    assert answers == [503 if dice.random() < 0.5 else 200 for _ in range(20)]
    assert (rule.seen, rule.fired) == (20, answers.count(503))


def test_a_request_is_under_way_though_its_client_has_gone(wire: Wire, hostile: HostileBigQuery) -> None:
    hostile.rule(Method.TABLES_INSERT, Delay(60.0))
    with pytest.raises(requests.ReadTimeout):
        requests.post(f"{hostile.endpoints.rest}/bigquery/v2/projects/demo/datasets/x/tables", json={}, timeout=0.5)
    assert not hostile.is_idle
    hostile.reset()
    wait_until(lambda: hostile.is_idle, "its end")


def test_records_can_be_forgotten_while_rules_stay(wire: Wire, hostile: HostileBigQuery) -> None:
    hostile.rule(Method.ANY, BUSY)
    for _ in range(2):
        assert wire.get("/datasets").status_code == 503
        assert len(hostile.calls) == 1
        hostile.forget()
        assert hostile.calls == []


@pytest.mark.parametrize(("method", "action"), [
    (Method.TABLES_GET, Duplicate()), (Method.TABLES_GET, RunTwice()), (Method.APPEND_ROWS, BUSY),
    (Method.CREATE_WRITE_STREAM, Truncate()),
])
def test_an_action_that_a_method_does_not_know_is_refused(
    hostile: HostileBigQuery, method: Method, action: Action,
) -> None:
    with pytest.raises(ValueError, match="nothing that can happen"):
        hostile.rule(method, action)


def test_the_dead_have_no_effect_and_may_live_again(wire: Wire, emulated: Wire, hostile: HostileBigQuery) -> None:
    hostile.dead = True
    with pytest.raises(requests.ConnectionError):
        wire.create_table("new")
    assert (hostile.calls, has_table(emulated)) == ([], False)
    hostile.dead = False
    assert wire.create_table("new").ok


def test_who_dies_in_a_call_has_no_effect_with_it(wire: Wire, emulated: Wire, hostile: HostileBigQuery) -> None:
    hostile.on_call(lambda call: setattr(hostile, "dead", call.method is Method.TABLES_INSERT))
    with pytest.raises(requests.ConnectionError):
        wire.create_table("new")
    assert not has_table(emulated)


def test_a_reset_forgets_everything(wire: Wire, hostile: HostileBigQuery) -> None:
    told: list[object] = []
    hostile.on_call(told.append)
    hostile.rule(Method.ANY, BUSY)
    assert wire.get("/datasets").status_code == 503
    hostile.dead = True
    hostile.reset()
    assert wire.get("/datasets").ok
    assert (len(told), len(hostile.calls), hostile.appended, hostile.merges) == (1, 1, [], [])

"""What a running daemon tells those who ask it: by HTTP, by its control socket, over reloads, restarts and a kill."""

from __future__ import annotations

import json
import re
import signal
import socket
from http.client import HTTPConnection

from tests.daemon.conftest import Start
from tests.daemon.hold import held
from tests.daemon.life import PATIENCE_S, Life
from tests.daemon.relay import Relay
from tests.daemon.tables import AT, MARKED, PLAIN, QUICK, configure, fill, wait_equal
from tests.hostile.actions import Method
from tests.hostile.proxy import HostileBigQuery
from tests.workbench import ROOT, Workbench

from bqsync.observe.control import ask, control_socket
from bqsync.observe.snapshot import Snapshot, decode

PAGE = (ROOT / "docs" / "status.md").read_text(encoding="utf-8")


def http(listen: str) -> str:
    return f'[http]\nlisten = "{listen}"\nready_within = "1 s"\n'


def get(address: str, path: str) -> tuple[int, str]:
    host, _, port = address.rpartition(":")
    connection = HTTPConnection(host.strip("[]"), int(port), timeout=PATIENCE_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def told(bench: Workbench) -> Snapshot:
    found = ask(control_socket(bench.state_path))
    assert found is not None
    return found


def is_ready(address: str) -> bool:
    return get(address, "/readyz") == (200, "ok\n")


def test_a_daemon_tells_what_it_is_about(hostile_bench: Workbench, hostile: HostileBigQuery, start: Start) -> None:
    bench = hostile_bench
    fill(bench)
    bench.db.execute("INSERT INTO plain VALUES (99, x'ff')")
    configure(bench, MARKED + PLAIN, extra=QUICK + http("127.0.0.1:0"))
    life = start(bench).ready()
    address = life.wait("http.listening")["address"]
    assert get(address, "/healthz") == (200, "ok\n")
    assert set(get(address, "/nowhere")[1].splitlines()[1:]) == set(re.findall(r"^\| `(/.*?)` \|", PAGE, re.MULTILINE))
    life.wait_until(lambda: is_ready(address), "the first copies")

    with held(hostile, Method.JOBS_INSERT, "MERGE"):
        bench.db.execute("INSERT INTO marked VALUES (50, 'waits', ?)", (AT + 50,))
        life.wait_until(lambda: "marked: behind for" in get(address, "/readyz")[1], "a change that waits too long")
        assert get(address, "/readyz")[0] == 503
        assert get(address, "/healthz")[0] == 200
        waiting = told(bench)
        assert waiting.table("marked").lag_s[-1] >= 1
    life.wait_until(lambda: is_ready(address), "no change that waits")

    life.wait_until(lambda: told(bench).table("marked").cycles[0].rows_upserted == 1, "a cycle that is remembered")
    snapshot = told(bench)
    marked = snapshot.table("marked")
    assert (marked.cycles[0].rows_upserted, marked.cycles[0].code) == (1, None)
    assert marked.cycles[0].lag_s is not None
    assert max(marked.lag_s) >= 1
    assert [one.rows_quarantined for one in snapshot.table("plain").cycles if one.rows_quarantined] == [1]
    assert snapshot.report.pid == life.process.pid
    served = decode(get(address, "/status.json")[1].encode())
    assert served is not None
    assert served.report.tables[1].quarantined == 1
    status, page = get(address, "/")
    assert (status, "1 in quarantine" in page) == (200, True)

    with held(hostile, Method.JOBS_INSERT, "MERGE") as merges:
        bench.db.execute("INSERT INTO marked VALUES (51, 'ends while a reload waits', ?)", (AT + 51,))
        life.wait_until(lambda: merges.arrived, "a cycle under way")
        life.process.send_signal(signal.SIGHUP)
        life.wait_until(lambda: life.manager.texts("RELOADING=1"), "a reload")
    life.wait("daemon.reloaded")
    assert [one.rows_upserted for one in told(bench).table("marked").cycles[:2]] == [1, 1]
    life.wait_until(lambda: is_ready(address), "the next session")

    away = bench.db_path.rename(bench.folder / "away.db")
    life.wait_until(lambda: "E201" in get(address, "/readyz")[1], "no database")
    life.wait_until(lambda: "Nothing can be read" in get(address, "/")[1], "a page that says so")
    assert ("E201", None) in {(one.code, one.table) for one in told(bench).history.failures}
    away.rename(bench.db_path)
    life.wait_until(lambda: is_ready(address), "a database again")
    assert life.end() == 0
    assert not control_socket(bench.state_path).exists()
    assert life.errors == ""


def test_where_it_serves_follows_a_reload_and_a_port_that_is_taken_stops_nothing(
    workbench: Workbench, start: Start,
) -> None:
    fill(workbench)
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        configure(workbench, PLAIN, extra=QUICK + http(taken))
        life = start(workbench).ready()
        unavailable = life.wait("http.unavailable")
        assert taken in unavailable["what"]
        assert "reload" in unavailable["fix"]
        wait_equal(life, workbench, "plain")
    assert life.wait("http.listening")["address"] == taken
    assert len(life.events("http.unavailable")) == 1
    life.wait_until(lambda: get(taken, "/healthz")[0] == 200, "the port that is free now")

    configure(workbench, PLAIN, extra=QUICK + http("127.0.0.1:0"))
    life.reload()
    other_address = life.wait("http.listening", 2)["address"]
    assert get(other_address, "/healthz")[0] == 200
    assert not answers(taken)
    assert told(workbench).report.tables[0].name == "plain"

    configure(workbench, PLAIN + MARKED, extra=QUICK)
    life.reload()
    assert not answers(other_address)
    life.wait_until(lambda: len(told(workbench).report.tables) == 2, "what is told of both tables")
    life.kill()

    assert control_socket(workbench.state_path).exists()
    again = start(workbench).ready()
    assert told(workbench).report.pid == again.process.pid
    assert json.dumps(again.lines).count("control.unavailable") == 0
    assert again.end() == 0


def answers(address: str) -> bool:
    try:
        return bool(get(address, "/healthz"))
    except OSError:
        return False


def test_a_reload_in_an_outage_makes_no_change_forgotten(workbench: Workbench, start: Start, relay: Relay) -> None:
    fill(workbench)
    relay.open()
    workbench.endpoints, direct = relay.endpoints, workbench.endpoints
    configure(workbench, PLAIN, extra=QUICK + http("127.0.0.1:0"))
    life = start(workbench).ready()
    address = life.wait("http.listening")["address"]
    life.wait_until(lambda: is_ready(address), "the first copy")
    relay.close()
    workbench.db.execute("INSERT INTO plain VALUES (50, 'during')")
    life.wait_until(lambda: "plain: behind for" in get(address, "/readyz")[1], "a change that waits too long")
    before = told(workbench).report.tables[0].live
    assert before is not None

    life.reload()
    life.wait("daemon.reloaded")
    _, reasons = get(address, "/readyz")
    assert "BigQuery has not answered since" in reasons
    assert "plain: behind for" in reasons
    after = told(workbench).report.tables[0].live
    assert after is not None
    assert (after.pending_since_us, after.lag_s > before.lag_s) == (before.pending_since_us, True)

    relay.open()
    life.wait_until(lambda: is_ready(address), "the change is delivered")
    workbench.endpoints = direct
    wait_equal(life, workbench, "plain")
    assert life.end() == 0


def test_a_control_socket_that_cannot_be_made_stops_nothing(workbench: Workbench, start: Start) -> None:
    fill(workbench)
    configure(workbench, PLAIN)
    workbench.state_path.parent.mkdir()
    control_socket(workbench.state_path).mkdir()
    life: Life = start(workbench).ready()
    assert life.wait("control.unavailable")["why"]
    wait_equal(life, workbench, "plain")
    assert life.end() == 0

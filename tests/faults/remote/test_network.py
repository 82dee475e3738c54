"""A network that fails a running daemon: told once, waited for, and nothing is lost."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.daemon.conftest import Start
from tests.daemon.life import PATIENCE_S, Life
from tests.daemon.relay import Relay
from tests.daemon.tables import MARKED, PLAIN, QUICK, fill, wait_equal
from tests.faults.remote.doors import Doors
from tests.faults.remote.loss import LossyNetwork, NoNetworkError
from tests.workbench import Workbench

from bqsync.embedded import Endpoints

NAME = "bigquery.test"
NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")
OWN_NAMES = 'mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/resolv.conf && shift 2 && exec "$@"'
LOUD = '[log]\nheartbeat_interval = "1 s"\n'
DEBUG = '[log]\nlevel = "debug"\n'
MUCH_BYTES = 32 * 1024 * 1024


def configure(bench: Workbench, endpoints: Endpoints, tables: str, extra: str) -> None:
    """For a daemon that reaches BigQuery there alone, while the test itself goes straight to it."""
    direct, bench.endpoints = bench.endpoints, endpoints
    bench.configure(tables, extra=extra)
    bench.endpoints = direct


def own_names(hosts: Path) -> tuple[str, ...]:
    """A prefix: to the command that follows, names are what stands in the file, and nobody else is asked."""
    servers = hosts.with_name("resolv.conf")
    servers.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n", encoding="utf-8")
    return (*NAMESPACE, "sh", "-c", OWN_NAMES, "sh", str(hosts), str(servers))


def can_have_own_names(folder: Path) -> bool:
    hosts = folder / "probe"
    hosts.write_text("127.0.0.1 localhost\n", encoding="utf-8")
    return shutil.which("unshare") is not None and subprocess.run(
        [*own_names(hosts), "true"], check=False, capture_output=True).returncode == 0


def test_a_name_that_does_not_resolve_is_told_and_waited_for(
    workbench: Workbench, start: Start, relay: Relay, tmp_path: Path,
) -> None:
    if not can_have_own_names(tmp_path):
        pytest.skip("needs mounts in a user namespace")
    hosts = tmp_path / "hosts"
    known, unknown = f"127.0.0.1 localhost {NAME}\n", "127.0.0.1 localhost\n"
    hosts.write_text(known, encoding="utf-8")
    fill(workbench)
    relay.open()
    ports = [endpoint.rpartition(":")[2] for endpoint in (relay.endpoints.rest, relay.endpoints.grpc)]
    configure(workbench, Endpoints(rest=f"http://{NAME}:{ports[0]}", grpc=f"{NAME}:{ports[1]}"), MARKED + PLAIN, QUICK)
    life = start(workbench, prefix=own_names(hosts)).ready()
    wait_equal(life, workbench, "marked", "plain")

    hosts.write_text(unknown, encoding="utf-8")
    relay.close()
    relay.open()
    workbench.db.execute("INSERT INTO plain VALUES (50, 'during')")
    workbench.db.execute("DELETE FROM plain WHERE id = 1")
    failed = life.wait("sync.failed")
    assert (failed["code"], NAME in failed["why"]) == ("E301", True)
    assert "network" in failed["fix"]
    hosts.write_text(known, encoding="utf-8")
    wait_equal(life, workbench, "plain")
    life.wait("sync.recovered", code="E301")
    assert len(life.events("sync.failed")) == 1
    assert life.end(within_s=PATIENCE_S) == 0
    assert life.errors == ""


@pytest.fixture
def network() -> Iterator[LossyNetwork]:
    try:
        one = LossyNetwork()
    except NoNetworkError as reason:
        pytest.skip(f"needs a network namespace: {reason}")
    yield one
    one.close()


def test_while_every_packet_vanishes_the_lag_grows_and_nothing_else(
    workbench: Workbench, start: Start, network: LossyNetwork, doors: Doors,
) -> None:
    fill(workbench)
    here = network.address
    rest = doors.plain(workbench.endpoints.rest.removeprefix("http://"), here)
    grpc = doors.plain(workbench.endpoints.grpc, here)
    configure(workbench, Endpoints(rest=f"http://{here}:{rest}", grpc=f"{here}:{grpc}"), MARKED + PLAIN, QUICK + LOUD)
    # The socket of a service manager is of this network: what it would be told stands in the log as well.
    life = start(workbench, prefix=network.prefix)
    wait_equal(life, workbench, "marked", "plain")

    network.lose()
    doors.hang_up()
    workbench.db.execute("DELETE FROM plain WHERE id = 1")
    before = len(life.events("daemon.heartbeat"))
    failed = life.wait("sync.failed")
    assert failed["code"] == "E301"
    # Whichever of the two it was that a cycle asked first.
    assert f"{here}:{rest} did not answer" in failed["why"] or f"{here}:{grpc}" in failed["why"]
    workbench.fill("", ("INSERT INTO plain VALUES (?, 'during')", [(1_000 + number,) for number in range(500)]))
    told = len(life.events("daemon.heartbeat"))
    life.wait("daemon.heartbeat", told + 2)
    beats = life.events("daemon.heartbeat")[before + 1:]
    assert beats[-1]["lag_s"] > beats[0]["lag_s"] > 0
    assert beats[-1]["rss_bytes"] - beats[0]["rss_bytes"] < MUCH_BYTES
    assert len(life.events("sync.failed")) == 1, "said once, however often it is tried"

    network.find()
    wait_equal(life, workbench, "plain")
    life.wait("sync.recovered", code="E301")
    told = len(life.events("daemon.heartbeat"))
    assert life.wait("daemon.heartbeat", told + 1)["lag_s"] == 0
    assert life.end(within_s=PATIENCE_S) == 0
    assert life.errors == ""


def retries(life: Life) -> int:
    return len(life.events("retry.scheduled"))


def has_retried(life: Life, before: int) -> bool:
    return retries(life) > before


def test_a_way_that_comes_and_goes_is_noticed_by_nobody(workbench: Workbench, start: Start, relay: Relay) -> None:
    fill(workbench)
    relay.open()
    configure(workbench, relay.endpoints, MARKED + PLAIN, QUICK + DEBUG)
    life = start(workbench).ready()
    wait_equal(life, workbench, "marked", "plain")
    for number in range(5):
        before = retries(life)
        relay.close()
        workbench.db.execute("INSERT INTO plain VALUES (?, 'during')", (50 + number,))
        workbench.db.execute("DELETE FROM plain WHERE id = ?", (number,))
        life.wait_until(partial(has_retried, life, before), "a call that fails")
        relay.open()
    wait_equal(life, workbench, "marked", "plain")
    assert [line for line in life.lines if line["level"] == "error"] == []
    assert life.end(within_s=PATIENCE_S) == 0
    assert life.errors == ""

"""A BigQuery that does not answer, and a second process: said at once, with the next step, and nothing is lost."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

from tests.end_to_end.processes import within
from tests.workbench import ROOT, run_command, start_command

from bqsync.embedded import Endpoints

DEAD = Endpoints(rest="http://127.0.0.1:1", grpc="127.0.0.1:1")


def point_to(home: Path, endpoints: Endpoints, dataset: str = "outage") -> None:
    shipped = (ROOT / "config.toml").read_text(encoding="utf-8").replace('"job_tracker"', f'"{dataset}"')
    where = f'rest_endpoint = "{endpoints.rest}"\ngrpc_endpoint = "{endpoints.grpc}"'
    (home / "config.toml").write_text(shipped.replace("embedded = true", where), encoding="utf-8")


def sync_in_vain(home: Path) -> None:
    """Within ten seconds on a machine that starts Python in one and a half; where it takes longer, so much longer."""
    begun = time.monotonic()
    assert run_command("check", "--offline", folder=home).returncode == 0
    start_up = time.monotonic() - begun
    done = run_command("sync", folder=home)
    assert time.monotonic() - begun - 2 * start_up < 8.5
    assert done.returncode == 69
    assert "Traceback" not in done.stdout + done.stderr
    for word in ("error[E301]", "  why   ", "  fix   ", "127.0.0.1:1"):
        assert word in done.stderr


def test_a_bigquery_that_does_not_answer_ends_the_command_soon(home: Path) -> None:
    point_to(home, DEAD)
    sync_in_vain(home)


def test_after_an_outage_of_the_write_api_alone_the_next_sync_delivers_everything(
    home: Path, emulator: Endpoints,
) -> None:
    point_to(home, Endpoints(rest=emulator.rest, grpc=DEAD.grpc))
    sync_in_vain(home)
    point_to(home, emulator)
    assert run_command("sync", folder=home).returncode == 0
    verified = run_command("verify", "--json", folder=home)
    assert (verified.returncode, json.loads(verified.stdout)["rows_different"]) == (0, 0)


def test_the_second_of_two_processes_is_turned_away(home: Path, emulator: Endpoints) -> None:
    point_to(home, emulator, "two_processes")
    lock = home / ".bqsync" / "state.db.lock"
    with start_command("sync", folder=home) as first:
        assert within(20, lambda: lock.exists() and lock.read_text() == f"{first.pid}\n")
        first.send_signal(signal.SIGSTOP)
        second = run_command("sync", folder=home)
        first.send_signal(signal.SIGCONT)
        first.communicate(timeout=60)
    assert (second.returncode, first.returncode) == (75, 0)
    assert "error[E401]" in second.stderr
    assert f"process {first.pid} holds the lock" in second.stderr

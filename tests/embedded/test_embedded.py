"""The embedded BigQuery with real processes and real signals: it keeps its data and never outlives its parent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

import bqsync
from bqsync.embedded import EmbeddedBigQuery, Endpoints, endpoint
from bqsync.errors import BqsyncError, ErrorKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_S = 60.0
"""For what comes within a second on a machine that has nothing else to do."""

PARENT = """
import json, signal, sys
from pathlib import Path
from bqsync.embedded import EmbeddedBigQuery
interrupts = []
signal.signal(signal.SIGINT, lambda *_: interrupts.append(1))
server = EmbeddedBigQuery(Path(sys.argv[1]), "demo")
endpoints = server.start()
print(json.dumps({"rest": endpoints.rest, "child": server.child_pid}), flush=True)
for order in sys.stdin:
    if order.strip() == "stop":
        server.stop()
    print(json.dumps({"interrupts": len(interrupts)}), flush=True)
"""


class Parent:
    """Another process that has started, or joined, an embedded BigQuery."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PARENT, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment},
            start_new_session=True)

    def answer(self) -> dict[str, object]:
        assert self.process.stdout is not None
        answer: dict[str, object] = json.loads(self.process.stdout.readline())
        return answer

    def order(self, text: str) -> dict[str, object]:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text}\n")
        self.process.stdin.flush()
        return self.answer()


@contextmanager
def parent_on(folder: Path, **environment: str) -> Iterator[Parent]:
    parent = Parent(folder, **environment)
    with parent.process:
        try:
            yield parent
        finally:
            parent.process.kill()


def client_of(endpoints: Endpoints) -> bigquery.Client:
    return bigquery.Client(
        project="demo", credentials=AnonymousCredentials(),
        client_options=ClientOptions(api_endpoint=endpoints.rest))


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def is_gone(pid: object) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"  # dead, and nobody has asked for its exit code


def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "bigquery"
    with EmbeddedBigQuery(folder, "demo") as server, client_of(server.start()) as client:
        client.create_dataset("d")
        client.create_table(bigquery.Table("demo.d.t", [bigquery.SchemaField("id", "INT64")]))
        client.query("INSERT INTO `demo`.`d`.`t` (id) VALUES (7)").result()
        pid = server.child_pid
    assert folder.stat().st_mode & 0o777 == 0o700
    assert is_gone(pid)
    assert not (folder / "endpoint.json").exists()
    assert not (folder / "bqemulator.duckdb.wal").exists(), "a clean end leaves nothing to replay"
    with EmbeddedBigQuery(folder, "demo") as server, client_of(server.start()) as client:
        assert [row["id"] for row in client.query("SELECT id FROM `demo`.`d`.`t`").result()] == [7]
    assert (folder / "bigquery.log").read_text() == ""


def test_the_child_is_gone_soon_after_its_parent_is_killed(tmp_path: Path) -> None:
    with parent_on(tmp_path) as parent:
        child = parent.answer()["child"]
        assert not is_gone(child)
        parent.process.kill()
        assert within(PATIENCE_S, lambda: is_gone(child))
    with EmbeddedBigQuery(tmp_path, "demo") as server:
        assert server.child_pid not in {None, child}


def test_a_second_process_joins_and_leaves_the_server_up_and_sigterm_ends_it_in_good_order(tmp_path: Path) -> None:
    with EmbeddedBigQuery(tmp_path, "demo") as server, parent_on(tmp_path) as other:
        assert other.answer() == {"rest": server.start().rest, "child": None}
        other.order("stop")
        with client_of(server.start()) as client:
            assert list(client.list_datasets()) == []
        assert server.child_pid is not None
        os.kill(server.child_pid, signal.SIGTERM)
        assert within(PATIENCE_S, lambda: not (tmp_path / "endpoint.json").exists())


def test_processes_that_start_together_share_one_server(tmp_path: Path) -> None:
    with parent_on(tmp_path) as one, parent_on(tmp_path) as two, parent_on(tmp_path) as three:
        answers = [one.answer(), two.answer(), three.answer()]
    assert len({answer["rest"] for answer in answers}) == 1
    assert [answer["child"] is None for answer in answers].count(False) == 1


def test_ctrl_c_is_left_to_the_parent(tmp_path: Path) -> None:
    with parent_on(tmp_path) as parent:
        child = parent.answer()["child"]
        assert isinstance(child, int)
        assert os.getpgid(child) != os.getpgid(parent.process.pid), "while it starts it can't ignore anything yet"
        os.killpg(parent.process.pid, signal.SIGINT)
        os.kill(child, signal.SIGINT)
        assert parent.order("go on") == {"interrupts": 1}
        assert not within(0.5, lambda: is_gone(child))
        served = endpoint.read(tmp_path)
        assert served is not None
        assert served.is_live
        parent.order("stop")
        assert is_gone(child)
    assert (tmp_path / "bigquery.log").read_text(encoding="utf-8") == "", "it was not even interrupted"


def test_a_server_that_was_killed_is_replaced(tmp_path: Path) -> None:
    with parent_on(tmp_path) as parent:
        child = parent.answer()["child"]
        assert isinstance(child, int)
        os.kill(child, signal.SIGKILL)
        assert (tmp_path / "endpoint.json").exists()
        with EmbeddedBigQuery(tmp_path, "demo") as server:
            assert server.child_pid not in {None, child}


def test_an_account_without_a_home_folder_can_start_it(tmp_path: Path) -> None:
    with parent_on(tmp_path, HOME="/nonexistent") as parent:
        assert parent.answer()["child"]
    assert (tmp_path / ".duckdb").is_dir()


def test_a_pid_that_was_given_to_another_process_is_not_taken_for_the_server(emulator: Endpoints) -> None:
    lie = endpoint.Endpoint(pid=os.getpid(), started_ticks=1, rest_endpoint=emulator.rest,
                            grpc_endpoint=emulator.grpc, project="demo")
    assert not lie.is_live


def test_missing_packages_are_named_with_the_command_that_brings_them() -> None:
    script = ("from pathlib import Path; from bqsync.embedded import EmbeddedBigQuery\n"
              "from bqsync.errors import BqsyncError\n"
              "try: EmbeddedBigQuery(Path('/tmp'), 'demo').start()\n"
              "except BqsyncError as error: print(error.render())")
    package = str(Path(bqsync.__file__).parents[1])
    run = subprocess.run([sys.executable, "-S", "-c", script], check=True, capture_output=True, text=True,
                         env={"PYTHONPATH": package})
    assert "error[E316]" in run.stdout
    assert "bqemulator" in run.stdout
    assert "pip install 'bqsync[embedded]'" in run.stdout


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BqsyncError, match="can't be made") as caught:
        EmbeddedBigQuery(tmp_path / "file", "demo").start()
    assert caught.value.kind is ErrorKind.EMBEDDED_FAILED


def test_the_end_of_the_log_says_why_a_start_failed(tmp_path: Path) -> None:
    (tmp_path / "bigquery.log").write_text("an old line\n")
    (tmp_path / "bqemulator.duckdb").write_bytes(b"this is no database" * 100)
    with pytest.raises(BqsyncError, match="did not start") as caught:
        EmbeddedBigQuery(tmp_path, "demo").start()
    assert "not a valid DuckDB database file" in caught.value.why
    assert "an old line" not in caught.value.why
    assert str(tmp_path / "bigquery.log") in caught.value.fix


def test_a_start_has_a_time_limit_and_leaves_no_child(tmp_path: Path) -> None:
    server = EmbeddedBigQuery(tmp_path, "demo", start_timeout_s=0.05)
    with pytest.raises(BqsyncError, match="did not start") as caught:
        server.start()
    assert "within" in caught.value.why
    assert server.child_pid is None

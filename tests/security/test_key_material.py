"""A key and its tokens stay where they belong: in memory, and inside TLS."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.api_core.exceptions import GoogleAPICallError
from google.cloud.bigquery_storage_v1.types import WriteStream
from tests.daemon.life import Life
from tests.security.impostor import TOKEN, Impostor, key_file
from tests.security.sockets import listening
from tests.workbench import Workbench, run_command

from bqsync.config import BigQuerySection
from bqsync.deliver.clients import NO_RETRY, connect
from bqsync.deliver.retry import Policy


def bench_of(workbench: Workbench, key: Path) -> Workbench:
    """One that goes to Google, with that key."""
    workbench.fill("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO things VALUES (1, 'a');")
    workbench.configure('[[tables]]\nname = "things"')
    text = workbench.config_path.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if "_endpoint" not in line]
    lines.insert(lines.index("[bigquery]") + 1, f'credentials_file = "{key}"')
    workbench.config_path.write_text("\n".join(lines), encoding="utf-8")
    return workbench


def way(impostor: Impostor, *, trusted: bool) -> dict[str, str]:
    """The environment that leads to the impostor."""
    trust = {"REQUESTS_CA_BUNDLE": str(impostor.authority)} if trusted else {}
    return {"HTTPS_PROXY": impostor.url, "https_proxy": impostor.url, "NO_PROXY": "", "no_proxy": "", **trust}


def told(said: str, *files: Path) -> str:
    """What was said, and what stands in files and in the names of processes."""
    return said + "".join(path.read_bytes().decode(errors="replace") for path in files)


def test_key_and_token_are_in_no_line_no_error_no_status_and_no_file(
    workbench: Workbench, impostor: Impostor, tmp_path: Path,
) -> None:
    secrets = [*key_file(tmp_path / "key.json"), TOKEN]
    bench = bench_of(workbench, tmp_path / "key.json")
    life = Life(bench, BQSYNC_LOG_LEVEL="debug", **way(impostor, trusted=True))
    try:
        life.ready().wait("bigquery.unavailable", code="E306")
        seen = told("", Path(f"/proc/{life.process.pid}/cmdline"))
        assert listening(life.process.pid) == {}
    finally:
        life.end()
        life.close()
    seen += f"{life.lines}{life.errors}{life.manager.messages}"
    for command in (["sync"], ["check"], ["status", "--json"], ["verify"]):
        done = run_command(*command, "--log-level", "debug", "-c", str(bench.config_path), folder=tmp_path,
                           **way(impostor, trusted=True))
        seen += done.stdout + done.stderr
    seen = told(seen, *(path for path in bench.state_path.parent.rglob("*") if path.is_file()))
    assert "Bearer " + TOKEN in {request.authorization for request in impostor.heard}
    assert [secret for secret in secrets if secret in seen] == []


def test_who_has_no_trusted_certificate_hears_nothing(
    workbench: Workbench, impostor: Impostor, tmp_path: Path,
) -> None:
    key_file(tmp_path / "key.json")
    bench = bench_of(workbench, tmp_path / "key.json")
    done = run_command("sync", "-c", str(bench.config_path), folder=tmp_path, **way(impostor, trusted=False))
    assert impostor.asked
    assert impostor.heard == []
    assert done.returncode != 0
    assert "CERTIFICATE_VERIFY_FAILED" in done.stderr


def test_a_key_that_is_broken_in_its_middle_is_not_quoted(
    workbench: Workbench, impostor: Impostor, tmp_path: Path,
) -> None:
    secrets = key_file(tmp_path / "key.json")
    text = (tmp_path / "key.json").read_text(encoding="utf-8")
    (tmp_path / "key.json").write_text(text.replace(secrets[5], secrets[5][:20] + "!!"), encoding="utf-8")
    bench = bench_of(workbench, tmp_path / "key.json")
    done = run_command("sync", "-c", str(bench.config_path), "--log-level", "debug", folder=tmp_path,
                       **way(impostor, trusted=True))
    assert "error[E307]" in done.stderr
    assert [secret for secret in secrets if secret in done.stdout + done.stderr] == []


def test_no_credentials_go_to_an_endpoint(tmp_path: Path) -> None:
    key_file(tmp_path / "key.json")
    with http_listener() as (rest, requests), grpc_listener() as (address, metadata):
        destination = connect(
            BigQuerySection(project="demo", dataset="d", rest_endpoint=rest, grpc_endpoint=address,
                            credentials_file=tmp_path / "key.json"), Policy())
        with pytest.raises(GoogleAPICallError):
            destination.rest.get_dataset("demo.d", retry=NO_RETRY)
        with pytest.raises(GoogleAPICallError):
            destination.write.create_write_stream(parent="projects/demo/datasets/d/tables/t",
                                                  write_stream=WriteStream(), retry=None)
        destination.close()
    assert requests
    assert metadata
    sent = [name.lower() for headers in (*requests, *metadata) for name in headers]
    assert "user-agent" in sent  # a list that was looked at in the wrong place would hold nothing
    assert "authorization" not in sent


@contextmanager
def http_listener() -> Iterator[tuple[str, list[list[str]]]]:
    """A server that knows no path; the names of the headers of each request."""
    heard: list[list[str]] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(list(self.headers))
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", heard
        server.shutdown()


@contextmanager
def grpc_listener() -> Iterator[tuple[str, list[Sequence[str]]]]:
    """The same by gRPC, with the names of the metadata."""
    heard: list[Sequence[str]] = []

    class Listener(grpc.GenericRpcHandler):  # type: ignore[misc] # without annotations
        def service(self, details: Any) -> None:
            heard.append([name for name, _ in details.invocation_metadata])

    server = grpc.server(ThreadPoolExecutor(1), handlers=[Listener()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}", heard
    server.stop(None).wait()

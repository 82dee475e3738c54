"""`make audit`: what is known of the versions in the lock; and that no network makes it fail or hang."""

from __future__ import annotations

import json
import re
import socket
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from tests.audit import main
from tests.workbench import ROOT

LOCK = ROOT / "requirements-dev.lock"
ADVISORY = "PYSEC-0000-1"
HASHED = re.compile(r"\S+==\S+.*\\\n(    --hash=sha256:[0-9a-f]{64}( \\)?\n?)+\Z")


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "lock"
    path.write_text("# make lock\nsound==1.0 \\\n    --hash=sha256:00\nbroken==2.0 ; os_name == 'nt' \\\n"
                    "    --hash=sha256:00\n    # via sound\n", encoding="utf-8")
    return path


@contextmanager
def service(body: bytes, status: int = 200) -> Iterator[tuple[str, list[object]]]:
    """A database of advisories that gives one answer; what it was asked."""
    asked: list[object] = []

    class Service(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()


def audit(lock: Path, url: str, *more: str) -> int:
    return main(["--lock", str(lock), "--service", url, *more])


FOUND = json.dumps({"results": [{}, {"vulns": [{"id": ADVISORY}]}]}).encode()


def test_an_advisory_is_told_and_fails(lock: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with service(FOUND) as (url, asked):
        assert audit(lock, url) == 1
    out = capsys.readouterr().out
    assert f"VULNERABLE: broken 2.0: https://osv.dev/vulnerability/{ADVISORY}" in out
    assert "sound 1.0" not in out
    assert asked == [("/v1/querybatch", {"queries": [
        {"package": {"name": "sound", "ecosystem": "PyPI"}, "version": "1.0"},
        {"package": {"name": "broken", "ecosystem": "PyPI"}, "version": "2.0"}]})]


def test_the_checks_tell_it_and_do_not_fail(lock: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with service(FOUND) as (url, _):
        assert audit(lock, url, "--only-tell") == 0
    assert "VULNERABLE: broken 2.0" in capsys.readouterr().out


def test_nothing_known_is_said_as_such(lock: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with service(b'{"results": [{}, {}]}') as (url, _):
        assert audit(lock, url) == 0
    assert capsys.readouterr().out == "audit: 2 packages, 0 of them with advisories\n"


@pytest.mark.parametrize(("body", "status"), [
    (b"<html>", 200), (b"[]", 200), (b'{"results": []}', 200), (b'{"results": [null, null]}', 200), (b"", 404),
    (b"", 503),
])
def test_an_answer_that_makes_no_sense_is_none(
    lock: Path, capsys: pytest.CaptureFixture[str], body: bytes, status: int,
) -> None:
    with service(body, status) as (url, _):
        assert audit(lock, url) == 0
    assert capsys.readouterr().out.startswith("audit: skipped: the advisory data can't be reached")


def test_a_service_that_says_nothing_is_left(lock: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert audit(lock, f"http://127.0.0.1:{silent.getsockname()[1]}", "--patience-s", "0.2") == 0
    assert "skipped" in capsys.readouterr().out


def test_a_service_that_is_not_there_is_told(lock: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert audit(lock, f"http://127.0.0.1:{port}") == 0
    assert "skipped" in capsys.readouterr().out


def test_every_package_of_the_lock_has_hashes_and_no_index_is_named() -> None:
    text = LOCK.read_text(encoding="utf-8")
    blocks = re.split(r"\n(?=[a-z0-9])", re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE))
    assert len(blocks) > 100
    assert [block for block in blocks if not HASHED.match(block)] == []
    assert "://" not in text
    assert "--index" not in text


def test_the_lock_holds_all_that_is_asked_for_and_the_build_back_end() -> None:
    pinned = {name.lower().replace("_", "-") for name in re.findall(r"^([\w.-]+)==", LOCK.read_text(encoding="utf-8"),
                                                                   re.MULTILINE)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = [project["project"]["dependencies"], project["build-system"]["requires"],
              *project["project"]["optional-dependencies"].values()]
    wanted = {re.split(r"[\[<>=]", one)[0].lower().replace("_", "-") for group in groups for one in group}
    assert wanted - pinned == {"bqsync"}

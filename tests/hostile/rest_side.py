"""BigQuery's REST interface: passes requests on, keeps the book of jobs, and misbehaves where a rule says so."""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.hostile.actions import (
    Action,
    Billed,
    Delay,
    FailJob,
    Method,
    Reset,
    RestFailure,
    RunLate,
    RunTwice,
    Truncate,
    Underway,
    When,
)
from tests.hostile.calls import Call
from tests.hostile.control import Control
from tests.hostile.http_upstream import Answer, HttpUpstream, RestRequest
from tests.hostile.job_book import Fate, Held, JobBook, Released

_NOT_PASSED_ON = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding"})
_LONGEST_WAIT_MS = "10000"
"""How long jobs.getQueryResults waits for the end of a job where it is not told."""
_LOOK_S = 0.01


class RestSide:
    """
    Listens until `stop`.

    Args:
        control: rules and records.
        upstream: `http://host:port` of the emulator.
        strict_jobs: refuse a job whose id was used.
    """

    def __init__(self, control: Control, upstream: str, *, strict_jobs: bool) -> None:
        self.address = upstream.removeprefix("http://")
        self.book = JobBook(strict=strict_jobs)
        self._control = control
        self._lock = threading.Lock()
        self._answering = 0
        self._http = _Server(("127.0.0.1", 0), self)
        self.endpoint = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def answer(self, request: RestRequest, upstream: HttpUpstream) -> Answer | None:
        """What is answered; None where the connection is to be reset."""
        body = request.body.decode("utf-8", "replace")
        shown = next((text for name, text in request.headers.items() if name.lower() == "authorization"), "")
        call = Call(method=request.method, path=f"{request.verb} {request.path}", body=body, authorization=shown)
        with self._lock:
            self._answering += 1
        try:
            answer = self._perform(self._control.judge(call), request, upstream)
        finally:
            with self._lock:
                self._answering -= 1
        return None if self._control.dead else answer

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way, whoever may wait for its answer still."""
        with self._lock:
            return not self._answering

    def release(self) -> list[Released]:
        """Have the submissions that are held arrive, in order."""
        upstream = HttpUpstream(self.address)
        released = [Released(held.request.job_id, held.request.statement, self._arrive(held, upstream))
                    for held in self.book.held]
        upstream.close()
        return released

    def _perform(self, action: Action | None, request: RestRequest, upstream: HttpUpstream) -> Answer | None:
        if isinstance(action, RestFailure):
            return Answer(action.status, action.body, retry_after=action.retry_after)
        if isinstance(action, RunLate):
            return self._hold(action, request)
        if isinstance(action, FailJob):
            taken = self.book.fail(request, action)
            if taken and not action.told:
                return _submitted(request, "DONE")
            return Answer(200, _failed_job(request, action)) if taken else _already_exists(request)
        if action == Reset(When.BEFORE) or (isinstance(action, Delay) and not self._control.wait(action.seconds)):
            return None
        if isinstance(action, Billed | Underway) and action.size_bytes is not None:
            self.book.bill(request.job_id, action.size_bytes)
        answer = self._act(request, upstream, times=2 if isinstance(action, RunTwice) else 1)
        if isinstance(action, Underway) and answer.status == 200:
            answer = _submitted(request, action.state, json.loads(answer.body)["statistics"]["creationTime"])
        elif isinstance(action, Truncate):
            answer = Answer(answer.status, answer.body, answer.kind, cut=True)
        return None if action == Reset(When.AFTER) else answer

    def _act(self, request: RestRequest, upstream: HttpUpstream, *, times: int) -> Answer:
        if request.method is Method.JOBS_INSERT:
            return self._submit(request, upstream, times) if self._claim(request) else _already_exists(request)
        if request.method in {Method.JOBS_GET, Method.JOBS_GET_QUERY_RESULTS}:
            if (failed := self.book.failed(request.job_id)) is not None:
                return _told_of_failure(request, *failed)
            submission = self.book.running(request.job_id)
            if submission is not None and not self._await_end(request):
                return _running(request, submission)
        answer = upstream.ask(request)
        if request.method is Method.JOBS_GET_QUERY_RESULTS:
            return _counted(request, answer, upstream)
        return self._billed(request, answer) if request.method is Method.JOBS_GET else answer

    def _billed(self, request: RestRequest, answer: Answer) -> Answer:
        """The resource of a job, with what it was said to have cost."""
        size_bytes = self.book.billed(request.job_id)
        if size_bytes is None or answer.status != 200:
            return answer
        resource = json.loads(answer.body)
        resource.setdefault("statistics", {}).setdefault("query", {})["totalBytesBilled"] = str(size_bytes)
        return Answer(answer.status, json.dumps(resource).encode(), answer.kind)

    def _claim(self, request: RestRequest) -> bool:
        dry = request.resource.get("configuration", {}).get("dryRun", False)
        return dry or self.book.claim(request.job_id)

    def _submit(self, request: RestRequest, upstream: HttpUpstream, times: int) -> Answer:
        """Run a job so many times; its first answer."""
        answers = [self._billed(request, upstream.ask(request)) for _ in range(times)]
        for answer in answers:
            if request.statement.startswith("MERGE") and answer.is_job_done:
                self._control.note_merge(request.statement)
        return answers[0]

    def _hold(self, action: RunLate, request: RestRequest) -> Answer | None:
        if not action.never and not self.book.hold(Held(request, action.visible)):
            return _already_exists(request)
        return Answer(action.answer.status, action.answer.body) if isinstance(action.answer, RestFailure) else None

    def _arrive(self, held: Held, upstream: HttpUpstream) -> Fate:
        try:
            if not held.visible and not self.book.claim(held.request.job_id):
                return Fate.REFUSED
            return Fate.RAN if self._submit(held.request, upstream, 1).is_job_done else Fate.FAILED
        finally:
            self.book.let_go(held)

    def _await_end(self, request: RestRequest) -> bool:
        """Whether a job that runs has ended; the one of the two methods waits for that."""
        if request.method is Method.JOBS_GET:
            return False
        wanted = parse_qs(urlsplit(request.path).query).get("timeoutMs", [_LONGEST_WAIT_MS])
        until = time.monotonic() + float(wanted[0]) / 1000
        while self.book.running(request.job_id) is not None:
            if time.monotonic() > until or not self._control.wait(_LOOK_S):
                return False
        return True


def _already_exists(request: RestRequest) -> Answer:
    reference = request.resource["jobReference"]
    name = f"{reference.get('projectId', '')}:{reference.get('location', 'US')}.{request.job_id}"
    return Answer(409, RestFailure(status=409, reason="duplicate", message=f"Already Exists: Job {name}").body)


def _failed_job(submission: RestRequest, failure: FailJob) -> bytes:
    """The resource of a job that has failed."""
    error = {"reason": failure.reason, "message": failure.message}
    return json.dumps({
        "kind": "bigquery#job", "jobReference": submission.resource["jobReference"],
        "configuration": submission.resource["configuration"],
        "status": {"state": "DONE", "errorResult": error, "errors": [error]},
        "statistics": {"creationTime": str(int(time.time() * 1000))},
    }).encode()


def _told_of_failure(request: RestRequest, submission: RestRequest, failure: FailJob) -> Answer:
    if request.method is Method.JOBS_GET:
        return Answer(200, _failed_job(submission, failure))
    return Answer(400, RestFailure(status=400, reason=failure.reason, message=failure.message).body)


def _submitted(submission: RestRequest, state: str = "RUNNING", created_ms: str | None = None) -> Answer:
    """The resource of a job of which no more is known than how it stands, and perhaps when it was taken."""
    return Answer(200, json.dumps({
        "kind": "bigquery#job", "jobReference": submission.resource["jobReference"],
        "configuration": submission.resource["configuration"], "status": {"state": state},
        "statistics": {} if created_ms is None else {"creationTime": created_ms},
    }).encode())


def _counted(request: RestRequest, answer: Answer, upstream: HttpUpstream) -> Answer:
    """The results of a statement with the number of rows that it has changed, which the emulator leaves out."""
    if answer.status != 200:
        return answer
    path = request.path.partition("?")[0].replace("/queries/", "/jobs/")
    job = json.loads(upstream.ask(RestRequest("GET", path, request.headers, b"")).body)
    changed = job["statistics"]["query"].get("numDmlAffectedRows")
    results = json.loads(answer.body) | ({} if changed is None else {"numDmlAffectedRows": changed})
    return Answer(answer.status, json.dumps(results).encode(), answer.kind)


def _running(request: RestRequest, submission: RestRequest) -> Answer:
    """A job that has not ended, as the two methods tell of it."""
    reference = submission.resource["jobReference"]
    resource: dict[str, Any] = {"kind": "bigquery#getQueryResultsResponse", "jobComplete": False}
    if request.method is Method.JOBS_GET:
        return _submitted(submission)
    return Answer(200, json.dumps(resource | {"jobReference": reference}).encode())


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], side: RestSide) -> None:
        super().__init__(address, _Handler)
        self.side = side


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def setup(self) -> None:
        super().setup()
        self._upstream = HttpUpstream(self.server.side.address)

    def finish(self) -> None:
        self._upstream.close()
        super().finish()

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _NOT_PASSED_ON}
        answer = self.server.side.answer(RestRequest(self.command, self.path, headers, body), self._upstream)
        if answer is None:
            self._reset()
        else:
            self._send(answer)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Nothing: a test's output is its own."""

    def _send(self, answer: Answer) -> None:
        try:
            self._write(answer)
        except ConnectionError:
            self.close_connection = True  # whoever asked was killed meanwhile

    def _write(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        if answer.retry_after:
            self.send_header("Retry-After", answer.retry_after)
        self.end_headers()
        self.wfile.write(answer.body[:len(answer.body) // 2] if answer.cut else answer.body)
        self.close_connection = self.close_connection or answer.cut

    def _reset(self) -> None:
        """Close without a farewell: the client's next read fails, as when a router forgets the connection."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

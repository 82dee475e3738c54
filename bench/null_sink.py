"""
A BigQuery that costs nothing and keeps nothing: `python -m bench.null_sink [CALL_S MERGE_S]`.

It speaks as much of both interfaces as the daemon needs. Rows that are appended are counted, a MERGE affects as many as
its staging table was given, a SELECT finds none. It prints its endpoints, and ends with its standard input.

With two numbers it is as far away as the real one: a call is answered after so many seconds, and a MERGE takes so long.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

import grpc
from google.cloud.bigquery_storage_v1 import types

_SERVICE = "google.cloud.bigquery.storage.v1.BigQueryWrite"
_STAGING = re.compile(r"\b_bqsync_staging_\w+")
_EMPTY: dict[str, Any] = {}
_LOOK_S = 0.001


class Book:
    """
    What is remembered: tables, jobs, and how many rows each table was given.

    Args:
        call_s: how long each answer takes.
        merge_s: how long a MERGE runs.
    """

    def __init__(self, call_s: float = 0.0, merge_s: float = 0.0) -> None:
        self.call_s = call_s
        self.merge_s = merge_s
        self.lock = threading.Lock()
        self.rows: Counter[str] = Counter()
        self.tables: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}

    def make_table(self, body: dict[str, Any]) -> dict[str, Any]:
        """Make a table of a resource."""
        now_ms = str(time.time_ns() // 1_000_000)
        table = {**body, "creationTime": now_ms, "lastModifiedTime": now_ms, "type": "TABLE", "etag": "1"}
        with self.lock:
            self.tables[table["tableReference"]["tableId"]] = table
        return table

    def run_job(self, body: dict[str, Any]) -> dict[str, Any]:
        """A job that has ended as soon as it is there, but for a MERGE that takes its time."""
        statement: str = body["configuration"]["query"]["query"]
        staged = _STAGING.search(statement)
        now_ms = str(time.time_ns() // 1_000_000)
        took_s = self.merge_s if statement.startswith("MERGE") else 0.0
        query: dict[str, Any] = {"totalBytesBilled": "0", "totalBytesProcessed": "0", "statementType": "SELECT"}
        with self.lock:
            if statement.startswith("MERGE") and staged is not None:
                query |= {"statementType": "MERGE", "numDmlAffectedRows": str(self.rows[staged[0]])}
            reference = body["jobReference"]
            job = {"kind": "bigquery#job", "id": reference["jobId"], "jobReference": reference,
                   "configuration": {**body["configuration"], "jobType": "QUERY"}, "status": {"state": "DONE"},
                   "statistics": {"creationTime": now_ms, "startTime": now_ms, "endTime": now_ms, "query": query}}
            self.jobs[reference["jobId"]] = job
        if not took_s:
            return job
        threading.Timer(took_s, job["status"].update, [{"state": "DONE"}]).start()
        job["status"]["state"] = "RUNNING"
        return {**job, "status": dict(job["status"])}

    def results(self, job_id: str) -> dict[str, Any]:
        """What jobs.getQueryResults tells of it."""
        job = self.jobs[job_id]
        while job["status"]["state"] != "DONE":
            time.sleep(_LOOK_S)
        query = job["statistics"]["query"]
        found = {"kind": "bigquery#getQueryResultsResponse", "jobReference": job["jobReference"], "jobComplete": True,
                 "totalBytesProcessed": "0"}
        if "numDmlAffectedRows" in query:
            return found | {"numDmlAffectedRows": query["numDmlAffectedRows"]}
        return found | {"totalRows": "0", "schema": {"fields": [{"name": "none", "type": "INTEGER"}]}, "rows": []}


class _Rest(BaseHTTPRequestHandler):
    """One connection of the REST interface."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    book: ClassVar[Book]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the class above
        """Say nothing."""

    def do_GET(self) -> None:
        parts = self._parts()
        book = self.book
        match parts:
            case ["datasets", _, "tables", name]:
                self._answer(book.tables.get(name))
            case ["datasets", _, "tables"]:
                listed = list(book.tables.values())
                self._answer({"kind": "bigquery#tableList", "totalItems": len(listed), "tables": listed})
            case ["datasets", name]:
                self._answer({"kind": "bigquery#dataset", "location": "US",
                              "datasetReference": {"projectId": "bench", "datasetId": name}})
            case ["jobs"]:
                self._answer({"kind": "bigquery#jobList", "jobs": []})
            case ["jobs", job_id]:
                self._answer(book.jobs.get(job_id))
            case ["queries", job_id]:
                self._answer(book.results(job_id) if job_id in book.jobs else None)
            case _:
                self._answer(None)

    def do_POST(self) -> None:
        body = self._body()
        self._answer(self.book.run_job(body) if self._parts() == ["jobs"] else self.book.make_table(body))

    def do_PATCH(self) -> None:
        table = self.book.tables.get(self._parts()[-1])
        body = self._body()
        if table is not None:
            table |= body
        self._answer(table)

    def do_DELETE(self) -> None:
        with self.book.lock:
            name = self._parts()[-1]
            self.book.rows.pop(name, None)
            self._answer(None if self.book.tables.pop(name, None) is None else _EMPTY)

    def _parts(self) -> list[str]:
        """The path behind `/bigquery/v2/projects/P/`."""
        return [unquote(part) for part in urlsplit(self.path).path.split("/")[5:]]

    def _body(self) -> dict[str, Any]:
        text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body: dict[str, Any] = json.loads(text) if text else {}
        return body

    def _answer(self, resource: dict[str, Any] | None) -> None:
        time.sleep(self.book.call_s)
        status = 404 if resource is None else 200
        body = {"error": {"code": 404, "message": "Not found", "errors": [{"reason": "notFound"}]}}
        text = json.dumps(body if resource is None else resource).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def serve_grpc(book: Book) -> tuple[grpc.Server, str]:
    """The Storage Write interface; its endpoint."""
    def create(request: types.CreateWriteStreamRequest, _context: object) -> types.WriteStream:
        time.sleep(book.call_s)
        return types.WriteStream(name=f"{request.parent}/streams/1")

    def append(requests: Iterator[types.AppendRowsRequest], _context: object) -> Iterator[types.AppendRowsResponse]:
        for request in requests:
            table = request.write_stream.split("/tables/")[1].split("/")[0]
            message = types.AppendRowsRequest.pb(request)
            with book.lock:
                book.rows[table] += len(message.proto_rows.rows.serialized_rows)
            time.sleep(book.call_s)
            yield types.AppendRowsResponse(
                append_result=types.AppendRowsResponse.AppendResult(offset=message.offset.value))

    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, {
        "CreateWriteStream": grpc.unary_unary_rpc_method_handler(
            create, types.CreateWriteStreamRequest.deserialize, types.WriteStream.serialize),
        "AppendRows": grpc.stream_stream_rpc_method_handler(
            append, types.AppendRowsRequest.deserialize, types.AppendRowsResponse.serialize),
    }),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, f"127.0.0.1:{port}"


def main() -> None:
    """Serve until standard input ends."""
    book = Book(*map(float, sys.argv[1:3]))
    _Rest.book = book
    rest = ThreadingHTTPServer(("127.0.0.1", 0), _Rest)
    rest.daemon_threads = True
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    server, endpoint = serve_grpc(book)
    print(json.dumps({"rest": f"http://127.0.0.1:{rest.server_address[1]}", "grpc": endpoint}), flush=True)
    sys.stdin.read()
    server.stop(grace=None).wait()


if __name__ == "__main__":
    main()

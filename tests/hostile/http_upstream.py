"""REST requests as they are passed on to the emulator."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tests.hostile.actions import Method

_IDLE_S = 1.0
"""The emulator closes what has been idle for 5 s: a connection that is nearly so old is not used again."""
_NAME = "[^/]+"
_ROUTES = tuple((verb, re.compile(f".*/projects/{_NAME}{path}"), method) for verb, path, method in (
    ("GET", f"/datasets/{_NAME}", Method.DATASETS_GET),
    ("POST", "/datasets", Method.DATASETS_INSERT),
    ("GET", f"/datasets/{_NAME}/tables", Method.TABLES_LIST),
    ("POST", f"/datasets/{_NAME}/tables", Method.TABLES_INSERT),
    ("GET", f"/datasets/{_NAME}/tables/{_NAME}", Method.TABLES_GET),
    ("DELETE", f"/datasets/{_NAME}/tables/{_NAME}", Method.TABLES_DELETE),
    ("PATCH", f"/datasets/{_NAME}/tables/{_NAME}", Method.TABLES_PATCH),
    ("GET", f"/datasets/{_NAME}/tables/{_NAME}/data", Method.TABLEDATA_LIST),
    ("POST", "/jobs", Method.JOBS_INSERT),
    ("GET", f"/jobs/{_NAME}", Method.JOBS_GET),
    ("POST", f"/jobs/{_NAME}/cancel", Method.JOBS_CANCEL),
    ("POST", "/queries", Method.JOBS_QUERY),
    ("GET", f"/queries/{_NAME}", Method.JOBS_GET_QUERY_RESULTS),
))


@dataclass(frozen=True)
class RestRequest:
    """One request."""

    verb: str
    path: str
    headers: Mapping[str, str]
    """Those that are passed on."""
    body: bytes

    @cached_property
    def method(self) -> Method:
        path = self.path.partition("?")[0]
        found = (method for verb, route, method in _ROUTES if verb == self.verb and route.fullmatch(path))
        return next(found, Method.OTHER_REST)

    @cached_property
    def resource(self) -> dict[str, Any]:
        """The body, of a request that has one."""
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed

    @property
    def job_id(self) -> str:
        """Of a submission, or of a job that is asked for; '' if none is given."""
        if self.method is Method.JOBS_INSERT:
            return str(self.resource.get("jobReference", {}).get("jobId", ""))
        return self.path.partition("?")[0].partition("/projects/")[2].split("/")[2]

    @property
    def statement(self) -> str:
        """Of a submission; '' if it is no query."""
        return str(self.resource.get("configuration", {}).get("query", {}).get("query", ""))


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer."""

    status: int
    body: bytes
    kind: str = "application/json"
    cut: bool = False
    """Only half of the body arrives."""
    retry_after: str = ""
    """A header of that name."""

    @property
    def is_job_done(self) -> bool:
        """Whether it tells of a job that ended well."""
        if self.status != http.client.OK:
            return False
        status = json.loads(self.body).get("status", {})
        return status.get("state") == "DONE" and "errorResult" not in status


class HttpUpstream:
    """A kept-alive connection to the emulator, for one thread."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(address, timeout=60)
        self._used_at = 0.0

    def ask(self, request: RestRequest) -> Answer:
        if time.monotonic() - self._used_at > _IDLE_S:
            self.close()
        self._connection.request(request.verb, request.path, body=request.body or None, headers=dict(request.headers))
        answer = self._connection.getresponse()
        body = answer.read()
        self._used_at = time.monotonic()
        return Answer(answer.status, body, answer.headers.get("Content-Type", "application/json"))

    def close(self) -> None:
        self._connection.close()

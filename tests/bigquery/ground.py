"""A dataset for the checks of the contract, and the few things they do in it: by Google's clients alone."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from google.api_core.retry import Retry, if_exception_type
from google.cloud import bigquery
from google.cloud.bigquery import QueryJob
from google.cloud.bigquery.retry import DEFAULT_RETRY
from google.cloud.bigquery_storage_v1 import BigQueryWriteClient
from requests.exceptions import ConnectionError as ConnectionLostError

from tests.bigquery.place import Place
from tests.bigquery.stream import NUMBER, TEXT, Stream

_ONCE = Retry(predicate=if_exception_type(ConnectionLostError), timeout=60.0)
"""Whatever is answered is the answer; a connection that has lain idle may be closed just as it is used."""
PLAIN = {"id": "INT64", "v": "STRING"}
"""The columns of a table that is about something else."""


class Ground:
    """Made by the fixture `ground`, once for a process."""

    def __init__(self, place: Place, dataset: str, rest: bigquery.Client, write: BigQueryWriteClient) -> None:
        self.place = place
        self.dataset = dataset
        self.rest = rest
        self.write = write

    def name(self) -> str:
        """The full name of a table that was never there."""
        return f"{self.place.project}.{self.dataset}.t_{secrets.token_hex(4)}"

    def table(self, columns: Mapping[str, str] = PLAIN, *, name: str = "", once: bool = False,
              **resource: Any) -> str:
        """Make a table; its full name. With `once`, an answer of 500 is taken for the answer."""
        fields = [bigquery.SchemaField(column, kind) for column, kind in columns.items()]
        table = bigquery.Table(name or self.name(), fields)
        for attribute, value in resource.items():
            setattr(table, attribute, value)
        self.rest.create_table(table, retry=_ONCE if once else DEFAULT_RETRY)
        return str(table.reference)

    def stream(self, table: str, columns: Mapping[str, Any] | None = None, *, is_new: bool = True) -> Stream:
        """A stream onto a table; without columns, onto one of `PLAIN`."""
        return Stream(self.write, table, columns or {"id": NUMBER, "v": TEXT}, is_new=is_new)

    def filled(self, *rows: tuple[int, str]) -> str:
        """A table of `PLAIN` with rows that were just appended."""
        table = self.table()
        answer = self.stream(table).append([{"id": number, "v": text} for number, text in rows], offset=0)
        assert answer.status == "OK"
        return table

    def run(self, statement: str, *, job_id: str | None = None) -> QueryJob:
        """Run a statement to its end, once: no attempt of the client's own under another id."""
        job = self.rest.query(statement, job_id=job_id, job_retry=None)
        job.result(job_retry=None)
        return job

    def rows(self, statement: str) -> list[dict[str, Any]]:
        """The rows of a SELECT."""
        return [dict(row.items()) for row in self.run(statement).result()]

    def texts(self, table: str) -> dict[int, str]:
        """What a table of `PLAIN` holds."""
        return {row["id"]: row["v"] for row in self.rows(f"SELECT id, v FROM `{table}`")}

    def job_id(self) -> str:
        """An id that no job ever had."""
        return f"bqsync_test_job_{secrets.token_hex(8)}"

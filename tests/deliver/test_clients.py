"""The clients that all threads share."""

from __future__ import annotations

import threading

import pytest

from bqsync.config import BigQuerySection
from bqsync.deliver.clients import connect
from bqsync.deliver.queries import read_portions
from bqsync.deliver.retry import Policy
from bqsync.embedded import Endpoints

TABLES = 20


def test_more_calls_than_ten_at_once_keep_their_connections(
    emulator: Endpoints, caplog: pytest.LogCaptureFixture,
) -> None:
    destination = connect(BigQuerySection(project="demo", dataset="d", rest_endpoint=emulator.rest,
                                          grpc_endpoint=emulator.grpc), Policy())
    together = threading.Barrier(TABLES)

    def ask() -> None:
        together.wait()
        for _ in range(3):
            list(read_portions(destination, "SELECT 1"))

    threads = [threading.Thread(target=ask) for _ in range(TABLES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    destination.close()
    assert [record.getMessage() for record in caplog.records if record.name.startswith("urllib3")] == []

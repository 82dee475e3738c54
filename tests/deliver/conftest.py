from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.cloud.bigquery_storage_v1 import BigQueryWriteClient
from google.cloud.bigquery_storage_v1.services.big_query_write.transports import BigQueryWriteGrpcTransport
from tests.deliver.append_rig import ROW, TABLE, Retries
from tests.fakes.write_server import WriteServer

from bqsync.deliver.append import CHANNEL_OPTIONS, AppendStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bqsync.deliver.retry import Policy


@contextmanager
def write_client(endpoint: str) -> Iterator[BigQueryWriteClient]:
    with grpc.insecure_channel(endpoint, options=CHANNEL_OPTIONS) as channel:
        yield BigQueryWriteClient(
            transport=BigQueryWriteGrpcTransport(channel=channel))


@pytest.fixture
def server() -> Iterator[WriteServer]:
    server = WriteServer()
    yield server
    server.kill()


@pytest.fixture
def client(server: WriteServer) -> Iterator[BigQueryWriteClient]:
    with write_client(server.endpoint) as client:
        yield client


@pytest.fixture
def retries() -> Retries:
    return Retries()


@pytest.fixture
def open_stream(client: BigQueryWriteClient, retries: Retries) -> Callable[..., AppendStream]:
    def opened(policy: Policy | None = None, **settings: Any) -> AppendStream:  # noqa: ANN401
        return AppendStream(client, TABLE, ROW, policy=policy or retries.policy(), **settings)

    return opened

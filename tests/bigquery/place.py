"""Where the BigQuery of a run of the tests is: on this machine, unless the environment names a project of Google's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import grpc
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import BigQueryWriteClient
from google.cloud.bigquery_storage_v1.services.big_query_write.transports import BigQueryWriteGrpcTransport

from bqsync.embedded import Endpoints

PROJECT = "BQSYNC_TEST_PROJECT"
"""The project of Google's to test against; without it, the BigQuery on this machine."""
LOCATION = "BQSYNC_TEST_LOCATION"
ENDPOINTS = "BQSYNC_TEST_ENDPOINTS"
"""`http://host:port,host:port`: what is taken for Google's, to try out the machinery itself."""
LOCAL_PROJECT = "demo"
_ANY_SIZE = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """
    A BigQuery to test against.

    Attributes:
        project: that holds the datasets and pays.
        location: of the datasets.
        endpoints: where it listens; None is Google's.
        is_service: it counts as the real one: datasets are made before and dropped behind each test.
    """

    project: str
    location: str
    endpoints: Endpoints | None
    is_service: bool

    def rest_client(self) -> bigquery.Client:
        """The official client for tables and jobs, with the credentials of the environment."""
        if self.endpoints is None:
            return bigquery.Client(project=self.project, location=self.location)
        return bigquery.Client(project=self.project, location=self.location, credentials=AnonymousCredentials(),
                               client_options=ClientOptions(api_endpoint=self.endpoints.rest))

    def write_client(self) -> BigQueryWriteClient:
        """The official client for the Storage Write API."""
        if self.endpoints is None:
            return BigQueryWriteClient()
        channel = grpc.insecure_channel(self.endpoints.grpc, options=_ANY_SIZE)
        return BigQueryWriteClient(transport=BigQueryWriteGrpcTransport(channel=channel))


def local(endpoints: Endpoints) -> Place:
    """The BigQuery on this machine, as itself."""
    return Place(project=LOCAL_PROJECT, location="US", endpoints=endpoints, is_service=False)


def from_environment(environ: Mapping[str, str]) -> Place | None:
    """The real one, if one is named."""
    project = environ.get(PROJECT)
    if not project:
        return None
    rest, _, grpc_address = environ.get(ENDPOINTS, "").partition(",")
    return Place(project=project, location=environ.get(LOCATION) or "US", is_service=True,
                 endpoints=Endpoints(rest=rest, grpc=grpc_address) if rest else None)

"""
The two clients of BigQuery: REST for tables and jobs, gRPC for the Storage Write API.

Both are made once and shared by all threads. Where an endpoint is given, the other side is an emulator or a proxy on
plain HTTP, and no credentials are looked for.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

import grpc
from google.api_core.client_options import ClientOptions
from google.api_core.retry import Retry
from google.auth import credentials as auth
from google.auth import default as default_credentials
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
from google.auth.transport.requests import AuthorizedSession, Request
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import BigQueryWriteClient
from google.cloud.bigquery_storage_v1.services.big_query_write.transports import BigQueryWriteGrpcTransport
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies, select_proxy

from bqsync.config import BigQuerySection
from bqsync.deliver.append import CHANNEL_OPTIONS
from bqsync.deliver.key_file import SCOPES, load_key_file
from bqsync.deliver.meter import Meter, Unmetered
from bqsync.deliver.renewal import Renew
from bqsync.deliver.retry import Policy
from bqsync.errors import BqsyncError, ErrorKind

_CONNECTIONS = 32
"""
To keep open: as many as `sync.parallel_tables` may be. Of requests' own 10, every further call would throw its
connection away and log a warning.
"""
_NO_PROXY = ("grpc.enable_http_proxy", 0)
_PROXY = "grpc.http_proxy"
"""Source: https://grpc.github.io/grpc/core/group__grpc__arg__keys.html"""
NO_RETRY = cast("Retry", None)
"""Switches a client's own retries off, call by call. It takes None for that, though its annotations do not say so."""
CALL_TIMEOUT_S = cast("float", (5.0, 30.0))
"""For one REST call, to connect and to answer: a pair, as requests takes it. The clients' own default is for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """
    Everything that a call to BigQuery needs.

    Attributes:
        rest: the client for tables and jobs; its own retries are switched off call by call.
        write: the client for the Storage Write API.
        policy: how failed calls are tried again.
        project: that holds the datasets and is charged for the jobs.
        dataset: of the targets.
        staging_dataset: of the staging tables.
        location: where jobs run.
        meter: is told what statements cost, and may refuse them.
        renew: asks for a token, whatever there is; None where none is needed.
    """

    rest: bigquery.Client
    write: BigQueryWriteClient
    policy: Policy
    project: str
    dataset: str
    staging_dataset: str
    location: str
    meter: Meter = field(default_factory=Unmetered)
    renew: Renew | None = None

    def close(self) -> None:
        """Close the connections of both clients."""
        self.rest.close()
        self.write.transport.close()


def require_key(section: BigQuerySection) -> None:
    """
    See that the key file can be used, where one is needed.

    Raises:
        BqsyncError: BIGQUERY_CREDENTIALS.
    """
    if section.credentials_file is not None and not section.embedded and section.rest_endpoint is None:
        load_key_file(section.credentials_file)


def connect(section: BigQuerySection, policy: Policy) -> Destination:
    """
    Make the clients. Nothing is sent yet, but for the token of some kinds of credentials.

    Raises:
        BqsyncError: BIGQUERY_CREDENTIALS.
    """
    local = section.rest_endpoint is not None
    credentials = auth.AnonymousCredentials() if local else _credentials(section.credentials_file)
    rest = bigquery.Client(
        project=section.project, credentials=credentials, location=section.location,
        client_options=ClientOptions(api_endpoint=section.rest_endpoint) if local else None,
        _http=_direct_session(credentials) if local else None,
    )
    for scheme in ("http://", "https://"):
        rest._http.mount(scheme, HTTPAdapter(pool_maxsize=_CONNECTIONS))  # noqa: SLF001 - there is no other way
    return Destination(
        rest=rest,
        write=_write_client(section.grpc_endpoint, credentials),
        policy=policy,
        project=section.project,
        dataset=section.dataset,
        staging_dataset=section.staging_dataset or section.dataset,
        location=section.location,
        renew=None if local else partial(credentials.refresh, Request()),
    )


def _write_client(endpoint: str | None, credentials: auth.Credentials) -> BigQueryWriteClient:
    if endpoint is None:
        channel = BigQueryWriteGrpcTransport.create_channel(
            credentials=credentials, options=[*CHANNEL_OPTIONS, *_proxy_of_rest()])
    else:
        channel = grpc.insecure_channel(endpoint, options=[*CHANNEL_OPTIONS, _NO_PROXY])
    return BigQueryWriteClient(transport=BigQueryWriteGrpcTransport(channel=channel))


def _proxy_of_rest() -> list[tuple[str, str]]:
    """
    One way for both clients: gRPC by itself knows the variables of a proxy in small letters alone.

    Source: https://github.com/grpc/grpc/blob/master/doc/environment_variables.md
    """
    if "grpc_proxy" in os.environ:
        return []
    host = f"https://{BigQueryWriteClient.DEFAULT_ENDPOINT}"
    proxy = select_proxy(host, get_environ_proxies(host))
    return [(_PROXY, proxy)] if proxy else []


def _direct_session(credentials: auth.Credentials) -> AuthorizedSession:
    """No proxy from the environment has any business between us and a local endpoint."""
    session = AuthorizedSession(credentials)
    session.trust_env = False
    return session


def _credentials(key_file: Path | None) -> auth.Credentials:
    """A key file if one is named, else what the environment offers: ADC, workload identity, the metadata server."""
    if key_file is not None:
        return load_key_file(key_file)
    # Off Google's machines the metadata server never answers; its default patience would look like a hang.
    os.environ.setdefault("GCE_METADATA_TIMEOUT", "2")
    try:
        credentials, _ = default_credentials(scopes=SCOPES)
    except (DefaultCredentialsError, GoogleAuthError) as exc:
        raise BqsyncError(
            ErrorKind.BIGQUERY_CREDENTIALS, what="no credentials for BigQuery were found", why=str(exc).split("\n")[0],
            fix="set GOOGLE_APPLICATION_CREDENTIALS to a key file, run `gcloud auth application-default login`, or "
            "set `bigquery.embedded = true` to try bqsync without Google",
        ) from exc
    return credentials

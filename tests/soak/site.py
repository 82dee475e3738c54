"""Folder, emulator, proxy, relay and configuration of one run."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from bqsync.embedded import EmbeddedBigQuery, Endpoints
from tests.daemon.relay import Relay
from tests.hostile.proxy import HostileBigQuery
from tests.soak.report import SoakError
from tests.soak.tables import Kind
from tests.workbench import PROJECT

DATASET = "soak"
_PORT_S = 30.0
_LOOK_S = 0.05


class Site:
    """
    Everything that stands around the daemon.

    The way from it to BigQuery: relay, proxy, emulator. `rest` goes straight to the emulator.

    Args:
        folder: for everything that is written.
        emulator: where it listens.
        kinds: the tables.
    """

    def __init__(self, folder: Path, emulator: Endpoints, kinds: Iterable[Kind]) -> None:
        self.folder = folder
        self.kinds = tuple(kinds)
        self.db_path = folder / "app.db"
        self.config_path = folder / "config.toml"
        self.state_path = folder / "state" / "state.db"
        self.hostile = HostileBigQuery(emulator)
        self._relay = Relay(self.hostile.endpoints)
        self.rest = bigquery.Client(project=PROJECT, credentials=AnonymousCredentials(),
                                    client_options=ClientOptions(api_endpoint=emulator.rest))

    def close(self) -> None:
        self.rest.close()
        self._relay.close()
        self.hostile.stop()

    def configure(self, sync: str, watch: str = "") -> None:
        """Write a configuration that is valid."""
        endpoints = self._relay.endpoints
        tables = "\n".join(kind.toml for kind in self.kinds)
        self.config_path.write_text(
            f'[source]\ndb = "app.db"\n\n[bigquery]\nproject = "{PROJECT}"\ndataset = "{DATASET}"\n'
            f'rest_endpoint = "{endpoints.rest}"\ngrpc_endpoint = "{endpoints.grpc}"\n\n'
            f'[state]\nfile = "state/state.db"\n\n[log]\nheartbeat_interval = "5 s"\n\n'
            f"[watch]\n{watch}\n\n[sync]\n{sync}\n\n{tables}\n", encoding="utf-8")

    def open_way(self) -> None:
        """Let everything pass to BigQuery."""
        deadline = time.monotonic() + _PORT_S
        while True:
            try:
                self._relay.open()
            except OSError as error:  # somebody else was given the port meanwhile, for a connection of their own
                self._relay.close()
                if time.monotonic() > deadline:
                    raise SoakError(f"the relay can't listen again: {error}") from error
                time.sleep(_LOOK_S)
            else:
                return

    def close_way(self) -> None:
        """Nothing listens any more, and every connection is lost."""
        self._relay.close()

    @contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        """The database, as its application opens it."""
        with closing(sqlite3.connect(self.db_path, isolation_level=None, timeout=30)) as db:
            yield db

    def targets(self) -> set[str]:
        """The names of all tables in the dataset; empty where there is none yet."""
        if DATASET not in {item.dataset_id for item in self.rest.list_datasets()}:
            return set()
        return {item.table_id for item in self.rest.list_tables(DATASET)}

    def rows(self, statement: str) -> list[dict[str, object]]:
        """Rows of a statement in which {d} stands for the dataset."""
        found = self.rest.query(statement.replace("{d}", f"`{PROJECT}`.`{DATASET}`")).result()
        return [dict(row.items()) for row in found]


@contextmanager
def site(folder: Path, kinds: Iterable[Kind]) -> Iterator[Site]:
    """A site with an emulator of its own, the way to it open."""
    with EmbeddedBigQuery(folder / "bigquery", PROJECT) as emulator:
        one = Site(folder, emulator.start(), kinds)
        one.open_way()
        try:
            yield one
        finally:
            one.close()

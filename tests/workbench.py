"""A SQLite file, a configuration and a dataset, and the few things that tests do with them."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from google.cloud import bigquery

from bqsync.config import VARIABLES, Config, load
from bqsync.embedded import Endpoints
from bqsync.engine.arrival import sweep_orphans
from bqsync.engine.cycle_options import CycleOptions
from bqsync.engine.opening import open_session
from bqsync.engine.sync import sync_tables
from bqsync.engine.verify import VerifyOutcome, verify_table
from tests.bigquery.datasets import new_name
from tests.bigquery.place import LOCAL_PROJECT, Place, local
from tests.bigquery.place import PROJECT as PROJECT_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bqsync.model import CycleOutcome

PROJECT = os.environ.get(PROJECT_VARIABLE) or LOCAL_PROJECT
"""Of this run."""
PATIENCE_S = 600.0 if os.environ.get(PROJECT_VARIABLE) else 120.0
"""For a command: a table that is new may be unknown to the real BigQuery for two minutes."""
_STEERING = frozenset(VARIABLES) - {"GOOGLE_APPLICATION_CREDENTIALS"}
"""What a person's shell may hold and would outweigh a test's configuration."""
ROOT = Path(__file__).parent.parent
_CLOCKS_APART = timedelta(minutes=5)
"""As much as the clock of this machine may differ from BigQuery's."""


def start_command(
    *arguments: str, folder: Path, prefix: Sequence[str] = (), **environment: str
) -> subprocess.Popen[str]:
    """`bqsync …` as a process of its own, in a folder. The caller waits for its end."""
    command = [*prefix, sys.executable, "-P", "-m", "bqsync", *arguments]
    inherited = {name: value for name, value in os.environ.items() if name not in _STEERING}
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env={**inherited, **environment})


def run_command(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The same, to its end."""
    with start_command(*arguments, folder=folder, **environment) as process:
        output, errors = process.communicate(timeout=PATIENCE_S)
    return subprocess.CompletedProcess(arguments, process.returncode, output, errors)


class Workbench:
    """Everything one test needs; made by the fixture `workbench`."""

    def __init__(self, folder: Path, where: Place | Endpoints) -> None:
        self.folder = folder
        self.place = where if isinstance(where, Place) else local(where)
        self._endpoints = self.place.endpoints
        self._begun = datetime.now(UTC)
        self.dataset = new_name()
        self.db_path = folder / "app.db"
        self.config_path = folder / "config.toml"
        self.state_path = folder / "state" / "state.db"
        self.db = sqlite3.connect(self.db_path, isolation_level=None)
        self.clock_us: int | None = None
        """What the engine's clock shows, in Unix microseconds; None for that of the machine."""
        self.stop = Event()
        """Ends a cycle early, once it is set."""
        self.rest = self.place.rest_client()

    @property
    def endpoints(self) -> Endpoints:
        """Where the cycles go; a test may name others. Google's own have no such place."""
        assert self._endpoints is not None, "this test needs a BigQuery on this machine"
        return self._endpoints

    @endpoints.setter
    def endpoints(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    def close(self) -> None:
        self.db.close()
        self.rest.close()

    def configure(self, tables: str, *, sync: str = "", extra: str = "") -> None:
        """Write the configuration; `tables` holds the [[tables]] entries as TOML."""
        there = self._endpoints
        endpoints = f'rest_endpoint = "{there.rest}"\ngrpc_endpoint = "{there.grpc}"\n' if there else ""
        self.config_path.write_text(
            f'[source]\ndb = "app.db"\n\n'
            f'[bigquery]\nproject = "{PROJECT}"\ndataset = "{self.dataset}"\nlocation = "{self.place.location}"\n'
            f'{endpoints}\n'
            f'[state]\nfile = "state/state.db"\n\n[sync]\n{sync}\n\n{extra}\n\n{tables}\n',
            encoding="utf-8",
        )

    def configure_nine_tables(self, *, sync: str = "") -> None:
        """The shipped tables and protos."""
        shipped = (ROOT / "config.toml").read_text(encoding="utf-8")
        folder = ROOT / "protos"
        protos = f'[protos]\nfiles = ["{folder}/db_schemas.proto"]\ndescriptor_set = "{folder}/db_schemas.binpb"'
        self.configure(shipped[shipped.index("[[tables]]"):], sync=sync, extra=protos)

    @property
    def config(self) -> Config:
        return load(self.config_path, environ={})

    def sync(self, *tables: str, stop: Event | None = None, **options: Any) -> dict[str, CycleOutcome]:
        """
        One cycle; the outcomes by table. A failed table carries its error.

        Once `stop` is set, no failed call is tried again: so a cycle gives up at once that would wait for a minute.
        """
        with open_session(self.config, stop=stop or self.stop) as opened:
            session = opened if self.clock_us is None else replace(opened, now_us=lambda: self.clock_us or 0)
            sweep_orphans(session)
            outcomes = sync_tables(session, tables, CycleOptions(**options))
        return {outcome.table: outcome for outcome in outcomes}

    def sync_command(self, *arguments: str) -> dict[str, dict[str, Any]]:
        """One cycle as users run it: by the command, in a process of its own. What it reports, by table."""
        done = run_command("sync", "-c", str(self.config_path), "--json", *arguments, folder=self.folder)
        assert done.returncode == 0, done.stdout + done.stderr
        return {outcome["table"]: outcome for outcome in json.loads(done.stdout)["tables"]}

    def quarantine(self) -> list[tuple[str, str, str]]:
        """Table, column and reason of every row in quarantine, straight from the state file."""
        with closing(sqlite3.connect(self.state_path)) as state:
            return state.execute('SELECT t.name, q."column", q.reason FROM quarantine q'
                                 " JOIN tables t ON t.id = q.table_id ORDER BY 1, 2, 3").fetchall()

    def lose_state(self) -> None:
        """The state file is gone, with its side files."""
        for path in self.state_path.parent.glob("state.db*"):
            path.unlink()

    def tables(self) -> set[str]:
        """The names of all tables in the dataset, staging tables among them."""
        return {item.table_id for item in self.rest.list_tables(self.dataset)}

    def merges(self) -> list[str]:
        """The text of every MERGE that was ever run on the dataset."""
        jobs = self.rest.list_jobs(min_creation_time=self._begun - _CLOCKS_APART)
        texts = [job.query for job in jobs if isinstance(job, bigquery.QueryJob)]
        return [text for text in texts if text.startswith("MERGE") and self.dataset in text]

    def verify(self, table: str) -> VerifyOutcome:
        config = self.config
        section = config.table(table)
        assert section is not None
        with open_session(config) as session:
            return verify_table(session, section)

    def query(self, statement: str) -> list[dict[str, Any]]:
        """Rows of a statement in which {d} stands for the dataset."""
        rows = self.rest.query(statement.replace("{d}", f"`{PROJECT}`.`{self.dataset}`")).result()
        return [dict(row.items()) for row in rows]

    def rows(self, table: str, order_by: str) -> list[dict[str, Any]]:
        """The whole of a target, as BigQuery's own client reads it."""
        return self.query(f"SELECT * FROM {{d}}.`{table}` ORDER BY {order_by}")

    def fill(self, script: str, *inserts: tuple[str, Sequence[Sequence[object]]]) -> None:
        """Run a script on the source, then INSERT statements with their rows."""
        self.db.executescript(script)
        self.db.execute("BEGIN")  # one commit for all rows, and not one for each
        for statement, rows in inserts:
            self.db.executemany(statement, rows)
        self.db.execute("COMMIT")

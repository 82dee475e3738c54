"""
A source, a state, a target behind a hostile proxy, a clock: and the few things that can happen to them.

A kill is what SIGKILL leaves: the files of the state as they are at that moment, and a BigQuery that no call of the
dead process reaches any more.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Event

import structlog
from google.api_core.exceptions import Forbidden, NotFound
from google.cloud import bigquery

from bqsync import failpoints
from bqsync.deliver.retry import WAITS, Waits
from bqsync.embedded import Endpoints
from bqsync.engine.arrival import sweep_orphans
from bqsync.engine.cycle_options import CycleOptions
from bqsync.engine.identity import IdentityWatch
from bqsync.engine.opening import open_session
from bqsync.engine.schedule import SweepMode
from bqsync.engine.session import Session
from bqsync.engine.sync import sync_tables
from bqsync.model import CycleOutcome
from tests.hostile.proxy import HostileBigQuery
from tests.hostile.rows import staged_row
from tests.model.tables import Cell, Expectation, Kind, expected, target_cell
from tests.workbench import PROJECT, Workbench

_START_US = 1_750_000_000_000_000
_STATE_SUFFIXES = ("", "-wal", "-shm")

_SHORT_WAITS = dict.fromkeys(WAITS, Waits(first=0.005, longest=0.02, total=0.08))

Key = tuple[Cell, ...]


class KilledError(BaseException):
    """The process was killed here. No handler of `Exception` sees it."""


class World:
    """Everything of one history."""

    def __init__(
        self, folder: Path, emulator: Endpoints, hostile: HostileBigQuery, kind: Kind, *, sync: str, is_resident: bool
    ) -> None:
        self.kind = kind
        self.is_resident = is_resident
        """One process runs all cycles, as the daemon does; else each has a process of its own."""
        self._session: Session | None = None
        self._identity: IdentityWatch | None = None
        self._rooms = ExitStack()
        self.hostile = hostile
        hostile.reset()
        self.bench = Workbench(folder, emulator)
        self.bench.endpoints = hostile.endpoints
        self.bench.configure(kind.toml, sync=sync)
        self.clock_us = _START_US
        self.app = self._connect()
        self.app.execute("PRAGMA busy_timeout = 0")
        self.app.execute(kind.ddl)
        if kind.index:
            self.app.execute(kind.index)
        self.disturbed = True
        """Since the last undisturbed cycle, something happened after which rows may be sent again."""
        self.delivered: dict[bytes, bytes] = {}
        """By staged key, the last data that an undisturbed cycle has delivered."""
        self.saved_states: list[dict[str, bytes]] = []
        self.fresh: set[Key] | None = None
        """The keys whose rows were written with the time of their writing since the last cycle: a watermark pass has to
        find them all. None while the clock, the file, the state or a failure may have put rows out of its reach."""

    def _connect(self) -> sqlite3.Connection:
        """The application's connection, for the thread of a cycle as well: there it writes meanwhile."""
        self.bench.db.close()
        self.bench.db = sqlite3.connect(self.bench.db_path, isolation_level=None, check_same_thread=False)
        return self.bench.db

    def disturb(self) -> None:
        """Rows may be sent again from now on, and passes may miss some, until a sweep has come to its end."""
        self.disturbed = True
        self.fresh = None

    def close(self) -> None:
        failpoints.on_reached = None
        self.leave()
        with suppress(NotFound):
            self.bench.rest.delete_dataset(self.bench.dataset, delete_contents=True, not_found_ok=True)
        self.bench.close()

    # The application.

    def stamp(self) -> Cell:
        return self.kind.stamp(self.clock_us)

    def write(self, statement: str, parameters: tuple[Cell, ...] = ()) -> None:
        with suppress(sqlite3.IntegrityError):
            self.app.execute(statement, parameters)

    def target_key(self, key: Key) -> Key:
        return tuple(target_cell(cell, self.kind) for cell in key)

    def source_keys(self) -> list[Key]:
        columns = ", ".join(self.kind.key)
        return self.app.execute(f"SELECT {columns} FROM t ORDER BY typeof({self.kind.key[0]}), {columns}").fetchall()

    def cells_of(self, key: Key) -> tuple[Cell, ...]:
        where, parameters = self.where(key)
        cells: tuple[Cell, ...] = self.app.execute(f"SELECT n, v, ts FROM t WHERE {where}", parameters).fetchone()
        return cells

    def where(self, key: Key) -> tuple[str, Key]:
        return " AND ".join(f"{name} IS ? AND typeof({name}) = typeof(?)" for name in self.kind.key), tuple(
            value for cell in key for value in (cell, cell))

    def replace_file(self, copy: Path) -> None:
        """Another file is moved into the place of the database, as a restore does."""
        self.app.close()
        for suffix in ("-wal", "-shm", "-journal"):
            Path(f"{self.bench.db_path}{suffix}").unlink(missing_ok=True)
        fresh = copy.with_suffix(".restored")
        shutil.copyfile(copy, fresh)
        fresh.replace(self.bench.db_path)
        self.app = self._connect()

    # The state.

    def read_state(self) -> dict[str, bytes]:
        files = {suffix: Path(f"{self.bench.state_path}{suffix}") for suffix in _STATE_SUFFIXES}
        return {suffix: path.read_bytes() for suffix, path in files.items() if path.exists()}

    def put_state(self, files: dict[str, bytes]) -> None:
        self.leave()
        shutil.rmtree(self.bench.state_path.parent, ignore_errors=True)
        self.bench.state_path.parent.mkdir()
        for suffix, content in files.items():
            Path(f"{self.bench.state_path}{suffix}").write_bytes(content)

    # The daemon.

    def cycle(self, mode: SweepMode, *, confirm: int = 0, kill_at: tuple[str, int] | None = None,
              meanwhile: tuple[str, Callable[[], None]] | None = None) -> CycleOutcome | None:
        """One cycle, killed at the n-th arrival at a failpoint, or with something happening there; None if killed."""
        stop = Event()
        state: dict[str, bytes] = {}
        left = kill_at[1] if kill_at else 0

        def on_reached(name: str) -> None:
            nonlocal left
            if meanwhile and name == meanwhile[0]:
                meanwhile[1]()
            if kill_at and name == kill_at[0]:
                left -= 1
                if left == 0:
                    state.update(self.read_state())
                    self.hostile.dead = True
                    stop.set()
                    raise KilledError

        failpoints.on_reached = on_reached
        try:
            return self._cycle(mode, confirm, stop)
        except KilledError:
            self.leave()
            self.put_state(state)
            return None
        finally:
            failpoints.on_reached = None
            self.hostile.dead = False

    def _cycle(self, mode: SweepMode, confirm: int, stop: Event) -> CycleOutcome:
        with _quiet():
            if not self.is_resident:
                self.leave()
            session = self._session or self._open()
            destination = session.destination
            policy = replace(destination.policy, waits=_SHORT_WAITS, stop=stop)
            session = replace(session, now_us=lambda: self.clock_us, stop=stop,
                              destination=replace(destination, policy=policy))
            options = CycleOptions(sweep=mode, confirmed_deletes=confirm)
            if self.is_resident and self._identity is not None:
                # As in the daemon's loop: what was planned under the same schema stands.
                options = replace(options, schema_cookie=self._identity.look())
            (outcome,) = sync_tables(session, (), options)
        return outcome

    def _open(self) -> Session:
        """As a process does when it starts."""
        with ExitStack() as stack:
            session: Session = stack.enter_context(open_session(self.bench.config))
            sweep_orphans(session)
            self._rooms = stack.pop_all()
        self._session, self._identity = session, IdentityWatch(session)
        return session

    def leave(self) -> None:
        """The process ends, and with it all that it has kept in mind."""
        self._session = self._identity = None
        self._rooms.close()

    # What is looked at.

    def target(self) -> dict[Key, list[dict[str, object]]]:
        """The rows of the target by key; marked ones are absent."""
        rows: dict[Key, list[dict[str, object]]] = {}
        try:
            found = self.bench.query("SELECT * FROM {d}.t")
        except (NotFound, Forbidden):  # there is no such table, in the words of the service
            return rows
        for row in found:
            if row.pop("_bqsync_deleted_at", None) is None:
                rows.setdefault(tuple(row[name] for name in self.kind.key), []).append(row)
        return rows

    def expected(self) -> dict[Key, Expectation]:
        with closing(sqlite3.connect(self.bench.db_path)) as db:
            db.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
            return expected(db, self.kind)

    def staged_since(self, number: int) -> list[tuple[bytes, str, bytes]]:
        """Key, operation and data of the rows that were staged after the first so many."""
        rows = [staged_row(appended.row) for appended in self.hostile.appended[number:]]
        return [(row.key, row.operation, row.data) for row in rows]

    def recreate_target(self, *, with_rows: bool) -> None:
        """Somebody drops the target, and perhaps puts back an old copy of it; then a minute passes."""
        if self._session is not None:
            self._session.prepared.clear()
        name = f"{PROJECT}.{self.bench.dataset}.t"
        try:
            table = self.bench.rest.get_table(name)
        except NotFound:
            return
        rows = self.bench.query("SELECT * FROM {d}.t") if with_rows else []
        if with_rows:
            self.bench.query("CREATE TABLE {d}.old AS SELECT * FROM {d}.t")
        self.bench.rest.delete_table(name)
        if rows:
            again = bigquery.Table(name, table.schema)
            again.labels = table.labels
            self.bench.rest.create_table(again)
            columns = ", ".join(f"`{field.name}`" for field in table.schema)
            self.bench.query(f"INSERT INTO {{d}}.t ({columns}) SELECT {columns} FROM {{d}}.old")
        if with_rows:
            self.bench.rest.delete_table(f"{PROJECT}.{self.bench.dataset}.old")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without log lines: a history has hundreds of cycles."""
    before = structlog.get_config()
    structlog.configure(processors=[_drop])
    try:
        yield
    finally:
        structlog.configure(**before)


def _drop(*_: object) -> dict[str, object]:
    raise structlog.DropEvent

"""
A writer that behaves as the job tracker does, for as long as it is let.

`python -m bqsync.demo.writer DB --seconds N --rate R --seed S` runs as a process of its own, ends early on SIGTERM or
SIGINT, and prints one JSON line: the rows inserted, updated and deleted, by table.
"""

from __future__ import annotations

import json
import random
import signal
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bqsync.demo.application import Application
from bqsync.demo.rows import RowMaker
from bqsync.demo.schema import connect, create_tables
from bqsync.demo.store import ApplicationStore

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from bqsync.demo.store import Counts

_NAP_S = 0.05
"""The longest sleep: how soon a writer notices that it is to stop."""


class Writer:
    """
    Inserts, updates and deletes in all nine tables, a commit per statement.

    Deeds come in shuffled rounds: every table has seen all three after one round. Equal seeds over equal databases
    write the same, as far as the clock is the same.
    """

    def __init__(self, connection: sqlite3.Connection, *, seed: int, clock: Callable[[], float] = time.time) -> None:
        """
        Take over a connection that `connect` made, to a database in which `create_tables` ran.

        Args:
            connection: used by this writer alone.
            seed: of all that is random.
            clock: gives the Unix epoch in seconds, with a fraction.
        """
        self._rng = random.Random()
        self._store = ApplicationStore(connection, self._rng)
        # A second writer of the same seed must not make the keys of the first one again.
        self._rng.seed(f"writer {seed} {self._store.extent()}")
        self._deeds = Application(self._store, RowMaker(self._rng), clock).deeds()
        self._round: list[Callable[[], object]] = []

    @property
    def counts(self) -> Counts:
        """Rows by table, and there by `inserts`, `updates` and `deletes`; cascades included."""
        return self._store.counts

    @property
    def statements(self) -> int:
        """Statements that wrote, each committed by itself."""
        return self._store.statements

    def step(self) -> None:
        """
        Do one deed: one to six statements.

        Raises:
            sqlite3.Error: the database can't be written, or something else holds it for longer than half a minute.
        """
        if not self._round:
            self._round = self._rng.sample(self._deeds, len(self._deeds))
        self._round.pop()()

    def play_round(self) -> None:
        """Do every deed once more: inserts, updates and deletes in all nine tables. Raises as `step` does."""
        for _ in self._deeds:
            self.step()

    def run(self, *, seconds: float, rate: float, stopped: Callable[[], bool] = lambda: False) -> Counts:
        """
        Write until the time is over or `stopped` says so.

        Args:
            seconds: how long; may be infinite.
            rate: statements per second, above 0, as far as the disk allows.
            stopped: asked before every deed and at least every 50 ms.

        Raises:
            sqlite3.Error: see `step`.
        """
        begin, before = time.monotonic(), self.statements
        while not stopped() and (elapsed := time.monotonic() - begin) < seconds:
            ahead_s = (self.statements - before) / rate - elapsed
            if ahead_s > 0:
                time.sleep(min(ahead_s, _NAP_S))
            else:
                self.step()
        return self.counts


@click.command()
@click.argument("database", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--seconds", type=float, default=10.0, show_default=True, help="How long; `inf` until it is stopped.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), default=20.0, show_default=True,
              help="Statements per second.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of all that is random.")
def main(database: Path, seconds: float, rate: float, seed: int) -> None:
    """Write to DATABASE as the job tracker does; its tables are made if they are missing."""
    signals: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: signals.append(received))
    with closing(connect(database)) as connection:
        create_tables(connection)
        counts = Writer(connection, seed=seed).run(seconds=seconds, rate=rate, stopped=lambda: bool(signals))
    click.echo(json.dumps(counts))


if __name__ == "__main__":
    main()

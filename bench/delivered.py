"""
A table that is delivered already, and the cycles that find out: whole cycles of the daemon on the embedded BigQuery.

The ledger is filled without the copy, and the target stays empty: so the part of BigQuery is the same for every size.
`python -m bench.delivered ROWS` sweeps once and prints the peak memory of its process in kB.
"""

from __future__ import annotations

import re
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.source import SECTION, make
from bqsync.config import load
from bqsync.encode.rows import RowEncoder
from bqsync.engine.cycle_options import CycleOptions
from bqsync.engine.intake import salt_of
from bqsync.engine.opening import open_session
from bqsync.engine.plan import mapping_version, plan_table, table_reader
from bqsync.engine.schedule import SweepMode
from bqsync.engine.session import Session
from bqsync.engine.sync import sync_tables
from bqsync.model import CycleOutcome, Delivery, EncodedRow
from bqsync.observe.log import configure
from bqsync.state.chunk_commit import ChunkCommit
from bqsync.state.ledger import Ledger
from bqsync.state.tables import TableState

CHANGED_ROWS = 100


@dataclass(frozen=True, slots=True)
class DeliveredTable:
    """A table whose every row is in the ledger."""

    database: Path
    session: Session

    def sweep(self) -> None:
        """A cycle that compares the whole table and finds nothing."""
        outcome = self._cycle(SweepMode.ALWAYS)
        if outcome.merges or not outcome.swept:
            raise AssertionError(outcome)

    def change_and_pass(self) -> None:
        """Change some rows, and have a watermark pass deliver them."""
        with closing(sqlite3.connect(self.database)) as connection, connection:
            connection.execute(
                "UPDATE events SET score = random(), updated_at = (SELECT max(updated_at) + 100 FROM events)"
                f" WHERE id < {CHANGED_ROWS}")
        outcome = self._cycle(SweepMode.NEVER)
        if outcome.rows_upserted != CHANGED_ROWS:
            raise AssertionError(outcome)

    def bare_fetch(self) -> None:
        """What no sweep can do without: every row, through Python's sqlite3."""
        with closing(sqlite3.connect(self.database)) as connection:
            cursor = connection.execute("SELECT * FROM events")
            while cursor.fetchmany(5_000):
                pass

    def _cycle(self, mode: SweepMode) -> CycleOutcome:
        (outcome,) = sync_tables(self.session, (), CycleOptions(sweep=mode))
        return outcome


@contextmanager
def delivered_table(folder: Path, rows: int) -> Iterator[DeliveredTable]:
    """Make such a table."""
    home = folder / f"delivered_{rows}"
    home.mkdir()
    database = home / "events.db"
    make(database, 0)
    (home / "bench.toml").write_text(
        f'[source]\ndb = "{database.name}"\n[bigquery]\nproject = "bench"\ndataset = "bench"\nembedded = true\n'
        f'{SECTION}watermark = ["updated_at"]\n', encoding="utf-8",
    )
    with open_session(load(home / "bench.toml", environ={})) as session:
        sync_tables(session, (), CycleOptions())  # of an empty table: the target is made and trusted
        make(database, rows)
        _note_as_delivered(session)
        table = DeliveredTable(database, session)
        table.sweep()  # decides about the watermark
        yield table


def _note_as_delivered(session: Session) -> None:
    """Fill the ledger as a first copy would."""
    section = session.config.tables[0]
    state = TableState(session.store, session.source_id, section.name)
    spec = plan_table(session, section, state).spec
    encoder, ledger = RowEncoder(spec, session.zone), Ledger(session.store, state.table_id)
    version = mapping_version(spec, session.zone)
    salt = salt_of(version)
    for page in table_reader(session, spec).pages():
        chunk = ChunkCommit()
        for row, source_print in zip(page.rows, page.prints, strict=True):
            result = encoder.encode(row)
            if not isinstance(result, EncodedRow):
                raise TypeError(result)
            chunk.delivered[result.key] = Delivery(result.key, result.fingerprint, None, source_print ^ salt)
        ledger.commit(chunk, version)


def peak_memory_kb() -> int:
    """The most memory that this process ever held."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    return int(found[1]) if found else 0


if __name__ == "__main__":
    configure("error")
    with tempfile.TemporaryDirectory(prefix="bqsync-bench-") as name, delivered_table(Path(name), int(sys.argv[1])):
        print(peak_memory_kb())

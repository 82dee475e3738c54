"""One changed row, from the start of a cycle to its commit, against the same BigQuery calls made back to back."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from bench.measure import Figure, median_s
from bench.source import SECTION
from bqsync.config import load
from bqsync.deliver import jobs, staging, target
from bqsync.deliver.append import AppendStream
from bqsync.deliver.merge_sql import merge_statement
from bqsync.encode.rows import RowEncoder
from bqsync.engine.cycle_options import CycleOptions
from bqsync.engine.opening import open_session
from bqsync.engine.plan import plan_table
from bqsync.engine.session import Session
from bqsync.engine.sync import sync_tables
from bqsync.model import EncodedRow, Intent
from bqsync.state.tables import TableState

_ROWS = 1_000


class _NoIntents:
    """The bare calls keep no state."""

    def record_intent(self, intent: Intent) -> None:
        pass

    def clear_intent(self, job_created_us: int | None = None) -> None:
        pass


def figures(folder: Path, make: Callable[[Path, int], None], runs: int) -> list[Figure]:
    """Measure a cycle of a small table on the embedded BigQuery."""
    database = folder / "small.db"
    make(database, _ROWS)
    path = folder / "cycle.toml"
    path.write_text(
        f'[source]\ndb = "{database.name}"\n'
        f'[bigquery]\nproject = "bench"\ndataset = "bench"\nembedded = true\n{SECTION}',
        encoding="utf-8",
    )
    with open_session(load(path, environ={})) as session:
        sync_tables(session, (), CycleOptions())
        cycle_s = median_s(lambda: _cycle(session, database), runs)
        bare_s = median_s(_bare_calls(session), runs)
    return [Figure(name="cycle with one changed row of 1,000 (time)", value=f"{cycle_s * 1000:.0f} ms",
                   floor=f"the same calls back to back: {bare_s * 1000:.0f} ms", ratio=cycle_s / bare_s)]


def _cycle(session: Session, database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE events SET score = random() WHERE id = 7")
    (outcome,) = sync_tables(session, (), CycleOptions())
    if outcome.rows_upserted != 1:
        raise AssertionError(outcome)


def _bare_calls(session: Session) -> Callable[[], None]:
    """What no cycle can do without: read the target, stage one row, merge it, drop the staging table."""
    section = session.config.tables[0]
    spec = plan_table(session, section, TableState(session.store, session.source_id, section.name)).spec
    encoder = RowEncoder(spec)
    row = encoder.encode((7, 1, "view", 1.0, 1, None, "x", 1_700_000_000, 1_700_000_000, 0.5))
    if not isinstance(row, EncodedRow):
        raise TypeError(row)
    staged = encoder.stage_upsert(row, 0)
    destination = session.destination
    ref = target.target_ref(destination, spec)

    def calls() -> None:
        target.read(destination, ref)
        table = staging.create(destination, spec, ref, "bench")
        path = f"projects/{table.project}/datasets/{table.dataset}/tables/{table.table}"
        with AppendStream(destination.write, path, encoder.descriptor, policy=destination.policy) as stream:
            stream.append([staged])
            stream.finish()
        jobs.run_merge(destination, merge_statement(spec, ref, table), table, _NoIntents())
        staging.drop(destination, str(table))

    return calls

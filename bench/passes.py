"""A watermark pass for 100 changed rows: of a small table, and of a large one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from bench.measure import Figure, median_s
from bench.source import SECTION
from bqsync.config import load
from bqsync.encode.rows import RowEncoder
from bqsync.engine.cycle import CycleOptions
from bqsync.engine.intake import salt_of
from bqsync.engine.plan import mapping_version, plan_table, table_reader
from bqsync.engine.schedule import SweepMode
from bqsync.engine.session import Session, open_session
from bqsync.engine.sync import sync_tables
from bqsync.model import Delivery, EncodedRow
from bqsync.state.ledger import ChunkCommit, Ledger
from bqsync.state.tables import TableState

_CHANGED = 100
_SMALL = 10_000


def figures(folder: Path, make: Callable[[Path, int], None], rows: int, runs: int) -> list[Figure]:
    """Measure whole cycles on the embedded BigQuery, whose own part is the same for both: the targets are empty."""
    seconds = {count: _pass_s(folder, make, count, runs) for count in (_SMALL, rows)}
    return [Figure(
        name=f"watermark pass, {_CHANGED} changed rows of {rows:,} (time)", value=f"{seconds[rows] * 1000:.0f} ms",
        floor=f"the same of {_SMALL:,}: {seconds[_SMALL] * 1000:.0f} ms", ratio=seconds[rows] / seconds[_SMALL],
    )]


def _pass_s(folder: Path, make: Callable[[Path, int], None], rows: int, runs: int) -> float:
    home = folder / f"pass_{rows}"
    home.mkdir()
    database = home / "events.db"
    make(database, 0)
    (home / "bench.toml").write_text(
        f'[source]\ndb = "{database.name}"\n[bigquery]\nproject = "bench"\ndataset = "bench"\nembedded = true\n'
        f'{SECTION}watermark = ["updated_at"]\n', encoding="utf-8",
    )
    with open_session(load(home / "bench.toml", environ={})) as session:
        sync_tables(session, (), CycleOptions())  # an empty table: the target is made and trusted
        make(database, rows)
        _note_as_delivered(session)
        _touch(database)
        _run(session, swept=True)

        def touch_and_pass() -> None:
            _touch(database)
            _run(session, swept=False)

        return median_s(touch_and_pass, runs)


def _note_as_delivered(session: Session) -> None:
    """Fill the ledger as a first copy would, without the copy."""
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


def _touch(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "UPDATE events SET score = random(), updated_at = (SELECT max(updated_at) + 100 FROM events)"
            f" WHERE id < {_CHANGED}")


def _run(session: Session, *, swept: bool) -> None:
    (outcome,) = sync_tables(session, (), CycleOptions(sweep=SweepMode.ALWAYS if swept else SweepMode.NEVER))
    if outcome.error is not None or outcome.rows_upserted != _CHANGED:
        raise AssertionError(outcome)

"""What the state has noted of each table, for those who look often: nothing is counted."""

from __future__ import annotations

import json
from dataclasses import dataclass

from bqsync.state.store import Store

_STATEMENT = ("SELECT t.name, last_success_us, last_sweep_us, last_verify_us, deletes_held, last_error"
              " FROM tables t JOIN sources s ON s.id = t.source_id WHERE s.name = ?")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableMarks:
    """One table. Times in Unix microseconds; None where it has not happened yet."""

    last_success_us: int | None
    last_sweep_us: int | None
    last_verify_us: int | None
    deletes_held: int
    error_kind: str | None
    """Of the last cycle, where it has failed."""


def table_marks(store: Store, source_name: str) -> dict[str, TableMarks]:
    """
    What is noted of all tables of a source, by name.

    Raises:
        BqsyncError: the state can't be read.
    """
    with store.transaction() as connection:
        rows = connection.exec_driver_sql(_STATEMENT, (source_name,)).all()
    return {
        name: TableMarks(last_success_us=success_us, last_sweep_us=sweep_us, last_verify_us=verify_us,
                         deletes_held=int(held), error_kind=json.loads(error)["kind"] if error else None)
        for name, success_us, sweep_us, verify_us, held, error in rows
    }

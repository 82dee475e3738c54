"""What the state has noted of each table, for those who look often: nothing is counted, nobody is kept waiting."""

from __future__ import annotations

import json
from dataclasses import dataclass

from bqsync.state.store import Store

_STATEMENT = ("SELECT name, last_success_us, last_sweep_us, last_verify_us, deletes_held, last_error"
              " FROM tables WHERE source_id = ?")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableMarks:
    """One table. Times in Unix microseconds; None where it has not happened yet."""

    last_success_us: int | None
    last_sweep_us: int | None
    last_verify_us: int | None
    deletes_held: int
    error_kind: str | None
    """Of the last cycle, where it has failed."""


def table_marks(store: Store, source_id: int, *, wait_s: float) -> dict[str, TableMarks] | None:
    """
    What is noted of all tables of a source, by name.

    Args:
        store: the open state.
        source_id: of the source.
        wait_s: for so long at most another thread's transaction is waited for.

    Returns:
        None where that took longer, or the state can't be read.
    """
    rows = store.glance(_STATEMENT, (source_id,), wait_s=wait_s)
    return None if rows is None else {
        name: TableMarks(last_success_us=success_us, last_sweep_us=sweep_us, last_verify_us=verify_us,
                         deletes_held=int(held), error_kind=json.loads(error)["kind"] if error else None)
        for name, success_us, sweep_us, verify_us, held, error in rows
    }

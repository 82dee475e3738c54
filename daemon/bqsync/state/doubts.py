"""How large a table was when its losses were first doubted."""

from __future__ import annotations

from sqlalchemy import ColumnElement, func, select

from bqsync.state.schema import ledger, runs, tables


def doubted_rows() -> ColumnElement[int]:
    """
    The value of `tables.doubted_rows` from now on: what stands there, else the rows that the ledger has now.

    The rows of a wrong file are delivered before its losses are confirmed. Counted in, they would make the losses a
    smaller and smaller part of the table, until the guard lets them pass.
    """
    single = select(func.count()).select_from(ledger).where(ledger.c.table_id == tables.c.id).scalar_subquery()
    packed = select(func.coalesce(func.sum(runs.c.rows), 0)).where(runs.c.table_id == tables.c.id).scalar_subquery()
    return func.coalesce(tables.c.doubted_rows, func.nullif(single + packed, 0))

"""What a state holds already, for those who read it and write nothing: beside whoever has its lock."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from bqsync.model import FIRST_FIELD_NUMBER, TargetType, TimestampFormat
from bqsync.state.schema import fields, sources
from bqsync.state.store import Store
from bqsync.state.tables import TableState


def known_source_id(store: Store, name: str) -> int | None:
    """The id of a source; None for one that was never synced."""
    with store.transaction() as connection:
        found = connection.execute(select(sources.c.id).where(sources.c.name == name)).scalar()
    return None if found is None else int(found)


class KnownTable(TableState):
    """
    The state of a table that was synced before, to be read alone.

    A mapping can be made of it: what it would have the state remember is forgotten.

    Args:
        store: an open state file, read-only.
        table_id: from `health.table_ids`.
    """

    def __init__(self, store: Store, table_id: int) -> None:
        # Not that of the class: it would make a row for the table.
        self.store = store
        self.table_id = table_id

    def allot_fields(self, columns: Sequence[tuple[str, TargetType]]) -> list[int]:
        """The numbers that are known; a column without one gets the next that the state would give."""
        with self.store.transaction() as connection:
            rows = connection.execute(select(fields.c.column, fields.c.target_type, fields.c.number)
                                      .where(fields.c.table_id == self.table_id)).all()
        known = {(row.column, TargetType(row.target_type)): int(row.number) for row in rows}
        following = max(known.values(), default=FIRST_FIELD_NUMBER - 1) + 1
        for column in columns:
            if column not in known:
                known[column] = following
                following += 1
        return [known[column] for column in columns]

    def fix_timestamp_format(self, column: str, fmt: TimestampFormat) -> None:
        """Nothing is fixed by who only reads."""

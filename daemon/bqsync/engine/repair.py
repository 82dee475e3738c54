"""
The repair of rows that differ: they are put in doubt, and the ordinary cycle does the rest.

A row in doubt is one of which the ledger does not know what the target holds: the next sweep sends it. A row of the
target that the source lacks comes into the ledger in the same way, is found absent, and is deleted as any other: the
guard judges the number, and each key is looked up once more.
"""

from __future__ import annotations

from collections.abc import Sequence

from bqsync.config import TableSection
from bqsync.engine.differences import DifferenceKind
from bqsync.engine.session import Session
from bqsync.model import CycleOutcome, SweepPolicy
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger
from bqsync.state.ledger import Ledger
from bqsync.state.repairs import Repair, ask_repair, end_repair
from bqsync.state.tables import TableState

_log = get_logger()

_REPAIRABLE = (DifferenceKind.MISSING, DifferenceKind.DIFFERENT, DifferenceKind.EXTRA)
"""A row that stands there twice has one key, and MERGE could only change both: somebody has to delete one."""


class RepairOrder:
    """
    Puts rows in doubt as a comparison finds them, and has them repaired at its end.

    Args:
        session: of the comparison.
        section: the table's configuration.

    Attributes:
        rows: how many are to be repaired so far.
    """

    def __init__(self, session: Session, section: TableSection) -> None:
        self._state = TableState(session.store, session.source_id, section.name)
        self._ledger = Ledger(session.store, self._state.table_id)
        self._can_repair = section.sweep is SweepPolicy.ON
        self.rows = 0

    def __call__(self, kind: DifferenceKind, keys: Sequence[bytes]) -> None:
        """Rows that differ in one way."""
        if kind not in _REPAIRABLE or not self._can_repair:
            return
        doubted = keys
        if kind is DifferenceKind.EXTRA:
            # What the ledger has, any sweep finds absent; and it may know better under which key to look.
            known = self._ledger.lookup(keys)
            doubted = [key for key in keys if key not in known]
        self._ledger.doubt(doubted, [])
        self.rows += len(keys)

    def place(self) -> None:
        """The comparison has ended: have the next cycle begin with these rows."""
        if self.rows:
            ask_repair(self._state.store, self._state.table_id, self.rows)


def report_repair(state: TableState, repair: Repair, outcome: CycleOutcome) -> None:
    """A sweep has dealt with the rows that were in doubt."""
    end_repair(state.store, state.table_id, repair)
    _log.warning(Event.VERIFY_REPAIRED, table=outcome.table, rows=repair.rows, rows_upserted=outcome.rows_upserted,
                 rows_deleted=outcome.rows_deleted)

"""Source and target compared: what `bqsync verify` shows."""

from __future__ import annotations

from bqsync.config import TableSection
from bqsync.deliver import target
from bqsync.deliver.target import TargetState
from bqsync.encode.mapping import with_target
from bqsync.encode.rows import RowEncoder
from bqsync.engine.budget import TableBudget
from bqsync.engine.comparison import Comparison
from bqsync.engine.contents import ContentReader
from bqsync.engine.differences import Difference, DifferenceKind, VerifyOutcome
from bqsync.engine.plan import plan_table
from bqsync.engine.prepare import known_columns
from bqsync.engine.session import Session
from bqsync.engine.sides import Sides, Surroundings
from bqsync.engine.stopwatch import Stopwatch
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import TargetRef
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger
from bqsync.state.ledger import Ledger
from bqsync.state.quarantine import Quarantine
from bqsync.state.tables import TableState

__all__ = ["Difference", "DifferenceKind", "VerifyOutcome", "verify_table"]

_log = get_logger()
_ALONE = Surroundings()


def verify_table(
    session: Session, section: TableSection, surroundings: Surroundings = _ALONE
) -> VerifyOutcome:
    """
    Compare a table with its target, cell by cell.

    Raises:
        BqsyncError: the comparison could not be made.
        StoppedError: it was told to stop.
    """
    stopwatch = Stopwatch()
    with stopwatch.stage("verify"):
        sides = _sides(session, section, is_bounded=surroundings.is_bounded)
        outcome = VerifyOutcome(table=sides.encoder.spec.source_name, target=str(sides.found.ref))
        Comparison(sides, outcome, surroundings).run()
    outcome.duration_s = round(stopwatch.durations_s["verify"], 3)
    level = _log.warning if outcome.rows_different else _log.info
    level(Event.VERIFY_COMPLETED, table=outcome.table, target=outcome.target, rows=outcome.rows_source,
          rows_different=outcome.rows_different, rows_pending=outcome.rows_pending, duration_s=outcome.duration_s)
    return outcome


def _sides(session: Session, section: TableSection, *, is_bounded: bool) -> Sides:
    state = TableState(session.store, session.source_id, section.name)
    session = TableBudget(session, section, state.table_id, is_bounded=is_bounded).metered()
    planned = plan_table(session, section, state)
    found = _existing_target(session, section, target.target_ref(session.destination, planned.spec))
    reader = planned.reader
    if isinstance(reader, ContentReader):
        reader.known_by = known_columns(planned.spec, found)
    spec = with_target(planned.spec, found.required, partitioning=found.partitioning)
    return Sides(
        session=session, reader=reader, found=found, state=state,
        encoder=RowEncoder(spec, session.zone),
        ledger=Ledger(session.store, state.table_id),
        quarantined=Quarantine(session.store, state.table_id).entries(),
    )


def _existing_target(session: Session, section: TableSection, ref: TargetRef) -> TargetState:
    found = target.read(session.destination, ref)
    if found is None:
        raise BqsyncError(ErrorKind.BIGQUERY_NOT_FOUND, what=f"table {ref} does not exist",
                          why=f"table {section.name} was never synced to it", fix=f"bqsync sync {section.name}")
    return found

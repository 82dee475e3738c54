"""A MERGE that an earlier run has begun and not noted: seen to its end before anything else touches the target."""

from __future__ import annotations

from bqsync.deliver import staging
from bqsync.engine.bills import known_bill
from bqsync.engine.counting import count_bill
from bqsync.engine.session import Session
from bqsync.failpoints import reached
from bqsync.model import Intent, Operation
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger
from bqsync.state.billing import Bill
from bqsync.state.ledger import Ledger
from bqsync.state.tables import TableState

_log = get_logger()


def settle_intent(session: Session, table: str, state: TableState, ledger: Ledger) -> bool:
    """
    See what an earlier run left behind to its end.

    Returns:
        Whether there was anything.

    Raises:
        BqsyncError: its end is still not known.
    """
    intent = state.intent()
    if intent is None:
        return False
    settled = session.effects.settle(intent)
    reached("intent.settled")
    is_done = settled.outcome == "done"
    if is_done:
        _doubt(session, intent, state, ledger)
    state.clear_intent(settled.created_us, Bill.of_job(intent.job_id, settled.bytes_billed, at_us=session.now_us(),
                                                       merges=int(is_done)))
    count_bill(session.tally, table, settled.bytes_billed or 0, merges=int(is_done))
    session.effects.drop_staging(intent.staging_table)
    _log.info(Event.INTENT_SETTLED, table=table, job_id=intent.job_id, outcome=settled.outcome,
              **known_bill(settled.bytes_billed))
    return True


def _doubt(session: Session, intent: Intent, state: TableState, ledger: Ledger) -> None:
    """
    The target holds what the ledger does not know: rows under new keys, others changed, some gone.

    Until a sweep has compared them, a row that was inserted and is gone by now would stay for ever, and one that
    was changed and changed back would pass for unchanged.
    """
    portions = staging.staged(session.destination, intent.staging_table)
    if portions is None:
        state.distrust()
        return
    for portion in portions:
        ledger.doubt([key for key, operation in portion if operation is Operation.UPSERT],
                     [key for key, operation in portion if operation is Operation.DELETE])
    state.ask_sweep("a MERGE had ended and was not noted")

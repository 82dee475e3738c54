"""Several tables that have lost most of their rows at once: a wrong file is likelier than so many deletes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from bqsync.engine.absence import HeldBackError
from bqsync.engine.session import Session
from bqsync.errors import BqsyncError
from bqsync.model import CycleOutcome
from bqsync.state.tables import TableState


def hold_together(session: Session, outcome: CycleOutcome, losing: Sequence[str]) -> HeldBackError:
    """
    Hold back the deletes of one of several tables, until its rows are back or an operator has confirmed them.

    The state keeps the suspicion: what becomes of the other tables meanwhile does not let these deletes pass.

    Args:
        session: open state.
        outcome: of the table's cycle.
        losing: the names of all the tables that have lost as much.

    Returns:
        The error that tells an operator.
    """
    suspicion = f"several tables have lost as much at once: {', '.join(losing)}"
    # A state that can't be written is told by the next cycle; these deletes are held all the same.
    with suppress(BqsyncError):
        state = TableState(session.store, session.source_id, outcome.table)
        if state.sweep_request().suspicion is None:
            state.ask_sweep("many deletes were held back", suspicion=suspicion)
    return HeldBackError(outcome.table, outcome.deletes_deferred, None, session.config.sync.max_delete_fraction,
                         suspicion)

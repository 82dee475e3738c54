"""What all chunks of one cycle of one table share."""

from __future__ import annotations

from dataclasses import dataclass

from bqsync.encode.rows import RowEncoder
from bqsync.engine.budget import TableBudget
from bqsync.engine.effects import Effects
from bqsync.engine.stopwatch import Stopwatch
from bqsync.model import TargetRef
from bqsync.observe.tally import Tally
from bqsync.state.ledger import Ledger
from bqsync.state.quarantine import Quarantine
from bqsync.state.tables import TableState


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """What all chunks of one cycle of one table share."""

    effects: Effects
    target: TargetRef
    encoder: RowEncoder
    state: TableState
    ledger: Ledger
    quarantine: Quarantine
    mapping_version: str
    append_rows: int
    """Rows in one append request, at most."""
    append_bytes: int
    """Bytes in one append request, about; a larger row travels alone."""
    stopwatch: Stopwatch
    budget: TableBudget
    tally: Tally
    ledger_is_whole: bool = True
    """What it does not have is not in the target: not so where it forgets rows, or the target keeps them marked."""

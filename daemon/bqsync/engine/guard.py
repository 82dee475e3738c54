"""When deletes are held back. Pure: numbers in, a verdict out."""

from __future__ import annotations

from enum import Enum

FREE_DELETES = 1_000
"""So many deletes pass whatever fraction of the table they are: an application may well empty a small table."""


class Verdict(Enum):
    """What is done with the rows that a sweep did not find."""

    ALLOW = "allow"
    DEFER = "defer"
    """They pass if no other table has lost as much in the same cycle."""
    HOLD = "hold"
    """An operator has to confirm them."""


def judge_deletes(
    absent: int, total: int, *, max_fraction: float, confirmed: int, suspicion: str | None, is_alone: bool
) -> Verdict:
    """
    Judge the deletes of one table.

    Args:
        absent: rows of the ledger that the source lacks.
        total: rows of the ledger.
        max_fraction: so much of a table may go unasked.
        confirmed: so many deletes were confirmed by an operator.
        suspicion: why the file itself may be the wrong one: swapped, restored, or gone back in time.
        is_alone: no other table has lost more than its fraction in this cycle.
    """
    if absent <= confirmed or absent <= max_fraction * total:
        return Verdict.ALLOW
    if suspicion is not None or absent > FREE_DELETES:
        return Verdict.HOLD
    return Verdict.ALLOW if is_alone else Verdict.DEFER

"""What is asked of one cycle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bqsync.engine.schedule import SweepMode


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleOptions:
    """What an operator asks of one cycle beside the ordinary."""

    full: bool = False
    """Trust nothing: reconcile with the target and send every row."""
    adopt: bool = False
    """Take over a target that somebody else made."""
    confirmed_deletes: int = 0
    sweep: SweepMode = SweepMode.ALWAYS
    is_alone: bool = False
    """No other table has lost more rows than the guard lets pass unasked."""
    changed_us: int | None = None
    """When the first change was written that this cycle is to deliver, in Unix microseconds; None: not known."""
    told_us: Callable[[], int | None] = lambda: None
    """Asked before anything is read: the same of the changes that have come up since the cycle began."""
    schema_cookie: int | None = None
    """Of the source, as it was a moment ago: what was planned under the same one stands."""
    give_way: Callable[[], None] = lambda: None
    """Called now and then in a long sweep: returns once it may go on."""

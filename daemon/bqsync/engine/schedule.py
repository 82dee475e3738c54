"""What the next cycle of a table does. Pure: facts in, work out; the clock is one of the facts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bqsync.state.tables import Effort


class SweepMode(StrEnum):
    """What is wanted of sweeps."""

    ALWAYS = "always"
    """Whatever was done before: a cycle that ends with the tables compared."""
    DUE = "due"
    """When there is a reason, and as far apart as the duty cycle asks."""
    NEVER = "never"
    """The watermark pass alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a table when a cycle begins."""

    mode: SweepMode
    sweeps_off: bool
    has_watermark: bool
    """At least one column can be used as one."""
    is_indexed: bool
    """Every such column has an index: a pass reads what is new, not the table."""
    is_first_copy: bool
    is_asked: bool
    """A sweep was asked for: first sync, another file, another mapping, a clock or a watermark that went back."""
    changed_since_sweep: bool
    """The file is not as it was when the last complete sweep began."""
    changed_since_pass: bool
    last_sweep_us: int | None
    """When the last complete one ended."""
    last_walk: Effort | None
    """The last one, complete or not."""
    last_pass: Effort | None
    now_us: int
    sweep_interval_us: int
    duty: float
    """The fraction of one core that sweeps, and passes without an index, may take."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a cycle does: a watermark pass, a sweep, both or nothing."""

    watermark_pass: bool
    sweep: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What comes next of a table whose cycle has ended well. Instants in Unix microseconds; 0 is at once."""

    as_of_us: int
    due_us: int | None
    """When there is something to do even if nobody writes; None: never."""
    change_us: int
    """From when on a change of the file gives something to do."""
    owes_sweep: bool = False
    """A sweep is due that only rests: what it has failed by, it may fail by again."""

    def is_due(self, now_us: int, *, is_changed: bool) -> bool:
        """Whether there is something to do now."""
        if now_us < self.as_of_us:
            # The clock went back: what it says of the future counts no more.
            return True
        return (self.due_us is not None and now_us >= self.due_us) or (is_changed and now_us >= self.change_us)

    def next_us(self, *, is_changed: bool) -> int | None:
        """When `is_due` turns true, if nothing else happens."""
        instants = [self.due_us, self.change_us if is_changed else None]
        return min((instant_us for instant_us in instants if instant_us is not None), default=None)


def outlook(facts: Facts) -> Outlook:
    """
    When the next cycle finds work, by the facts that stand when one has ended.

    Agrees with `plan_work`: it finds work from that instant on and none before.
    """
    walk_us = 0 if facts.is_first_copy else _rested_us(facts, facts.last_walk)
    is_owed = facts.is_asked or _is_past(facts, facts.last_sweep_us, facts.sweep_interval_us)
    if facts.sweeps_off:
        due_us = None
    elif is_owed:
        due_us = walk_us
    else:
        due_us = max(walk_us, (facts.last_sweep_us or 0) + facts.sweep_interval_us)
    pass_us = 0 if facts.is_indexed else _rested_us(facts, facts.last_pass)
    change_us = pass_us if facts.has_watermark else walk_us
    return Outlook(as_of_us=facts.now_us, due_us=due_us, change_us=change_us,
                   owes_sweep=is_owed and not facts.sweeps_off)


def plan_work(facts: Facts) -> Work:
    """Decide what a cycle does."""
    sweep = not facts.sweeps_off and _sweeps(facts)
    # A first copy reads everything; a pass before it would read the same.
    watermark_pass = facts.has_watermark and not (sweep and facts.is_first_copy) and _passes(facts)
    return Work(watermark_pass=watermark_pass, sweep=sweep)


def ready_us(effort: Effort | None, duty: float) -> int:
    """The earliest instant of the next one, so that all of them take that fraction of a core in the long run."""
    return 0 if effort is None else effort.ended_us + int(effort.cost_us * (1 / duty - 1))


def _sweeps(facts: Facts) -> bool:
    if facts.mode is not SweepMode.DUE:
        return facts.mode is SweepMode.ALWAYS
    is_wanted = (
        facts.is_asked or (not facts.has_watermark and facts.changed_since_sweep)
        or _is_past(facts, facts.last_sweep_us, facts.sweep_interval_us)
    )
    return is_wanted and (facts.is_first_copy or _has_rested(facts, facts.last_walk))


def _passes(facts: Facts) -> bool:
    if facts.mode is not SweepMode.DUE:
        return True
    return facts.changed_since_pass and (facts.is_indexed or _has_rested(facts, facts.last_pass))


def _is_past(facts: Facts, ended_us: int | None, interval_us: int) -> bool:
    # A clock that went back must not put the next one off for as long.
    return ended_us is None or not ended_us <= facts.now_us < ended_us + interval_us


def _has_rested(facts: Facts, effort: Effort | None) -> bool:
    return facts.now_us >= _rested_us(facts, effort)


def _rested_us(facts: Facts, effort: Effort | None) -> int:
    # One that seems to have ended in the future was told by a clock that went back.
    return 0 if effort is None or facts.now_us < effort.ended_us else ready_us(effort, facts.duty)

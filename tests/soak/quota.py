"""`--quota P`: so many of a hundred calls meet a quota, beside a steady writer; before, meanwhile and afterwards."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from tests.hostile.actions import Method
from tests.soak.faults import LIMITED, SLOW_DOWN
from tests.soak.report import Report, SoakError
from tests.soak.steady import Steady, steady

_RATE_PER_S = 10.0
_WARM_S = 5.0
_PATIENCE_S = 300.0
_WIDENED, _NARROWED = "merge_interval.widened", "merge_interval.narrowed"


@dataclass(frozen=True, slots=True)
class _Spell:
    """What was delivered in a while."""

    merges: int
    rows: int

    @property
    def rows_per_merge(self) -> float:
        return self.rows / max(1, self.merges)


def quota(folder: Path, seed: int, percent: float, seconds: float, report: Report) -> None:
    """
    Run it: three spells of so many seconds.

    Raises:
        SoakError: not all arrives, or quota errors do not make fewer and larger MERGEs.
    """
    rng = random.Random(seed)
    with steady(folder, seed, report, rate=_RATE_PER_S) as at_work:
        at_work.go_on(_WARM_S)
        calm = _spell(at_work, seconds, "without quota errors")
        hostile = at_work.site.hostile
        rules = [hostile.rule(Method.ANY, action, share=percent / 100, rng=random.Random(rng.random()))
                 for action in (LIMITED, SLOW_DOWN)]
        limited = _spell(at_work, seconds, f"with {percent:g} % of them")
        for rule in rules:
            hostile.drop(rule)
            report.say(f"refused: {rule.fired} of {rule.seen} calls")
        after = _spell(at_work, seconds, "without them again")
        if not at_work.lines(_WIDENED):
            raise SoakError("quota errors widen no merge interval")
        at_work.life.wait_until(lambda: at_work.lines(_NARROWED), "a merge interval that narrows", _PATIENCE_S)
        at_work.finish(_PATIENCE_S)
        for name, spell in (("without", calm), ("with", limited), ("afterwards", after)):
            report.total(name, f"{spell.merges} MERGEs, {spell.rows_per_merge:.1f} rows each")
        if limited.merges >= calm.merges or limited.rows_per_merge <= calm.rows_per_merge:
            raise SoakError("quota errors make no fewer and no larger MERGEs")


def _spell(at_work: Steady, seconds: float, name: str) -> _Spell:
    life, lines = at_work.life, len(at_work.life.lines)
    merges, rows = life.merges, life.rows
    at_work.go_on(seconds)
    spell = _Spell(life.merges - merges, life.rows - rows)
    at_work.report.say(f"{seconds:.0f} s {name}: {spell.merges} MERGEs, {spell.rows} rows")
    for event in (_WIDENED, _NARROWED):
        intervals = ", ".join(f"{line.get('table')} {line.get('interval_s')} s" for line in at_work.lines(event, lines))
        at_work.report.say(f"  {event}: {intervals or 'none'}")
    return spell

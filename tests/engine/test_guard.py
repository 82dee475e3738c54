"""How many deletes pass unasked."""

from __future__ import annotations

import pytest

from bqsync.engine.guard import FREE_DELETES, Verdict, judge_deletes

ALLOW, DEFER, HOLD = Verdict.ALLOW, Verdict.DEFER, Verdict.HOLD


@pytest.mark.parametrize(("absent", "total", "confirmed", "suspicion", "is_alone", "expected"), [
    (0, 0, 0, None, False, ALLOW), (0, 10, 0, "swapped", False, ALLOW),
    # Up to the fraction, whatever is suspected and however many they are.
    (5, 10, 0, None, False, ALLOW), (5, 10, 0, "swapped", False, ALLOW), (5_000, 10_000, 0, None, False, ALLOW),
    (5_000, 10_000, 0, "swapped", False, ALLOW),
    # Above it: few rows wait for what the other tables have lost.
    (6, 10, 0, None, False, DEFER), (6, 10, 0, None, True, ALLOW), (10, 10, 0, None, True, ALLOW),
    (1_000, 1_000, 0, None, True, ALLOW), (1_000, 1_999, 0, None, False, DEFER), (1_000, 2_000, 0, None, False, ALLOW),
    # Many rows wait for an operator.
    (1_001, 2_001, 0, None, True, HOLD), (1_001, 2_001, 0, None, False, HOLD), (1_001, 2_002, 0, None, False, ALLOW),
    # With a suspicion, few do as well.
    (6, 10, 0, "swapped", True, HOLD), (1, 1, 0, "swapped", False, HOLD), (1, 1, 0, "", True, HOLD),
    # Who has confirmed so many has the last word.
    (1_001, 2_001, 1_001, None, False, ALLOW), (1_001, 2_001, 1_000, None, False, HOLD),
    (6, 10, 6, "swapped", False, ALLOW), (6, 10, 5, "swapped", True, HOLD), (6, 10, 5, None, False, DEFER),
    (6, 10, 7, None, False, ALLOW),
])
def test_the_verdict_on_deletes(
    absent: int, total: int, confirmed: int, suspicion: str | None, *, is_alone: bool, expected: Verdict,
) -> None:
    assert judge_deletes(absent, total, max_fraction=0.5, confirmed=confirmed, suspicion=suspicion,
                         is_alone=is_alone) is expected


@pytest.mark.parametrize(("fraction", "expected"), [(0.1, HOLD), (0.59, HOLD), (0.6, ALLOW), (1.0, ALLOW)])
def test_the_fraction_is_the_operators(fraction: float, expected: Verdict) -> None:
    assert judge_deletes(6_000, 10_000, max_fraction=fraction, confirmed=0, suspicion=None, is_alone=False) is expected
    assert FREE_DELETES == 1_000

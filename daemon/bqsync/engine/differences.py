"""What a comparison of source and target has found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from bqsync.encode.keys import key_text

MAX_NAMED = 100
"""Differences that are named; the rest is only counted."""


class DifferenceKind(StrEnum):
    """How a row differs."""

    MISSING = "missing"
    """In the source, not in the target."""
    EXTRA = "extra"
    """In the target, not in the source."""
    DIFFERENT = "different"
    """In both, with other values."""
    DUPLICATE = "duplicate"
    """In the target more than once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One row that differs."""

    kind: DifferenceKind
    key: tuple[str, ...]
    """The values of the key columns, as text."""
    columns: tuple[str, ...] = ()
    """The columns whose values differ."""


@dataclass(slots=True, kw_only=True)
class VerifyOutcome:
    """The comparison of one table."""

    table: str
    target: str
    rows_source: int = 0
    rows_target: int = 0
    rows_quarantined: int = 0
    """Rows of the source that wait in quarantine: not compared, listed by `bqsync quarantine`."""
    rows_pending: int = 0
    """Rows that are on their way: changed in the source, and not delivered yet by the bqsync that runs meanwhile."""
    rows_different: int = 0
    rows_repaired: int = 0
    """Of those that differed, so many differ no more."""
    differences: list[Difference] = field(default_factory=list)
    """The first of them."""
    duration_s: float = 0.0

    def add(self, kind: DifferenceKind, key: bytes, columns: Iterable[str] = ()) -> None:
        """Count a row that differs; of those that are named, `columns` is asked."""
        self.rows_different += 1
        if len(self.differences) < MAX_NAMED:
            self.differences.append(Difference(kind=kind, key=key_text(key), columns=tuple(columns)))

    def as_dict(self) -> dict[str, object]:
        """For `--json`."""
        return asdict(self)

"""How a target is partitioned."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bqsync.model.values import TargetType


class PartitionUnit(StrEnum):
    """How much time one partition of a target holds."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerRange:
    """The partitions of a target that goes by an integer: from `start` up to before `end`, `interval` in each."""

    start: int
    end: int
    interval: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Partitioning:
    """
    How a target is partitioned.

    Partitions are numbered: hours or days since 1970-01-01 (UTC), months and years since year 0, ranges from 0 on.
    """

    column: str
    """Of the target; BigQuery's pseudocolumn where rows are partitioned by the time of their arrival."""
    column_type: TargetType
    unit: PartitionUnit | IntegerRange | None
    """None: by the time of arrival, which no row tells."""
    is_filter_required: bool = False
    """A statement has to say which partitions it reads."""


NULL_PARTITION = -(1 << 62)
"""The number of the partition of the rows whose column is NULL."""


OUTSIDE_PARTITION = NULL_PARTITION + 1
"""The number of the partition of the integers that are in no range."""

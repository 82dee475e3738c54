"""What one delivered chunk changes in the state."""

from __future__ import annotations

from dataclasses import dataclass, field

from bqsync.model import Delivery, RejectedRow, Run, Watermark
from bqsync.state.billing import Bill


@dataclass(slots=True)
class ChunkCommit:
    """What one delivered chunk changes in the state, all in one transaction."""

    delivered: dict[bytes, Delivery] = field(default_factory=dict)
    """By target key."""
    plain: dict[bytes, int] = field(default_factory=dict)
    """Fingerprints by target key: rows of which nothing else is known, none of them in `delivered`."""
    runs: list[Run] = field(default_factory=list)
    """Rows that came together, in the order of their keys, none of them in `plain` or `delivered`."""
    deleted: list[bytes] = field(default_factory=list)
    refreshed: list[tuple[bytes, int]] = field(default_factory=list)
    """Target key and source print of rows whose bytes the ledger has, from a source row that it has not seen."""
    rejected: dict[bytes, RejectedRow] = field(default_factory=dict)
    """By source key."""
    recovered: set[bytes] = field(default_factory=set)
    """Source keys that leave the quarantine."""
    watermarks: dict[str, Watermark] = field(default_factory=dict)
    """By column."""
    job_created_us: int | None = None
    """When BigQuery took the MERGE of this chunk."""
    bill: Bill | None = None
    """What that has cost."""
    forget_before_us: int | None = None
    """Where only the overlap is kept: rows of earlier instants leave the ledger."""

    @property
    def upserts(self) -> int:
        """How many rows were inserted or updated."""
        return len(self.delivered) + len(self.plain) + sum(map(len, self.runs))

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to note."""
        return not (self.delivered or self.plain or self.runs or self.deleted or self.refreshed or self.rejected
                    or self.recovered or self.watermarks)

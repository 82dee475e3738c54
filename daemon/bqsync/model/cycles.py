"""Sources, jobs, and how a cycle went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceIdentity:
    """What tells one database file from another, and a restored one from its later self."""

    device: int
    inode: int
    application_id: int
    schema_cookie: int
    """`PRAGMA schema_version`: moves forward with every change of the schema."""
    change_counter: int
    """
    Of the file header: never moves back, though in WAL mode it need not move with every commit.

    Source: https://www.sqlite.org/fileformat.html#file_change_counter
    """

    def difference_from(self, earlier: SourceIdentity) -> str | None:
        """In words, why this file is not the later self of the other; None if it may be."""
        if (self.device, self.inode) != (earlier.device, earlier.inode):
            return "another file stands in its place"
        if self.application_id != earlier.application_id:
            return "its application_id is another"
        if self.schema_cookie < earlier.schema_cookie or self.change_counter < earlier.change_counter:
            return "its contents are older than before"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A MERGE job that may be running: committed to the state before the job is submitted."""

    job_id: str
    staging_table: str
    """Full name, `project.dataset.table`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeResult:
    """What one MERGE did, as BigQuery reports it."""

    job_id: str
    affected_rows: int
    bytes_billed: int | None
    """None where BigQuery has not told yet: the job itself is asked afterwards, when no row waits for it."""
    created_us: int
    """When BigQuery took the job, by its own clock, in Unix microseconds."""


@dataclass(slots=True, kw_only=True)
class CycleOutcome:
    """One cycle of one table, as `sync.completed` and `bqsync sync` report it."""

    table: str
    target: str
    swept: bool = False
    """The whole table was compared, to its end."""
    skipped: str = ""
    """Why nothing was read, where nothing was."""
    rows_read: int = 0
    rows_upserted: int = 0
    rows_deleted: int = 0
    rows_unchanged: int = 0
    rows_quarantined: int = 0
    """Rows newly in quarantine."""
    quarantine_total: int = 0
    deletes_deferred: int = 0
    """Rows that are gone from the source and not yet deleted."""
    bytes_sent: int = 0
    bytes_billed: int = 0
    merges: int = 0
    lag_s: float | None = None
    """Seconds from the first change that this cycle delivered, until all of them could be queried."""
    durations_s: dict[str, float] = field(default_factory=dict)
    """Seconds by stage: plan, target, read, encode, compare, append, merge, commit."""
    error: Mapping[str, str] | None = None

    @property
    def duration_s(self) -> float:
        """Seconds of all stages together."""
        return sum(self.durations_s.values())

"""What a sweep did not meet: judged as a whole by the guard, looked up once more one by one, then deleted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bqsync.capture.compare import Marks
from bqsync.capture.pages import TableReader
from bqsync.encode.keys import source_values
from bqsync.engine.guard import Verdict, judge_deletes
from bqsync.engine.intake import Intake
from bqsync.engine.lane import Lane
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.failpoints import reached
from bqsync.model import CycleOutcome, DeletePolicy
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger
from bqsync.state.ledger import LedgerRow

_log = get_logger()

_LOOK_UPS, _SCANS = 1_000, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteLimits:
    """How many deletes pass."""

    max_fraction: float
    confirmed: int
    """Deletes that an operator has confirmed; 0 for none."""
    is_alone: bool
    """No other table has lost as much in this cycle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileWatch:
    """What a sweep asks about its file before it judges what is absent."""

    is_unchanged: Callable[[], bool]
    """Nothing was written since the sweep began."""
    watch_identity: Callable[[], object]
    """Look whether it is the same file still; if not, the state says so from then on."""


class Absence:
    """
    The search for deletes at the end of a sweep.

    Args:
        lane: of the table.
        reader: for the last look.
        intake: where deletes are staged, behind the rows of the last page.
        seen: the ledger's rows that the sweep met.
        limits: of the guard.
        file: what happened to it since the sweep began.
        outcome: of the cycle.
    """

    def __init__(
        self, lane: Lane, reader: TableReader, intake: Intake, *, seen: Marks, limits: DeleteLimits, file: FileWatch,
        outcome: CycleOutcome,
    ) -> None:
        self._lane = lane
        self._reader = reader
        self._intake = intake
        self._seen = seen
        self._limits = limits
        self._is_unchanged = file.is_unchanged
        self._watch_identity = file.watch_identity
        self._outcome = outcome

    def stage_deletes(self) -> bool:
        """
        Stage the deletes of what is absent; False where they wait for what the other tables have lost.

        Raises:
            BqsyncError: DELETES_HELD_BACK; everything but the deletes is delivered then.
        """
        if self._lane.encoder.spec.deletes is DeletePolicy.IGNORE:
            return True
        # Rows that are staged and not merged yet are no part of this count: new ones have no old slot, and the others
        # are marked. So deletes travel in the same MERGE as the rows before them.
        total = self._lane.ledger.count(self._seen.first_new_slot)
        absent = total - len(self._seen)
        if not absent:
            return True
        # A file that was swapped since the cycle began makes its absences suspect as well.
        self._watch_identity()
        request = self._lane.state.sweep_request()
        suspicion = request.suspicion
        if request.doubted_rows is not None:
            # Rows that were delivered since are no reason to let the others go.
            total = min(total, max(request.doubted_rows, absent))
        verdict = judge_deletes(
            absent, total, max_fraction=self._limits.max_fraction, confirmed=self._limits.confirmed,
            suspicion=suspicion, is_alone=self._limits.is_alone,
        )
        if verdict is not Verdict.ALLOW:
            self._intake.deliver()
            self._outcome.deletes_deferred = absent
            self._lane.state.doubt_losses(total)
            if verdict is Verdict.HOLD:
                raise HeldBackError(self._outcome.table, absent, total, self._limits.max_fraction, suspicion)
            return False
        complete = True
        for portion in self._lane.ledger.scan(self._seen.first_new_slot):
            absent_rows = [row for row in portion if row.slot not in self._seen]
            findable = [row for row in absent_rows if self._can_be_found(row)]
            complete = complete and len(findable) == len(absent_rows)
            for start in range(0, len(findable), self._look_ups):
                self._stage(findable[start : start + self._look_ups])
        return complete

    @property
    def _look_ups(self) -> int:
        """In one transaction. Where nothing keeps the key unique, there may be no index, and each look is a scan."""
        return _LOOK_UPS if self._reader.key_is_unique else _SCANS

    def _can_be_found(self, row: LedgerRow) -> bool:
        """
        Whether a look by key would find the row in the source, if it were there.

        Of a row that was only seen in the target, the key in the source is known where both have the same values. Else
        its absence counts if nothing was written since the sweep began; the next sweep judges it.
        """
        return row.is_known or self._lane.encoder.spec.key_is_plain or self._is_unchanged()

    def _stage(self, rows: Sequence[LedgerRow]) -> None:
        """A key that moved behind the cursor or came back is no delete: each is looked up once more, just now."""
        with self._lane.stopwatch.stage("read"):
            present = self._reader.present([source_values(row.source_key or row.key) for row in rows])
        reached("deletes.looked_up")
        gone = [row.key for row, is_there in zip(rows, present, strict=True) if not is_there]
        if gone:
            self._intake.delete(gone)
        if self._intake.is_full:
            self._intake.deliver()


class HeldBackError(BqsyncError):
    """
    Deletes that wait for an operator.

    Args:
        table: that has lost the rows.
        deletes: their number.
        rows: of the table; None where that is not known any more.
        max_fraction: so much of a table may go unasked.
        suspicion: why they are suspect though they may be few.
    """

    def __init__(self, table: str, deletes: int, rows: int | None, max_fraction: float, suspicion: str | None) -> None:
        self.table, self.deletes, self.rows = table, deletes, rows
        self.reason = f"suspicious because {suspicion}" if suspicion else (
            f"that is more than sync.max_delete_fraction = {max_fraction} lets pass unasked"
        )
        self.confirm = f"bqsync sync {table} --confirm-deletes {deletes}"
        of_total = "" if rows is None else f" of {rows}"
        super().__init__(
            ErrorKind.DELETES_HELD_BACK, what=f"{deletes}{of_total} rows of table {table} are gone from the source",
            why=f"{self.reason}; inserts and updates were delivered",
            fix=f"if they were meant to go: {self.confirm} (a daemon has to be stopped before)",
        )

    def report(self) -> None:
        """Log it, as an event of its own."""
        _log.error(Event.DELETES_HELD_BACK, table=self.table, deletes=self.deletes, rows=self.rows, why=self.reason,
                   fix=self.confirm)

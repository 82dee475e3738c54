"""The demo: an application writes, cycles run beside it, and the outcome is compared cell by cell."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Event as StopEvent

from bqsync.config import Config
from bqsync.engine.cycle import CycleOptions
from bqsync.engine.schedule import SweepMode
from bqsync.engine.session import Session, open_session
from bqsync.engine.sync import sweep_orphans, sync_tables
from bqsync.engine.verify import VerifyOutcome, verify_table
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import CycleOutcome
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger

_log = get_logger()

_PAUSE_S = 0.5
"""Between two cycles."""
_WRITER_PATIENCE_S = 30.0

Counts = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOutcome:
    """What the demo did, by table."""

    writes: Counts
    """By table: inserts, updates, deletes of the application."""
    cycles: int
    sent: Mapping[str, tuple[int, int]]
    """By table: rows upserted and deleted by the cycles after the first copy."""
    comparisons: list[VerifyOutcome]

    @property
    def rows_different(self) -> int:
        """0 where every target equals its source."""
        return sum(comparison.rows_different for comparison in self.comparisons)


def run_demo(config: Config, *, seconds: float, rate: float, seed: int, stop: StopEvent) -> DemoOutcome:
    """
    Copy the tables, let the application write while cycles run, let it stop, and compare.

    The cycles beside the application do what is due: watermark passes, and sweeps of the tables that have no watermark.
    The first and the last one compare everything.

    Args:
        config: from `bqsync.demo.workspace.prepare`.
        seconds: how long the application writes.
        rate: its statements per second.
        seed: of all that is random in it.
        stop: ends the application early.

    Raises:
        BqsyncError: a cycle failed, or the application did.
    """
    with open_session(config, stop=StopEvent()) as session:
        sweep_orphans(session)
        _cycle(session)
        started = time.monotonic()
        sent: dict[str, tuple[int, int]] = {table.name: (0, 0) for table in config.tables}
        with _application(config, seconds, rate, seed) as writer:
            cycles = 0
            while writer.poll() is None and not stop.wait(_PAUSE_S):
                _count(sent, _cycle(session, SweepMode.DUE))
                cycles += 1
            writes = _end(writer)
        _log_writes(writes, time.monotonic() - started)
        _count(sent, _cycle(session))
        comparisons = [verify_table(session, table) for table in config.tables]
    return DemoOutcome(writes=writes, cycles=cycles + 1, sent=sent, comparisons=comparisons)


def _cycle(session: Session, mode: SweepMode = SweepMode.ALWAYS) -> list[CycleOutcome]:
    outcomes = sync_tables(session, (), CycleOptions(sweep=mode))
    for outcome in outcomes:
        if outcome.error is not None:
            raise BqsyncError(ErrorKind(outcome.error["kind"]), what=outcome.error["what"], why=outcome.error["why"],
                              fix=outcome.error["fix"])
    return outcomes


def _application(config: Config, seconds: float, rate: float, seed: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", "bqsync.demo.writer", str(config.source.db), "--seconds", str(seconds),
               "--rate", str(rate), "--seed", str(seed)]
    # A session of its own: Ctrl-C is meant for the demo, which then ends the application in order.
    return subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)


def _end(writer: subprocess.Popen[bytes]) -> Counts:
    writer.terminate()
    output, _ = writer.communicate(timeout=_WRITER_PATIENCE_S)
    if writer.returncode != 0:
        raise BqsyncError(ErrorKind.INTERNAL, what=f"the demo's application ended with code {writer.returncode}",
                          why="its message stands above", fix="run the demo again; report this if it happens twice")
    counts: Counts = json.loads(output)
    return counts


def _count(sent: dict[str, tuple[int, int]], outcomes: list[CycleOutcome]) -> None:
    for outcome in outcomes:
        upserted, deleted = sent[outcome.table]
        sent[outcome.table] = (upserted + outcome.rows_upserted, deleted + outcome.rows_deleted)


def _log_writes(writes: Counts, duration_s: float) -> None:
    kinds = ("inserts", "updates", "deletes")
    totals = {kind: sum(counts.get(kind, 0) for counts in writes.values()) for kind in kinds}
    _log.info(Event.DEMO_WRITER_FINISHED, **totals, duration_s=round(duration_s, 1))

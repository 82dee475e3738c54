"""The demo: an application writes, the daemon runs beside it, and the outcome is compared cell by cell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from bqsync.config import Config
from bqsync.demo.store import Counts
from bqsync.embedded import EmbeddedBigQuery
from bqsync.engine.cycle_options import CycleOptions
from bqsync.engine.daemon import Daemon
from bqsync.engine.opening import open_session
from bqsync.engine.sync import sync_tables
from bqsync.engine.verify import VerifyOutcome, verify_table
from bqsync.errors import BqsyncError, ErrorKind, noted_error
from bqsync.model import CycleOutcome
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger

_log = get_logger()

_LOOK_S = 0.1
_EVENT_S = 0.5
_WRITER_PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOutcome:
    """What the demo did, by table."""

    writes: Counts
    """By table: inserts, updates, deletes of the application."""
    cycles: int
    """That sent anything after the first copy."""
    sent: Mapping[str, tuple[int, int]]
    """By table: rows upserted and deleted by them."""
    comparisons: list[VerifyOutcome]

    @property
    def rows_different(self) -> int:
        """0 where every target equals its source."""
        return sum(comparison.rows_different for comparison in self.comparisons)


def run_demo(config: Config, *, seconds: float, rate: float, seed: int) -> DemoOutcome:
    """
    Run the daemon, let the application write beside it, end both, sweep once more, and compare.

    The daemon finds by sweeps what happens to tables without a watermark, and by watermark passes what is written to
    the others; their deletes wait for a sweep, which is due once an hour. The last one does not wait for that.

    Args:
        config: from `bqsync.demo.workspace.prepare`.
        seconds: how long the application writes; a SIGTERM or SIGINT ends it, and the daemon, earlier.
        rate: its statements per second.
        seed: of all that is random in it.

    Raises:
        BqsyncError: the daemon, the last cycle or the application has failed.
    """
    play = _Play(config, seconds=seconds, rate=rate, seed=seed)
    with ExitStack() as stack:
        if config.bigquery.embedded:  # one for the daemon and for what comes after it: a start takes seconds
            stack.enter_context(EmbeddedBigQuery(config.bigquery.embedded_dir, config.bigquery.project))
        play.run()
        session = stack.enter_context(open_session(config))
        last = sync_tables(session, (), CycleOptions())
        failed = next((outcome.error for outcome in last if outcome.error is not None), None)
        if failed is not None:
            raise noted_error(failed)
        for outcome in last:
            play.count(outcome)
        comparisons = [verify_table(session, table) for table in config.tables]
    return DemoOutcome(writes=play.writes, cycles=play.cycles, sent=play.sent, comparisons=comparisons)


class _Play:
    """The daemon in this thread, and in another one whoever lets the application write and ends both."""

    def __init__(self, config: Config, *, seconds: float, rate: float, seed: int) -> None:
        self._config = config
        self._seconds, self._rate, self._seed = seconds, rate, seed
        self._daemon = Daemon(config, lambda: config, os.environ, on_outcome=self.count)
        self._has_ended = threading.Event()
        self._is_writing = False
        self._failure: Exception | None = None
        self.writes: Counts = {table.name: {} for table in config.tables}
        self.cycles = 0
        self.sent: dict[str, tuple[int, int]] = {table.name: (0, 0) for table in config.tables}

    def run(self) -> None:
        director = threading.Thread(target=self._direct, name="director")
        director.start()
        try:
            self._daemon.run()
        finally:
            self._has_ended.set()
            director.join()
        if self._failure is not None:
            raise self._failure

    def count(self, outcome: CycleOutcome) -> None:
        """Take in a cycle: those of the first copy are no part of the play."""
        if self._is_writing and outcome.merges:
            upserted, deleted = self.sent[outcome.table]
            self.sent[outcome.table] = (upserted + outcome.rows_upserted, deleted + outcome.rows_deleted)
            self.cycles += 1

    def _direct(self) -> None:
        try:
            self._wait_for_daemon()  # the first copy
            if self._has_ended.is_set():
                return
            self._is_writing = True
            started = time.monotonic()
            with _application(self._config, self._seconds, self._rate, self._seed) as writer:
                while writer.poll() is None and not self._has_ended.wait(_LOOK_S):
                    pass
                self.writes = _end(writer)
            _log_writes(self.writes, time.monotonic() - started)
            self._wait_for_daemon()
        except Exception as failure:  # noqa: BLE001 - raised again by `run`
            self._failure = failure
        finally:
            self._daemon.end()

    def _wait_for_daemon(self) -> None:
        """
        Until it has nothing left to do, or can't do it: the last cycle says why.

        The last event of the file may still be on its way.
        """
        self._has_ended.wait(_EVENT_S)
        while not self._daemon.is_settled() and not self._has_ended.wait(_LOOK_S):
            if self._daemon.is_failing():
                return


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


def _log_writes(writes: Counts, duration_s: float) -> None:
    kinds = ("inserts", "updates", "deletes")
    totals = {kind: sum(counts.get(kind, 0) for counts in writes.values()) for kind in kinds}
    _log.info(Event.DEMO_WRITER_FINISHED, **totals, duration_s=round(duration_s, 1))

"""The daemon's own look at its targets: each table is compared once in `verify_interval`, and repaired."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bqsync.config import TableSection
from bqsync.engine.aside import StoppedError
from bqsync.engine.budget import LimitReachedError
from bqsync.engine.counting import count_failure
from bqsync.engine.repair import RepairOrder
from bqsync.engine.session import Session
from bqsync.engine.sides import Surroundings
from bqsync.engine.turns import Turns
from bqsync.engine.verify import verify_table
from bqsync.errors import BqsyncError, internal_error
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger
from bqsync.observe.metrics import Metric
from bqsync.state.tables import TableState

_log = get_logger()

PATROL = "the comparison of a table with its target"
_LONGEST_WAIT_S = 60.0
"""The wall clock decides when a table is due, and may step."""
_RETRY_S = 900.0


class Patrol:
    """
    Compares one table after the other, in a thread of its own.

    It reads the source in its turn among the cycles, and then rests as long as a sweep would have to; while BigQuery
    reads the target, it takes no place from them.

    Args:
        session: of the loop.
        turns: of its cycles.
        wake: has the loop look around: a repair is asked for.
    """

    def __init__(self, session: Session, turns: Turns, wake: Callable[[], None]) -> None:
        self._session = session
        self._turns = turns
        self._wake = wake
        self._interval_us = int(session.config.sync.verify_interval_s * 1_000_000)
        self._not_before_s = {section.name: 0.0 for section in session.config.tables}
        self._thread: threading.Thread | None = None
        self._is_busy = False

    @property
    def is_busy(self) -> bool:
        """It compares a table."""
        return self._is_busy

    def begin(self) -> None:
        """Begin, unless that was done before or nobody wants it. It ends once the session is told to stop."""
        if self._thread is None and self._interval_us:
            self._thread = threading.Thread(target=self._run, name="patrol", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        wait_s = 0.0
        while not self._session.stop.wait(wait_s):
            wait_s = min(_LONGEST_WAIT_S, self._interval_us / 1_000_000)
            for section in self._session.config.tables:
                # In this order: whoever has set `stop` and then finds nobody busy may close the session.
                self._is_busy = True
                if not self._session.stop.is_set():
                    self._visit(section)
                self._is_busy = False

    def _visit(self, section: TableSection) -> None:
        began_s = time.thread_time()
        try:
            if time.monotonic() < self._not_before_s[section.name] or not self._is_due(section):
                return
            self._compare(section)
        except StoppedError:
            return
        except LimitReachedError:
            return  # until the day ends, or the limit is raised; the cycles tell of it
        except Exception as raised:  # noqa: BLE001 - told, and tried again; no table stops another
            failure = raised if isinstance(raised, BqsyncError) else internal_error(raised)
            self._not_before_s[section.name] = time.monotonic() + _RETRY_S
            count_failure(self._session.tally, failure, section.name)
            _log.warning(Event.VERIFY_FAILED, table=section.name, **failure.as_dict(), retry_in_s=_RETRY_S)
        cost_s = time.thread_time() - began_s
        self._session.stop.wait(cost_s * (1 / self._session.config.sync.sweep_duty - 1))

    def _is_due(self, section: TableSection) -> bool:
        state = TableState(self._session.store, self._session.source_id, section.name)
        if state.trusted() is None:
            return False
        last_us, now_us = state.last_verify_us(), self._session.now_us()
        if last_us is None:
            # Whatever was delivered until now is as good as compared.
            state.record_verify(now_us)
            return False
        # A clock that went back must not put the next one off for as long.
        return not last_us <= now_us < last_us + self._interval_us

    def _compare(self, section: TableSection) -> None:
        order = RepairOrder(self._session, section)
        outcome = verify_table(
            self._session, section, Surroundings(beside=True, is_bounded=True, turn=self._turn, damage=order))
        self._session.tally.note(Metric.VERIFY_MISMATCHED_ROWS, outcome.rows_different, table=section.name)
        order.place()
        TableState(self._session.store, self._session.source_id, section.name).record_verify(self._session.now_us())
        if order.rows:
            self._wake()

    @contextmanager
    def _turn(self) -> Iterator[Callable[[], None]]:
        turn = self._turns.enter()
        try:
            yield turn.give_way
        finally:
            turn.leave()

"""A clock that is set while the daemon works: every row arrives, none is deleted, and nobody sleeps for an hour."""

from __future__ import annotations

import ast
import queue
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from zoneinfo import ZoneInfo

import pytest
from tests.bad_input.command import SENTINEL
from tests.daemon.life import wait_until
from tests.daemon.tables import QUICK, is_equal
from tests.faults.running import TABLES, filled
from tests.workbench import Workbench

import bqsync
from bqsync.engine.inbox import drain
from bqsync.engine.loop import Loop
from bqsync.engine.opening import locked_state, open_rooms
from bqsync.model import CycleOutcome

HOUR_S, DAY_S = 3_600, 86_400


class Clock:
    """The wall clock of the daemon and of the application, which somebody sets."""

    def __init__(self) -> None:
        self.offset_s = 0.0

    def now_us(self) -> int:
        return time.time_ns() // 1_000 + int(self.offset_s * 1_000_000)

    @property
    def now_s(self) -> int:
        return self.now_us() // 1_000_000


class Turning:
    """The loop of a daemon in this process, which turns while a test waits."""

    def __init__(self, loop: Loop, inbox: queue.SimpleQueue[object]) -> None:
        self._loop = loop
        self._inbox = inbox
        self.outcomes: list[CycleOutcome] = []

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Turn until that. It is asked after each cycle and every second: to ask BigQuery takes longer than a turn."""
        asked_after, asked_s = -1, 0.0

        def look() -> bool:
            nonlocal asked_after, asked_s
            self._turn()
            if len(self.outcomes) == asked_after and time.monotonic() < asked_s + 1.0:
                return False
            asked_after, asked_s = len(self.outcomes), time.monotonic()
            return bool(condition())

        wait_until(look, what)

    def _turn(self) -> None:
        self._loop.step()
        for message in drain(self._inbox, min(0.02, self._loop.wait_s())):
            self._loop.take(message)

    def end(self) -> None:
        self._loop.begin_end()

        def has_ended() -> bool:
            self._turn()
            return not self._loop.unfinished()

        wait_until(has_ended, "the end of its cycles")

    @property
    def deleted(self) -> int:
        return sum(outcome.rows_deleted for outcome in self.outcomes)


@contextmanager
def turning(bench: Workbench, clock: Clock) -> Iterator[Turning]:
    inbox: queue.SimpleQueue[object] = queue.SimpleQueue()
    with ExitStack() as stack:
        held = stack.enter_context(locked_state(bench.config))
        session = stack.enter_context(open_rooms(bench.config, {}, held=held, stop=Event()))
        outcomes: list[CycleOutcome] = []
        one = Turning(Loop(replace(session, now_us=clock.now_us), inbox, outcomes.append), inbox)
        one.outcomes = outcomes
        stack.callback(one.end)
        yield one


@pytest.mark.parametrize("steps_s", [(-HOUR_S, 0), (DAY_S, 0), (-DAY_S, DAY_S, -HOUR_S)])
def test_a_clock_that_is_set_while_the_daemon_works_loses_and_delays_nothing(
    workbench: Workbench, steps_s: tuple[int, ...],
) -> None:
    filled(workbench)
    clock = Clock()

    def equal() -> bool:
        return all(is_equal(workbench, table) for table in TABLES)

    with turning(workbench, clock) as daemon:
        daemon.until(equal, "the first copy")
        for number, offset_s in enumerate((0, *steps_s)):
            clock.offset_s = offset_s
            for place in range(2):
                row = 100 + 10 * number + place
                workbench.db.execute("INSERT INTO marked VALUES (?, ?, ?)", (row, SENTINEL, clock.now_s))
                workbench.db.execute("UPDATE marked SET v = v || '.', at = ? WHERE id = ?", (clock.now_s, number))
                workbench.db.execute("INSERT INTO plain VALUES (?, ?)", (row, SENTINEL))
                workbench.db.execute("UPDATE plain SET v = v || '.' WHERE id = ?", (number,))
                daemon.until(equal, f"equal after a step to {offset_s} s, change {place}")
        assert daemon.deleted == 0
        workbench.db.execute("DELETE FROM plain WHERE id = 9")
        daemon.until(equal, "a delete is followed as before")
        daemon.until(lambda: daemon.deleted == 1, "its cycle says so")


def test_the_hour_that_comes_twice_loses_no_row(workbench: Workbench) -> None:
    """Local times without an offset, while the clock goes through the end of summer time."""
    zone = ZoneInfo("Europe/Berlin")
    workbench.fill("CREATE TABLE local (id INTEGER PRIMARY KEY, v TEXT, at TEXT)",
                   ("INSERT INTO local VALUES (?, 'before', ?)", [(0, "2026-10-24 12:00:00")]))
    workbench.configure('[[tables]]\nname = "local"\nwatermark = ["at"]\ntimestamps = { at = "iso8601" }\n',
                        extra=QUICK)
    text = workbench.config_path.read_text(encoding="utf-8")
    workbench.config_path.write_text(text.replace('db = "app.db"', 'db = "app.db"\ntime_zone = "Europe/Berlin"'),
                                     encoding="utf-8")
    clock = Clock()
    with turning(workbench, clock) as daemon:
        for number, minute in enumerate(range(-40, 160, 40), start=1):
            # Summer time ends at 01:00 UTC: the local clock shows 02:00 once more.
            moment = datetime(2026, 10, 25, 0, 40, tzinfo=UTC).timestamp() + 60 * minute
            clock.offset_s = moment - time.time()
            local = datetime.fromtimestamp(moment, zone).strftime("%Y-%m-%d %H:%M:%S")
            workbench.db.execute("INSERT INTO local VALUES (?, ?, ?)", (number, SENTINEL, local))
            daemon.until(lambda: is_equal(workbench, "local"), local)
        assert daemon.deleted == 0


WALL_CLOCK = {
    "capture/file_state.py": "whether a time stamp of a file is fresh",
    "cli/summary_view.py": "how long ago the lines of a log were written that is followed, for a person",
    "deliver/translate.py": "how long it is until a date that BigQuery asks to be left alone till",
    "deliver/staging.py": "the name and the end of a staging table, by the clock of BigQuery's users",
    "deliver/warm.py": "whether a staging table that was made before its time is about to expire",
    "observe/log.py": "the time stamp of a line",
    "state/clock.py": "the one clock of the engine, which a session may replace",
    "state/store.py": "the name of a file that is moved aside",
}
"""Who asks what time it is, and what for. Whatever waits, measures or spaces goes by a clock that nobody sets."""
WALL = {("time", "time"), ("time", "time_ns"), ("time", "localtime"), ("time", "gmtime"), ("time", "strftime"),
        ("time", "ctime"), ("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today")}


def asks_the_wall_clock(file: Path) -> bool:
    return any(isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
               and (node.value.id, node.attr) in WALL
               for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))))


def test_nothing_waits_by_a_clock_that_can_be_set() -> None:
    package = Path(bqsync.__file__).parent
    rooms = [file for file in package.rglob("*.py") if file.relative_to(package).parts[0] != "demo"]
    assert {str(file.relative_to(package)) for file in rooms if asks_the_wall_clock(file)} == set(WALL_CLOCK)

"""How far apart cycles begin when the bytes of a day grow short; and what the loop makes of a limit that is reached."""

from __future__ import annotations

import queue
import sqlite3
from contextlib import closing
from dataclasses import replace
from threading import Event as StopEvent
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from bqsync.config import load
from bqsync.engine.budget import Limit, LimitReachedError
from bqsync.engine.loop import Loop
from bqsync.engine.opening import locked_state, open_rooms
from bqsync.engine.run import TableRun
from bqsync.engine.schedule import Outlook
from bqsync.engine.workers import Ended
from bqsync.model import CycleOutcome
from bqsync.state.billing import DaysBill, next_day_us

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GIB = 2**30
HOUR_S = 3_600.0
NOON_US = 1_767_268_800_000_000
"""2026-01-01, 12:00 UTC."""


def limit(spent_gib: float, *, merges: int = 80, tables: int = 1) -> Limit:
    bill = DaysBill(size_bytes=int(spent_gib * GIB), merges=merges, tables=tables)
    return Limit(setting="sync.daily_bytes_billed_limit", limit_bytes=100 * GIB, bill=bill)


def test_below_four_fifths_of_a_limit_nothing_is_slowed_down() -> None:
    assert limit(79.9).spaced_s(HOUR_S) == 0.0
    assert limit(90.0, merges=0).spaced_s(HOUR_S) == 0.0, "where no MERGE was billed, they are not what is to be slowed"
    assert limit(80.0).spaced_s(HOUR_S) > 0.0


@pytest.mark.parametrize("tables", [1, 3])
@pytest.mark.parametrize("left_s", [60.0, HOUR_S, 24 * HOUR_S])
@pytest.mark.parametrize("spent_gib", [80.0, 90.0, 99.5, 99.999])
def test_the_rest_of_a_limit_lasts_until_the_day_ends(spent_gib: float, left_s: float, tables: int) -> None:
    """Cycles that far apart, of each table, cost no more than is left; but for one that may begin at once."""
    one = limit(spent_gib, tables=tables)
    spaced_s = one.spaced_s(left_s)
    assert 0 < spaced_s <= left_s / 2, "the new day's bytes wait for nobody"
    merge_gib = spent_gib / 80
    if spaced_s < left_s / 2:
        assert tables * (left_s / spaced_s) * merge_gib <= (100 - spent_gib) * (1 + 1e-9)
        assert tables * (left_s / spaced_s) * merge_gib * 2 >= (100 - spent_gib), "and not twice as far apart as that"


def test_an_interval_changes_seldom() -> None:
    """A line for each of its changes is written: not one for each cycle."""
    found = {limit(80 + step / 50).spaced_s(HOUR_S) for step in range(500)}
    assert len(found) <= 3


def test_at_the_limit_the_day_is_over() -> None:
    assert limit(100.0).is_reached
    assert limit(100.0).spaced_s(HOUR_S) == 0.0, "whoever has something to send is to say that it waits"
    assert not limit(99.999).is_reached


class Clock:
    now_us = NOON_US


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def loop(tmp_path: Path, clock: Clock) -> Iterator[Loop]:
    """Of one table, and a BigQuery where nobody listens; nothing is called."""
    with closing(sqlite3.connect(tmp_path / "app.db")) as db:
        db.execute("CREATE TABLE a (id INTEGER PRIMARY KEY)")
    file = tmp_path / "config.toml"
    file.write_text('[source]\ndb = "app.db"\n[bigquery]\nproject = "demo"\ndataset = "d"\n'
                    'rest_endpoint = "127.0.0.1:9"\ngrpc_endpoint = "127.0.0.1:9"\n[[tables]]\nname = "a"\n',
                    encoding="utf-8")
    config = load(file, environ={})
    with locked_state(config) as held, open_rooms(config, {}, held=held, stop=StopEvent()) as session:
        one = Loop(replace(session, now_us=lambda: clock.now_us), queue.SimpleQueue())
        yield one
        one.begin_end()


KEY = ("app", "a")


def ended(loop: Loop, **run: Any) -> None:
    loop.agenda.start(KEY, 0.0)
    outcome = CycleOutcome(table="a", target="a")
    outcome.merges = 1
    loop.take(Ended(KEY, TableRun(outcome=outcome, **run)))


def test_a_table_at_its_limit_waits_for_midnight_is_told_once_and_has_not_failed(loop: Loop, clock: Clock) -> None:
    midnight_us = next_day_us(NOON_US)
    with capture_logs() as lines:
        ended(loop, failure=LimitReachedError("a", limit(100.0), midnight_us))
        loop.agenda.look("app", "another look", NOON_US)
    (line,) = lines
    assert (line["event"], line["log_level"], line["code"]) == ("daily_limit.reached", "warning", "E503")
    assert (line["until"], line["bytes_billed"]) == ("2026-01-02T00:00:00+00:00", 100 * GIB)
    assert loop.agenda.failing() == []
    assert loop.agenda.oldest_change_us() == NOON_US, "what waits counts as lag"
    assert loop.agenda.ready(NOON_US, 1e9) == []
    assert loop.agenda.wake_s(NOON_US, 1e9) == 1e9 + 12 * HOUR_S
    assert loop.agenda.ready(midnight_us - 1, 1e9) == []
    assert loop.agenda.ready(midnight_us, 1e9) == [KEY]
    clock.now_us = NOON_US - 1
    assert loop.agenda.ready(clock.now_us, 1e9) == [KEY], "of a clock that went back, nothing is believed"


def test_an_interval_that_the_limit_asks_for_is_told_with_its_cause(loop: Loop) -> None:
    idle = Outlook(as_of_us=0, due_us=None, change_us=0)
    with capture_logs() as lines:
        ended(loop, outlook=idle, spaced_s=64.0)
        ended(loop, outlook=idle, spaced_s=64.0)
        ended(loop, outlook=idle)
    told = [(line["event"], line["interval_s"], line["cause"]) for line in lines
            if line["event"].startswith("merge_interval.")]
    assert told == [("merge_interval.widened", 64.0, "daily limit"), ("merge_interval.narrowed", 0.0, "daily limit")]

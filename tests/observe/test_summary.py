"""What a log tells of each table, by its own clock."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from bqsync.observe.selection import Selection
from bqsync.observe.summary import Summary


def line(minute: int, event: str, level: str = "info", **fields: Any) -> bytes:
    return json.dumps({"timestamp": f"2026-03-01T09:{minute:02}:00.000000Z", "level": level, "event": event,
                       **fields}).encode()


def cycle(minute: int, table: str, upserted: int, *, quarantined: int = 0, **fields: Any) -> bytes:
    return line(minute, "sync.completed", table=table, rows_upserted=upserted, rows_deleted=1,
                quarantine_total=quarantined, durations_s={"read": 0.1, "merge": 0.4}, **fields)


def rows(*lines: bytes, now: datetime | None = None) -> dict[object, list[object]]:
    summary = Summary(Selection())
    summary.add(lines)
    return {name: others for name, *others in summary.rows(now)}


def test_rows_are_added_up_and_the_last_cycle_counts() -> None:
    found = rows(cycle(0, "orders", 3, lag_s=9.0), cycle(1, "orders", 4, quarantined=2, lag_s=0.5), line(4, "x"))
    assert found == {"orders": ["3 min ago", 7, 2, "500 ms", "500 ms", 0, "2 in quarantine"]}


def test_now_is_the_newest_line_unless_it_is_told() -> None:
    assert rows(cycle(0, "orders", 1), now=datetime(2026, 3, 1, 11, 0, tzinfo=UTC))["orders"][0] == "2 h ago"
    assert rows(cycle(0, "orders", 1))["orders"][0] == "0 s ago"


def test_trouble_lasts_until_it_is_over() -> None:
    failed = line(1, "sync.failed", "error", table="orders", code="E306")
    for over in (cycle(2, "orders", 1), line(2, "sync.recovered", table="orders"), line(2, "daemon.started")):
        assert rows(failed)["orders"][-2:] == [1, "failed: E306"]
        assert rows(failed, over)["orders"][-2:] == [1, "ok"]
    held = line(1, "deletes.held_back", "error", table="orders", deletes=3_801)
    assert rows(held)["orders"][-1] == "3,801 deletes held back"


def test_the_daemon_and_the_length_of_the_log_stand_below() -> None:
    summary = Summary(Selection())
    assert summary.footing(None) == ""
    summary.add([line(0, "daemon.started"), line(1, "daemon.ready"), cycle(2, "orders", 1)])
    assert summary.footing(None).startswith("the daemon runs; 1 table in 2 min of log, from 2026-03-01 ")
    summary.add([line(3, "source.unavailable", "error"), line(5, "daemon.stopped")])
    assert summary.footing(None).startswith("the daemon has ended; 1 table in 5 min of log, ")

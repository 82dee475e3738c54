"""What is made of failures: waits that grow, and lines that are not repeated."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from bqsync.engine.absence import HeldBackError
from bqsync.engine.run import TableRun
from bqsync.engine.setbacks import TRY_OUT_S, Setbacks
from bqsync.errors import BqsyncError, ErrorKind, Pause
from bqsync.model import CycleOutcome
from bqsync.observe.log import configure

DOWN = BqsyncError(ErrorKind.BIGQUERY_UNREACHABLE, what="nobody answers", why="refused", fix="wait")
FOREIGN = BqsyncError(ErrorKind.TARGET_FOREIGN, what="somebody else's", why="no label", fix="--adopt")
FAILED = BqsyncError(ErrorKind.BIGQUERY_JOB_FAILED, what="a job failed", why="it did", fix="look")


LONGEST_S = {Pause.SHORT: (1.0, 5.0), Pause.HELD: (1.0, 10.0), Pause.OUTAGE: (1.0, 60.0), Pause.TABLE: (1.0, 300.0),
             Pause.QUOTA: (10.0, 900.0)}
"""The bound of the first pause and of the longest, as the documents promise them."""
BUSY = BqsyncError(ErrorKind.SOURCE_BUSY, what="the database is locked", why="by the application", fix="nothing")


class Rig:
    """Setbacks with a clock of their own, and the lines that they have written."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self._stream = io.StringIO()
        configure("debug", "json", stream=self._stream)
        self.setbacks = Setbacks(lambda: self.now_s)

    def lines(self) -> list[dict[str, Any]]:
        """What was written since the last call."""
        text = self._stream.getvalue()
        self._stream.seek(0)
        self._stream.truncate()
        return [json.loads(line) for line in text.splitlines()]

    def fail(self, table: str, failure: BqsyncError, failures: int) -> float:
        """A table's own failure; how long it waits."""
        return self.setbacks.table_failed(run_of(table, failure), failures) - self.now_s


def run_of(table: str, failure: BqsyncError) -> TableRun:
    return TableRun(outcome=CycleOutcome(table=table, target=table), failure=failure)


@pytest.fixture
def rig() -> Iterator[Rig]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield Rig()
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize(("failure", "longest_s"), [
    (FAILED, 300.0), (HeldBackError("t", 10, 10, 0.5, None), 10.0),
])
def test_waits_double_up_to_the_longest(rig: Rig, failure: BqsyncError, longest_s: float) -> None:
    for failures in range(1, 2_000, 7):
        bound_s = min(longest_s, 2.0 ** min(failures - 1, 40))
        for _ in range(5):
            assert bound_s / 2 <= rig.fail("t", failure, failures) <= bound_s


def test_a_failure_that_stays_the_same_is_told_once_in_ten_minutes(rig: Rig) -> None:
    rig.fail("t", FOREIGN, 1)
    (line,) = rig.lines()
    assert (line["event"], line["level"], line["table"], line["failures"]) == ("table.refused", "error", "t", 1)
    for failures in range(2, 40):
        rig.now_s += 15.0
        rig.fail("t", FOREIGN, failures)
    assert rig.lines() == []
    rig.now_s += 60.0
    rig.fail("t", FOREIGN, 40)
    assert [line["failures"] for line in rig.lines()] == [40]


def test_another_failure_and_another_table_are_told_at_once(rig: Rig) -> None:
    rig.fail("t", FOREIGN, 1)
    rig.fail("t", FAILED, 2)
    rig.fail("u", FOREIGN, 1)
    assert [(line["event"], line["table"], line["code"]) for line in rig.lines()] == [
        ("table.refused", "t", "E315"), ("sync.failed", "t", "E312"), ("table.refused", "u", "E315")]


def test_a_table_that_works_again_says_so_once_and_its_next_failure_is_told(rig: Rig) -> None:
    rig.fail("t", FAILED, 1)
    rig.fail("u", FAILED, 1)
    rig.now_s += 12.0
    rig.fail("t", FAILED, 2)
    rig.lines()
    assert rig.setbacks.failing_since_s("t") == rig.now_s - 12.0
    rig.setbacks.succeeded("t", 2, has_sent=False)
    assert rig.setbacks.failing_since_s("t") is None
    rig.setbacks.succeeded("t", 0, has_sent=True)
    (line,) = rig.lines()
    assert (line["event"], line["table"], line["failures"], line["duration_s"]) == ("sync.recovered", "t", 2, 12.0)
    rig.fail("t", FAILED, 1)
    rig.fail("u", FAILED, 2)
    assert [(line["event"], line["table"]) for line in rig.lines()] == [("sync.failed", "t")]


def test_held_deletes_have_a_line_of_their_own(rig: Rig) -> None:
    rig.fail("t", HeldBackError("t", 8, 10, 0.5, None), 1)
    held, failed = rig.lines()
    assert (held["event"], held["deletes"], held["rows"]) == ("deletes.held_back", 8, 10)
    assert (failed["event"], failed["code"]) == ("sync.failed", "E501")
    rig.fail("t", HeldBackError("t", 8, 10, 0.5, None), 2)
    assert rig.lines() == []


def test_an_outage_is_one_failure_however_many_tables_meet_it(rig: Rig) -> None:
    for table in "abc":
        rig.setbacks.all_failed(DOWN, run_of(table, DOWN))
    assert len(rig.lines()) == 1
    assert rig.setbacks.outage is DOWN
    assert 0.5 <= rig.setbacks.until_s - rig.now_s <= 1.0
    bounds = []
    for _ in range(12):
        rig.now_s = rig.setbacks.until_s
        assert rig.setbacks.try_out(rig.now_s)
        rig.setbacks.all_failed(DOWN, run_of("a", DOWN))
        bounds.append(rig.setbacks.until_s - rig.now_s)
    assert all(bound_s / 2 <= wait_s <= bound_s for wait_s, bound_s in zip(
        bounds, [2.0, 4.0, 8.0, 16.0, 32.0, *[60.0] * 7], strict=True))
    assert rig.lines() == []


def test_the_first_call_says_that_bigquery_can_t_be_reached(rig: Rig) -> None:
    for _ in range(3):
        rig.setbacks.try_out(rig.now_s)
        rig.setbacks.all_failed(DOWN)
        rig.now_s = rig.setbacks.until_s
    (line,) = rig.lines()
    assert (line["event"], line["code"], line["failures"]) == ("bigquery.unavailable", "E301", 1)
    rig.setbacks.succeeded(None, 0, has_sent=True)
    (line,) = rig.lines()
    assert (line["event"], line["code"], line["failures"]) == ("sync.recovered", "E301", 3)
    assert (rig.setbacks.outage, rig.setbacks.until_s) == (None, 0.0)
    rig.setbacks.all_failed(DOWN)
    assert [line["event"] for line in rig.lines()] == ["bigquery.unavailable"], "the next outage is a new one"


@pytest.mark.parametrize(("table", "has_sent", "is_over"), [
    ("idle", False, False), ("idle", True, True), ("met", False, True), ("met", True, True),
])
def test_only_what_has_called_bigquery_ends_an_outage(rig: Rig, table: str, has_sent: bool, is_over: bool) -> None:
    rig.setbacks.all_failed(DOWN, run_of("met", DOWN))
    rig.lines()
    rig.setbacks.succeeded(table, 0, has_sent=has_sent)
    assert (rig.setbacks.outage is None, len(rig.lines())) == (is_over, int(is_over))


def test_a_lock_of_the_application_is_tried_again_soon_however_long_it_lasts(rig: Rig) -> None:
    for failure, longest_s in ((BUSY, 5.0), (DOWN, 60.0)):
        setbacks = Setbacks(lambda: rig.now_s)
        waits_s = []
        for _ in range(10):
            setbacks.try_out(rig.now_s)
            setbacks.all_failed(failure, run_of("a", failure))
            waits_s.append(setbacks.until_s - rig.now_s)
            rig.now_s = setbacks.until_s
        assert max(waits_s) <= longest_s
        assert waits_s[-1] >= longest_s / 2


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_every_kind_has_its_pause(rig: Rig, kind: ErrorKind) -> None:
    failure = BqsyncError(kind, what="a", why="b")
    first_s, longest_s = LONGEST_S[failure.rule.pause]
    waits_s = [rig.fail("t", failure, failures) for failures in (1, 1_000)]
    assert first_s / 2 <= waits_s[0] <= first_s
    assert longest_s / 2 <= waits_s[1] <= longest_s


def test_bigquery_is_left_alone_for_as_long_as_it_asks_but_not_for_ever(rig: Rig) -> None:
    for asked_s, least_s in ((120.0, 120.0), (1e9, 3_600.0)):
        failure = BqsyncError(ErrorKind.BIGQUERY_RATE_LIMITED, what="a", why="b", retry_after_s=asked_s)
        assert rig.fail("t", failure, 1) == least_s
    down = BqsyncError(ErrorKind.BIGQUERY_UNREACHABLE, what="a", why="b", retry_after_s=120.0)
    rig.setbacks.all_failed(down, run_of("t", down))
    assert rig.setbacks.until_s == rig.now_s + 120.0


def test_cycles_that_were_under_way_do_not_make_the_next_attempt_later(rig: Rig) -> None:
    rig.setbacks.all_failed(DOWN, run_of("a", DOWN))
    rig.now_s = until_s = rig.setbacks.until_s
    for table in "bcd":
        rig.setbacks.all_failed(DOWN, run_of(table, DOWN))
    assert rig.setbacks.until_s == until_s
    assert rig.setbacks.try_out(rig.now_s)
    assert rig.setbacks.until_s == rig.now_s + TRY_OUT_S, "the others wait for what becomes of it"
    rig.setbacks.succeeded("idle", 0, has_sent=False)
    assert rig.setbacks.until_s == rig.now_s, "it has called nobody: the next one tries"
    rig.setbacks.try_out(rig.now_s)
    rig.setbacks.succeeded("a", 0, has_sent=False)
    assert (rig.setbacks.outage, rig.setbacks.until_s) == (None, 0.0)
    assert not rig.setbacks.try_out(rig.now_s), "nobody waits for anybody"

"""What a scrape makes of tally, loop and state; nothing is called, and no cycle is begun."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import msgspec
import pytest
from tests.daemon.scraping import Scraped

from bqsync.engine.budget import Limit, LimitReachedError
from bqsync.engine.counting import count_bill, count_cycle, count_delivery, count_failure
from bqsync.engine.loop import Loop
from bqsync.engine.run import failed_run, note_attempt
from bqsync.engine.scrape import Scrape
from bqsync.engine.session import Session
from bqsync.engine.workers import Arrived, Ended
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import CycleOutcome
from bqsync.observe.exposition import expose
from bqsync.observe.metrics import Metric
from bqsync.observe.tally import Tally
from bqsync.state.billing import DaysBill
from bqsync.state.tables import TableState

DENIED = BqsyncError(ErrorKind.BIGQUERY_PERMISSION, what="not allowed", why="no role", fix="grant it")
DOWN = BqsyncError(ErrorKind.BIGQUERY_UNREACHABLE, what="nobody answers", why="refused", fix="wait")


@pytest.fixture
def scrape(session: Session, loop: Loop) -> Scrape:
    one = Scrape(session.tally)
    one.look_at(session, loop)
    return one


def scraped(scrape: Scrape) -> Scraped:
    return Scraped(expose(scrape.families()).decode())


def by_table(scrape: Scrape, name: str) -> Mapping[str, float]:
    return scraped(scrape).by(name, "table")


def end(loop: Loop, session: Session, table: str, failure: BqsyncError) -> None:
    """A cycle of that table begins and fails."""
    loop.agenda.start(("app", table), 0.0)
    section = session.config.table(table)
    assert section is not None
    loop.take(Ended(("app", table), failed_run(session, section, failure)))


@contextmanager
def long_transaction(session: Session) -> Iterator[threading.Thread]:
    """Another thread works with the state until the end of the block, or for a minute."""
    began, over = threading.Event(), threading.Event()

    def work() -> None:
        with session.store.transaction():
            began.set()
            over.wait(60.0)

    thread = threading.Thread(target=work)
    thread.start()
    assert began.wait(60.0)
    yield thread
    over.set()
    thread.join()


def test_a_transaction_that_takes_long_is_not_waited_for(session: Session, scrape: Scrape) -> None:
    note_attempt(session, CycleOutcome(table="a", target="a"))
    known = by_table(scrape, "bqsync_last_success_timestamp_seconds")
    assert known.keys() == {"a"}
    with long_transaction(session) as working:
        assert by_table(scrape, "bqsync_last_success_timestamp_seconds") == known
        assert working.is_alive(), "it was waited for"


def test_a_scrape_goes_on_while_the_state_is_closed_and_moved_aside(session: Session, scrape: Scrape) -> None:
    note_attempt(session, CycleOutcome(table="a", target="a"))
    known = by_table(scrape, "bqsync_last_success_timestamp_seconds")
    session.store.close()
    session.store.path.rename(session.store.path.with_name("damaged"))
    assert by_table(scrape, "bqsync_last_success_timestamp_seconds") == known


def test_a_scrape_before_anything_is_open_tells_that_nothing_can_be_delivered() -> None:
    found = scraped(Scrape(Tally()))
    assert found.value("bqsync_up") == 0
    assert found.by("bqsync_rows_total", "table") == {}


def test_what_every_table_would_meet_is_an_error_of_none(session: Session, loop: Loop, scrape: Scrape) -> None:
    loop.take(Arrived(None))
    assert scraped(scrape).value("bqsync_up") == 1
    end(loop, session, "a", DENIED)
    end(loop, session, "a", DENIED)
    end(loop, session, "b", DOWN)
    found = scraped(scrape)
    assert found.value("bqsync_errors_total", table="a", kind="bigquery_permission") == 2
    assert found.value("bqsync_errors_total", table="", kind="bigquery_unreachable") == 1
    assert found.by("bqsync_consecutive_failures", "table") == {"a": 2, "b": 0}
    assert found.value("bqsync_up") == 0


def test_a_database_that_is_gone_is_counted_once_however_many_cycles_meet_it(
    session: Session, loop: Loop, scrape: Scrape,
) -> None:
    session.config.source.db.unlink()
    gone = BqsyncError(ErrorKind.SOURCE_MISSING, what="there is no file", why="it was taken away", fix="put it back")
    for table in ("a", "b", "a"):
        end(loop, session, table, gone)
    found = scraped(scrape)
    assert found.value("bqsync_errors_total", table="", kind="source_missing") == 1
    assert found.value("bqsync_up") == 0


def test_cycles_that_are_told_to_stop_are_no_errors(session: Session, loop: Loop, scrape: Scrape) -> None:
    session.stop.set()
    end(loop, session, "a", DENIED)
    loop.take(Arrived(DOWN))
    assert scraped(scrape).by("bqsync_errors_total", "kind") == {}


def test_a_table_that_waits_for_midnight_says_so_and_has_not_failed(
    session: Session, loop: Loop, scrape: Scrape,
) -> None:
    limit = Limit(setting="sync.daily_bytes_billed_limit", limit_bytes=1, bill=DaysBill(size_bytes=2))
    end(loop, session, "a", LimitReachedError("a", limit, session.now_us() + 3_600_000_000))
    assert by_table(scrape, "bqsync_daily_limit_reached") == {"a": 1, "b": 0}
    assert by_table(scrape, "bqsync_consecutive_failures") == {"a": 0, "b": 0}
    assert scraped(scrape).by("bqsync_errors_total", "kind") == {}
    note_attempt(session, CycleOutcome(table="a", target="a"))
    assert by_table(scrape, "bqsync_daily_limit_reached") == {"a": 0, "b": 0}


def test_held_deletes_are_pending_beside_the_rows_in_hand(session: Session, scrape: Scrape) -> None:
    TableState(session.store, session.source_id, "a").record_attempt(None, 1, deletes_held=5)
    assert by_table(scrape, "bqsync_deletes_held_rows") == {"a": 5, "b": 0}
    assert by_table(scrape, "bqsync_pending_rows") == {"a": 5, "b": 0}


def test_a_cycle_that_read_nothing_is_no_observation(session: Session, scrape: Scrape) -> None:
    for skipped, seconds in (("", 0.2), ("nothing is due", 0.001)):
        count_cycle(session.tally, CycleOutcome(table="a", target="a", skipped=skipped, durations_s={"plan": seconds},
                                                lag_s=None if skipped else 1.5))
    found = scraped(scrape)
    assert found.value("bqsync_sync_duration_seconds_count", stage="plan") == 1
    assert found.value("bqsync_sync_duration_seconds_bucket", stage="plan", le="0.25") == 1
    assert found.value("bqsync_sync_duration_seconds_bucket", stage="plan", le="0.1") == 0
    assert found.value("bqsync_delivery_lag_seconds_sum") == 1.5


def test_the_names_of_tables_may_be_anything(session: Session, loop: Loop) -> None:
    """A label value takes every character; three of them are escaped."""
    name = 'order "lines"\n\\ ü'
    count_delivery(session.tally, name, upserted=1, deleted=0, quarantined=0, sent_bytes=1)
    count_failure(session.tally, DENIED, name)
    config = session.config
    (first, *_) = config.tables
    renamed = msgspec.structs.replace(config, tables=(msgspec.structs.replace(first, name=name),))
    scrape = Scrape(session.tally)
    scrape.look_at(replace(session, config=renamed), loop)
    assert scraped(scrape).value("bqsync_rows_total", table=name, op="upserted") == 1
    assert scraped(scrape).value("bqsync_errors_total", table=name, kind="bigquery_permission") == 1


def test_scrapes_and_counts_from_many_threads_do_not_disturb_each_other(session: Session, scrape: Scrape) -> None:
    """Whatever is asked meanwhile, no count is lost and none goes back."""
    over, seen = threading.Event(), list[float]()

    def look() -> None:
        while not over.is_set():
            seen.append(scraped(scrape).value("bqsync_merges_total", table="a") or 0.0)

    def count(name: str) -> None:
        for number in range(3_000):
            count_bill(session.tally, "a", 1, merges=1)
            count_failure(session.tally, DENIED, f"{name} {number}")  # a series that is new

    looker = threading.Thread(target=look)
    counters = [threading.Thread(target=count, args=(name,)) for name in "xyz"]
    for thread in (looker, *counters):
        thread.start()
    for thread in counters:
        thread.join()
    over.set()
    looker.join()
    assert seen == sorted(seen)
    assert scraped(scrape).value("bqsync_bytes_billed_total", table="a") == 9_000
    assert len(session.tally.numbers(Metric.ERRORS)) == 9_000

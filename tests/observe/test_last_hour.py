"""What is remembered is bounded, and repeats are one entry."""

from __future__ import annotations

from bqsync.errors import BqsyncError, ErrorKind
from bqsync.observe.last_hour import LastHour
from bqsync.observe.snapshot import History, PastCycle

HOUR_US = 3_600_000_000
BROKEN = BqsyncError(ErrorKind.TARGET_FOREIGN, what="it is not ours", why="no label").as_dict()
GONE = BqsyncError(ErrorKind.SOURCE_MISSING, what="no file", why="it is missing").as_dict()


def cycle(number: int, code: str | None = None) -> PastCycle:
    return PastCycle(ended_us=number, duration_s=1.0, swept=False, rows_upserted=number, rows_deleted=0,
                     rows_quarantined=0, bytes_billed=0, lag_s=None, code=code, times=1)


def told(hour: LastHour, now_us: int = 0) -> History:
    return hour.history({}, 1_000.0, now_us)


def test_a_table_has_its_last_twenty_cycles_the_newest_first() -> None:
    hour = LastHour()
    hour.keep(["a", "b"])
    for number in range(50):
        hour.note_cycle("a", cycle(number))
    assert [one.rows_upserted for one in told(hour).tables["a"].cycles] == list(range(49, 29, -1))
    assert set(told(hour).tables) == {"a"}


def test_of_thousands_of_tables_each_has_a_few() -> None:
    hour, names = LastHour(), [f"t{number}" for number in range(5_000)]
    hour.keep(names)
    for name in names:
        for number in range(30):
            hour.note_cycle(name, cycle(number))
    assert {len(table.cycles) for table in told(hour).tables.values()} == {3}


def test_failures_in_a_row_are_one_cycle_and_do_not_drive_out_the_others() -> None:
    hour = LastHour()
    hour.keep(["a"])
    hour.note_cycle("a", cycle(1))
    for number in range(100):
        hour.note_cycle("a", cycle(number, "E315"))
    hour.note_cycle("a", cycle(7, "E306"))
    assert [(one.code, one.times) for one in told(hour).tables["a"].cycles] == [("E306", 1), ("E315", 100), (None, 1)]


def test_a_failure_is_counted_until_it_is_an_hour_old() -> None:
    hour = LastHour()
    hour.keep(["a"])
    for moment_us in (1, 2, 3):
        hour.note_failure("a", BROKEN, moment_us)
    hour.note_failure(None, GONE, 4)
    first, second = told(hour, 5).failures
    assert (first.table, first.code, first.times, first.fix) == (None, "E201", 1, GONE["fix"])
    assert (second.table, second.times, second.first_us, second.last_us) == ("a", 3, 1, 3)
    assert [one.table for one in told(hour, 4 + HOUR_US).failures] == [None]
    hour.note_failure("a", BROKEN, 4 + 2 * HOUR_US)
    (again,) = told(hour, 4 + 2 * HOUR_US).failures
    assert (again.times, again.first_us) == (1, 4 + 2 * HOUR_US)


def test_failures_are_bounded_and_those_of_tables_that_went_are_forgotten() -> None:
    hour = LastHour()
    hour.keep([f"t{number}" for number in range(80)])
    for number in range(80):
        hour.note_failure(f"t{number}", BROKEN, number)
    assert [one.table for one in told(hour).failures] == [f"t{number}" for number in range(79, 29, -1)]
    hour.note_cycle("t79", cycle(1))
    hour.keep(["t40", "t79"])
    hour.note_cycle("t1", cycle(1))
    assert [one.table for one in told(hour).failures] == ["t79", "t40"]
    assert set(told(hour).tables) == {"t79"}

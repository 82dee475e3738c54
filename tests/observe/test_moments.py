"""Instants as people write them."""

from bqsync.observe.moments import ago, ahead, moment, since, time_of_day, timestamp

NOW_US = 1_767_225_600_000_000


def test_an_instant_is_told_from_now() -> None:
    assert [ago(None, NOW_US), ago(NOW_US, NOW_US), ago(NOW_US - 300_000_000, NOW_US)] == [
        "never", "0 s ago", "5 min ago"]
    assert ago(NOW_US + 1_000_000, NOW_US) == "0 s ago", "a clock that steps back makes no negative age"
    assert [ahead(NOW_US, NOW_US), ahead(NOW_US - 1, NOW_US), ahead(NOW_US + 9_900_000, NOW_US)] == [
        "now", "now", "in 9 s"]
    assert since(NOW_US - 7_200_000_000, NOW_US) == "2 h"


def test_an_instant_is_told_by_itself() -> None:
    assert [moment(NOW_US), timestamp(NOW_US + 999_999), time_of_day(NOW_US)] == [
        "2026-01-01 00:00:00Z", "2026-01-01T00:00:00Z", "00:00:00 UTC"]

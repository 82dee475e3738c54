"""Amounts as people write them."""

import pytest

from bqsync.observe.amounts import count, duration, size, span


@pytest.mark.parametrize(("seconds", "text"), [
    (0, "0 s"), (0.0004, "0.4 ms"), (0.0123, "12 ms"), (0.9994, "999 ms"), (0.9996, "1 s"), (3.21, "3.2 s"),
    (42.4, "42 s"), (60, "1 min"), (303, "5 min 3 s"), (7_500, "2 h 5 min"), (86_400 * 3 + 4 * 3_600, "3 d 4 h"),
    (-2.5, "-2.5 s"), (float("inf"), "inf s"), (float("nan"), "nan s"), (1e300, "1e+300 s"),
])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_sizes_and_numbers() -> None:
    assert [size(1023), size(1024), size(3 << 20), size(5 << 30)] == ["1023 B", "1.0 KiB", "3.0 MiB", "5.0 GiB"]
    assert [count(1, "row"), count(2_000, "row")] == ["1 row", "2,000 rows"]


def test_a_span_is_told_in_its_largest_unit_of_which_there_are_two() -> None:
    assert [span(-1), span(119), span(120), span(2 * 3_600), span(86_400), span(3 * 86_400)] == [
        "0 s", "119 s", "2 min", "2 h", "24 h", "3 d"]

"""A line that says what was said a moment ago is left out, and counted."""

from __future__ import annotations

import threading

from bqsync.observe.repeats import Repeats


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_one_line_of_a_kind_passes_in_each_interval_and_tells_how_many_did_not() -> None:
    clock = Clock()
    repeats = Repeats(60.0, clock)
    assert [repeats.admit("a") for _ in range(4)] == [0, None, None, None]
    clock.now_s += 59.9
    assert repeats.admit("a") is None
    clock.now_s += 0.1
    assert [repeats.admit("a"), repeats.admit("a")] == [4, None]
    clock.now_s += 60.0
    assert repeats.admit("a") == 1


def test_kinds_do_not_count_for_each_other() -> None:
    repeats = Repeats(60.0, Clock())
    assert [repeats.admit("a"), repeats.admit(("a", "b")), repeats.admit("b"), repeats.admit("a")] == [0, 0, 0, None]


def test_what_is_forgotten_is_new() -> None:
    repeats = Repeats(60.0, Clock())
    for key in (("t", 1), ("t", 2), ("u", 1)):
        repeats.admit(key)
    repeats.forget(lambda key: isinstance(key, tuple) and key[0] == "t")
    assert [repeats.admit(key) for key in (("t", 1), ("t", 2), ("u", 1))] == [0, 0, None]


def test_of_many_threads_one_passes_and_all_others_are_counted() -> None:
    clock = Clock()
    repeats = Repeats(60.0, clock)
    passed: list[int] = []

    def admit() -> None:
        passed.extend(1 for _ in range(500) if repeats.admit("a") is not None)

    threads = [threading.Thread(target=admit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    clock.now_s += 60.0
    assert (len(passed), repeats.admit("a")) == (1, 3_999)

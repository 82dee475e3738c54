"""What is made when somebody asks: seldom, and without a queue."""

from __future__ import annotations

import threading
import time

import pytest

from bqsync.engine.paced import Paced

PATIENCE_S = 60.0


def test_whoever_asks_all_the_time_gets_the_same_again() -> None:
    made = list[int]()

    def make() -> int:
        time.sleep(0.5)
        made.append(len(made))
        return made[-1]

    paced = Paced(make)
    assert {paced.take() for _ in range(1_000)} == {0}
    assert made == [0]


def test_while_it_is_made_others_get_what_there_is_and_wait_for_nothing() -> None:
    going, go_on = threading.Event(), threading.Event()
    counts = iter(range(10))

    def make() -> int:
        going.set()
        assert go_on.wait(PATIENCE_S)
        return next(counts)

    paced = Paced(make)
    first = threading.Thread(target=paced.take)
    first.start()
    assert going.wait(PATIENCE_S)
    assert paced.take() is None
    go_on.set()
    first.join()
    assert paced.take() == 0


def test_a_making_that_fails_is_told_and_tried_again_no_sooner() -> None:
    tried = list[int]()

    def make() -> int:
        time.sleep(0.5)
        tried.append(1)
        raise ZeroDivisionError

    paced = Paced(make)
    with pytest.raises(ZeroDivisionError):
        paced.take()
    assert paced.take() is None
    assert tried == [1]

"""So many at a time, in the order in which they came: with real threads."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from functools import partial

from bqsync.engine.turns import Turns

PATIENCE_S = 60.0


def started(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def joined(*threads: threading.Thread) -> bool:
    for thread in threads:
        thread.join(PATIENCE_S)
    return not any(thread.is_alive() for thread in threads)


def queued(turns: Turns, count: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while len(turns._queue) < count:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_never_more_are_inside_than_there_are_places() -> None:
    turns = Turns(3, quantum_s=0.0)
    lock = threading.Lock()
    inside, most, done = 0, 0, 0

    def count(step: int) -> None:
        nonlocal inside, most
        with lock:
            inside += step
            most = max(most, inside)

    def work() -> None:
        nonlocal done
        turn = turns.enter()
        count(1)
        for _ in range(20):
            time.sleep(random.random() / 2_000)
            count(-1)
            turn.give_way()
            count(1)
        count(-1)
        turn.leave()
        with lock:
            done += 1

    assert joined(*[started(work) for _ in range(12)])
    assert (most, done, inside) == (3, 12, 0)
    assert turns.enter() is not None, "all places are free again"


def test_those_that_wait_come_in_the_order_in_which_they_came() -> None:
    turns = Turns(1)
    first = turns.enter()
    order: list[int] = []

    def work(number: int) -> None:
        turn = turns.enter()
        order.append(number)
        turn.leave()

    threads = []
    for number in range(8):
        threads.append(started(partial(work, number)))
        queued(turns, number + 1)
    first.leave()
    assert joined(*threads)
    assert order == list(range(8))


def test_a_long_turn_lets_those_go_first_that_wait_and_goes_on_after_them() -> None:
    now_s = 0.0
    turns = Turns(1, quantum_s=1.0, clock=lambda: now_s)
    long = turns.enter()
    order: list[str] = []

    def short(name: str) -> None:
        turn = turns.enter()
        order.append(name)
        turn.leave()

    threads = [started(lambda: short("short"))]
    queued(turns, 1)
    long.give_way()
    assert order == [], "not before the turn has lasted"
    now_s = 1.0
    long.give_way()
    order.append("long")
    assert order == ["short", "long"]
    now_s = 1.5
    threads.append(started(lambda: short("another")))
    queued(turns, 1)
    long.give_way()
    assert order == ["short", "long"], "a new turn has begun"
    long.leave()
    assert joined(*threads)


def test_nobody_gives_way_to_nobody() -> None:
    turns = Turns(1, quantum_s=0.0)
    turn = turns.enter()
    for _ in range(100):
        turn.give_way()
    turn.leave()
    turns.enter().leave()


def test_two_long_ones_take_turns() -> None:
    turns = Turns(1, quantum_s=0.0)
    first = turns.enter()
    order: list[str] = []

    def work() -> None:
        turn = turns.enter()
        for _ in range(3):
            order.append("b")
            turn.give_way()
        turn.leave()

    thread = started(work)
    queued(turns, 1)
    for _ in range(3):
        order.append("a")
        first.give_way()
    first.leave()
    assert joined(thread)
    assert "".join(order) == "ababab"


def test_opened_it_keeps_nobody_waiting() -> None:
    turns = Turns(1, quantum_s=0.0)
    inside = turns.enter()
    threads = [started(turns.enter) for _ in range(4)]
    queued(turns, 4)
    turns.open()
    assert joined(*threads)
    for _ in range(3):
        turns.enter()
    inside.give_way()

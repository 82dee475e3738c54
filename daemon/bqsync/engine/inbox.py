"""The one place that the daemon waits at: signals, wake-ups, and the ends of what its threads do arrive there."""

from __future__ import annotations

import queue
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

Inbox = queue.SimpleQueue[object]


@dataclass(frozen=True, slots=True)
class Woken:
    """Somebody wants the loop to look around."""


@dataclass(frozen=True, slots=True)
class Signalled:
    """A signal has come."""

    number: int


def drain(inbox: Inbox, wait_s: float) -> Iterable[object]:
    """What has arrived, waiting for the first of it so long at most."""
    try:
        yield inbox.get(timeout=wait_s)
        while True:
            yield inbox.get_nowait()
    except queue.Empty:
        return


@contextmanager
def signals_to(inbox: Inbox) -> Iterator[None]:
    """SIGTERM, SIGINT and SIGHUP become messages. Putting one is safe in a handler: the queue is made for it."""
    def tell(number: int, _frame: object) -> None:
        inbox.put(Signalled(number))

    before = {number: signal.signal(number, tell) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

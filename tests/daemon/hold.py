"""Calls to BigQuery that are held on their way until a test lets them go: so it decides what comes first."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.daemon.life import PATIENCE_S
from tests.hostile.actions import Method
from tests.hostile.calls import Call
from tests.hostile.proxy import HostileBigQuery


class Hold:
    """
    Keeps every call of a kind waiting, and then passes it on as it is.

    Args:
        method: of the calls.
        texts: that have to stand in them.
    """

    def __init__(self, method: Method, texts: tuple[str, ...]) -> None:
        self._method = method
        self._texts = texts
        self._permits = threading.Semaphore(0)
        self._is_open = threading.Event()
        self.arrived = 0
        """How many calls have come so far. They come one by one where one thread makes them."""

    def __call__(self, call: Call) -> None:
        """Take in a call; returns once it may go on."""
        if call.method is self._method and all(call.holds(text) for text in self._texts):
            self.arrived += 1
            if not self._is_open.is_set():
                self._permits.acquire(timeout=2 * PATIENCE_S)

    def let_one_go(self) -> None:
        """The one that waits, or else the next one."""
        self._permits.release()

    def open(self) -> None:
        """Hold nothing any more."""
        self._is_open.set()
        self._permits.release(1_000)


@contextmanager
def held(hostile: HostileBigQuery, method: Method, *texts: str) -> Iterator[Hold]:
    """Hold such calls until the end of the block."""
    hold = Hold(method, texts)
    hostile.on_call(hold)
    try:
        yield hold
    finally:
        hold.open()

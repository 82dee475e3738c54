"""
The process that reads columns: one table, page by page, as it is asked for, until nobody asks any more.

`python -m bqsync.columnar.serve DESCRIPTOR`, a socket to the daemon.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Lock
from typing import NoReturn

from bqsync.columnar.messages import Answer, Assignment, Closed, PageRead, PageWanted, Ready, Unfit, UnfitError

_PAGES_IN_MEMORY = 40
"""Arrow's columns, their conversions, the rows in three forms, and what the allocators keep."""


def main(descriptor: int) -> int:
    """Serve until the daemon hangs up."""
    # Ctrl-C on a terminal is for the daemon, which finishes the page in hand.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Connection(descriptor) as daemon:
        try:
            serve(daemon.recv(), daemon.recv, partial(_send, daemon, Lock()))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return 0


def serve(assignment: Assignment, ask: Callable[[], PageWanted], answer: Callable[[Answer], None]) -> NoReturn:
    """
    Answer what is asked. While a page is read, another thread encodes the one before.

    Args:
        assignment: the table.
        ask: the next question.
        answer: sends an answer; called by two threads.

    Raises:
        EOFError: nobody asks any more.
    """
    # Imported here: they take half a second, and whoever only looks at this module needs none of them.
    import pyarrow as pa
    from adbc_driver_manager import Error as DriverError

    from bqsync.columnar.pages import PageEncoder
    from bqsync.columnar.scan import Columns, Scan

    # Its own pool gives memory back; Arrow's default keeps it.
    pa.set_memory_pool(pa.system_memory_pool())
    pa.set_cpu_count(1)
    scan, encoder = Scan(assignment), PageEncoder(assignment)
    _bound_memory(assignment.page_bytes * _PAGES_IN_MEMORY)
    unfit = (UnfitError, DriverError, pa.ArrowException, MemoryError)

    def read(wanted: PageWanted) -> Columns | Unfit | None:
        try:
            return scan.read(wanted)
        except unfit as exc:
            return Unfit(_why(exc))

    def encoded(found: Columns | Unfit | None, wanted: PageWanted, took_s: float) -> PageRead | Unfit:
        if not isinstance(found, Columns):
            return found or PageRead(None)
        began_s = time.thread_time()
        try:
            page = encoder.encode(found.columns, wanted.first_sequence)
        except unfit as exc:
            return Unfit(_why(exc))
        return PageRead(replace(page, took_s=took_s + time.thread_time() - began_s))

    answer(Ready())
    with ThreadPoolExecutor(1, "encode") as other:
        while True:
            wanted = ask()
            began_s = time.thread_time()
            found = read(wanted)
            took_s = time.thread_time() - began_s
            answer(Closed(len(found.columns[0]), found.place) if isinstance(found, Columns) else Closed(0, None))
            other.submit(_pass_on, answer, partial(encoded, found, wanted, took_s))
            del found


def _pass_on(answer: Callable[[Answer], None], make: Callable[[], Answer]) -> None:
    """Nobody hears of an error of this thread: it ends the process, as one of the other does."""
    try:
        answer(make())
    except (BrokenPipeError, ConnectionResetError):
        os._exit(0)
    except BaseException:  # noqa: BLE001 - a thread that ends by itself would leave the daemon waiting
        os._exit(1)


def _send(daemon: Connection, turn: Lock, answer: Answer) -> None:
    body = b""
    if isinstance(answer, PageRead) and answer.page is not None:
        # By itself it is neither pickled nor copied.
        body = answer.page.body
        answer = PageRead(replace(answer.page, body=b""))
    with turn:
        daemon.send(answer)
        if body:
            daemon.send_bytes(body)


def _why(error: BaseException) -> str:
    """Of the libraries' errors the kind alone: their texts may quote a cell."""
    return str(error) if isinstance(error, UnfitError) else type(error).__name__


def _bound_memory(more_bytes: int) -> None:
    """Rows may be a thousand times as large as those before them: then reading them fails, and they are read singly."""
    now_bytes = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now_bytes + more_bytes, resource.RLIM_INFINITY))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))

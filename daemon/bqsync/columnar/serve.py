"""
The process that reads columns: one table, page by page, as it is asked for, until nobody asks any more.

`python -m bqsync.columnar.serve DESCRIPTOR`, a socket to the daemon.
"""

from __future__ import annotations

import resource
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
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
            serve(daemon.recv(), daemon.recv, daemon.send)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return 0


def serve(assignment: Assignment, ask: Callable[[], PageWanted], answer: Callable[[Answer], None]) -> NoReturn:
    """
    Answer what is asked.

    Args:
        assignment: the table.
        ask: the next question.
        answer: sends an answer.

    Raises:
        EOFError: nobody asks any more.
    """
    # Imported here: they take half a second, and whoever only looks at this module needs none of them.
    import pyarrow as pa
    from adbc_driver_manager import Error as DriverError

    from bqsync.columnar.pages import PageEncoder
    from bqsync.columnar.scan import Scan

    # Its own pool gives memory back; Arrow's default keeps it.
    pa.set_memory_pool(pa.system_memory_pool())
    pa.set_cpu_count(1)
    scan, encoder = Scan(assignment), PageEncoder(assignment)
    _bound_memory(assignment.page_bytes * _PAGES_IN_MEMORY)
    unfit = (UnfitError, DriverError, pa.ArrowException, MemoryError)
    answer(Ready())
    while True:
        wanted = ask()
        began_s = time.process_time()
        try:
            found = scan.read(wanted)
        except unfit as exc:
            found, why = None, _why(exc)
        else:
            why = ""
        answer(Closed())
        if found is None:
            answer(Unfit(why) if why else PageRead(None, None))
            continue
        try:
            page = encoder.encode(found.columns, wanted.first_sequence)
        except unfit as exc:
            answer(Unfit(_why(exc)))
        else:
            answer(PageRead(replace(page, took_s=time.process_time() - began_s), found.place))


def _why(error: BaseException) -> str:
    """Of the libraries' errors the kind alone: their texts may quote a cell."""
    return str(error) if isinstance(error, UnfitError) else type(error).__name__


def _bound_memory(more_bytes: int) -> None:
    """Rows may be a thousand times as large as those before them: then reading them fails, and they are read singly."""
    now_bytes = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now_bytes + more_bytes, resource.RLIM_INFINITY))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))

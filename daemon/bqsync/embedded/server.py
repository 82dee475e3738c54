"""
The child process: `python -m bqsync.embedded.server --data-dir D --project P`.

It ends when its standard input reaches end-of-file (the parent is gone, however it went) or on SIGTERM, and shuts the
emulator down first, so that everything is in the DuckDB file. Its own output is `D/bigquery.log`, given by the parent.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import gc
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

from bqsync.embedded import endpoint

if TYPE_CHECKING:
    from types import FrameType

_LOCK_RETRY_S = 0.1
_SHUTDOWN_S = 8.0
"""How long the emulator may take to close; a request that hangs must not keep an orphan alive."""

_APPEND_STREAMS = 256
"""
How many append streams may be open at once. Each holds a thread of the emulator's for as long as it is open, and
asyncio has six threads on two processors: a seventh stream would wait, without an answer, until another one ends.
"""


def main() -> int:
    """Serve the folder until the parent is gone; the exit code is 0 unless the emulator failed."""
    options = _options()
    # As in the commands: a statement is a tree of hundreds of objects, and most of the heap are modules that stay.
    gc.set_threshold(20_000, 20, 100)
    # DuckDB's files hold the rows: they are private, whatever the umask and the mode of a folder that was there before.
    os.umask(0o077)
    ending = Event()
    _heed_signals(ending)
    Thread(target=_watch_parent, args=(ending,), name="watch-parent", daemon=True).start()
    lock = _lock(options.data_dir, ending)
    if lock is None:
        return 0
    failures: list[BaseException] = []
    # Not in the main thread: there uvicorn would replace the signal handlers by its own, and stop on Ctrl-C.
    serving = Thread(target=_serve, args=(options, ending, failures), name="serve", daemon=True)
    serving.start()
    ending.wait()
    serving.join(_SHUTDOWN_S)
    if serving.is_alive():
        endpoint.withdraw(options.data_dir)
        os._exit(1)  # DuckDB replays its write-ahead log at the next start
    return 1 if failures else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bqsync.embedded.server")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--project", required=True)
    return parser.parse_args()


def _heed_signals(ending: Event) -> None:
    def end(_number: int, _frame: FrameType | None) -> None:
        ending.set()

    signal.signal(signal.SIGTERM, end)
    # Ctrl-C and a closing terminal reach every process of the group: the parent decides what they mean.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _watch_parent(ending: Event) -> None:
    with suppress(OSError):
        while os.read(sys.stdin.fileno(), 4096):
            pass
    ending.set()


def _lock(folder: Path, ending: Event) -> int | None:
    """Take the folder's lock, waiting for its holder to end; None if our own end comes first."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    while not ending.is_set():
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            ending.wait(_LOCK_RETRY_S)
        else:
            return descriptor
    os.close(descriptor)
    return None


def _serve(options: argparse.Namespace, ending: Event, failures: list[BaseException]) -> None:
    try:
        _use_home_or(options.data_dir)
        _install_spatial()
        asyncio.run(_run_emulator(options.data_dir, options.project, ending))
    except BaseException as error:
        failures.append(error)
        raise
    finally:
        ending.set()


def _use_home_or(folder: Path) -> None:
    """DuckDB keeps its extensions under the home folder; a service account often has none that it may write to."""
    home = os.environ.get("HOME", "")
    if not home or not os.access(home, os.W_OK | os.X_OK):
        os.environ["HOME"] = str(folder)


def _install_spatial() -> None:
    """
    Put the packaged `spatial` extension where the emulator's INSTALL finds it, so that nothing is downloaded.

    Takes about a second the first time and milliseconds from then on.
    """
    import duckdb_extensions

    duckdb_extensions.import_extension("spatial")


async def _run_emulator(folder: Path, project: str, ending: Event) -> None:
    from bqemulator.config import LogFormat, LogLevel, PersistenceMode, Settings
    from bqemulator.observability.logging_ import configure_logging

    configure_logging(level=LogLevel.WARNING, fmt=LogFormat.JSON)  # before the import of the server, which logs
    from bqemulator.server import EmulatorServer

    from bqsync.embedded.alterations import alter_as_bigquery_does, keep_bounds_of_types
    from bqsync.embedded.constraints import keep_primary_keys
    from bqsync.embedded.repairs import (
        give_each_thread_its_cursor,
        keep_no_history,
        look_for_no_pandas,
        parse_each_statement_once,
    )

    give_each_thread_its_cursor()
    keep_no_history()
    look_for_no_pandas()
    parse_each_statement_once()
    alter_as_bigquery_does()
    keep_bounds_of_types()
    keep_primary_keys()

    server = EmulatorServer(Settings(
        rest_host="127.0.0.1", rest_port=0, grpc_host="127.0.0.1", grpc_port=0, admin_enabled=False,
        persistence_mode=PersistenceMode.PERSISTENT, data_dir=folder, default_project_id=project,
        enable_format_extensions=False, log_level=LogLevel.WARNING, tracing_enabled=False,
    ))
    answering = ThreadPoolExecutor(_APPEND_STREAMS, thread_name_prefix="answer")
    asyncio.get_running_loop().set_default_executor(answering)
    try:
        await server.start()
        pid = os.getpid()
        endpoint.publish(folder, endpoint.Endpoint(
            pid=pid, started_ticks=endpoint.started_ticks(pid) or 0, rest_endpoint=server.rest_url,
            grpc_endpoint=server.grpc_endpoint, project=project))
        # A thread of its own: the default pool is for answers.
        with ThreadPoolExecutor(max_workers=1) as waiting:
            await asyncio.get_running_loop().run_in_executor(waiting, ending.wait)
    finally:
        endpoint.withdraw(folder)
        await server.stop()


if __name__ == "__main__":
    sys.exit(main())

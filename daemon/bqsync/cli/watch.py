"""`bqsync status --watch`: the same again and again, on a terminal in its place, elsewhere line by line."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import click

from bqsync.cli.options import stop_on_signals
from bqsync.cli.output import show_error
from bqsync.errors import BqsyncError

if TYPE_CHECKING:
    from bqsync.config import Config
    from bqsync.engine.looking import Look


def watch(config: Config, *, interval_s: float, as_json: bool) -> None:
    """Look until a SIGINT or SIGTERM. A daemon may begin, end and begin again meanwhile; so may the state."""
    with stop_on_signals() as stop:
        if sys.stdout.isatty() and not as_json:
            _on_terminal(config, interval_s, stop)
        else:
            _line_by_line(config, interval_s, stop, as_json=as_json)


def _on_terminal(config: Config, interval_s: float, stop: threading.Event) -> None:
    from rich.console import Console
    from rich.live import Live

    from bqsync.cli.watch_view import failed_view, view

    console = Console()
    while not stop.is_set():
        size = console.size
        with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
            # In a terminal of another size, what was drawn no longer stands where it is looked for.
            while not stop.is_set() and console.size == size:
                found = _look(config)
                shown = (failed_view(found) if isinstance(found, BqsyncError)
                         else view(found, width=size.width, height=size.height))
                live.update(shown, refresh=True)
                stop.wait(interval_s)
        if not stop.is_set():
            console.clear()


def _line_by_line(config: Config, interval_s: float, stop: threading.Event, *, as_json: bool) -> None:
    from bqsync.cli.watch_view import lines
    from bqsync.observe.snapshot import encode

    while not stop.is_set():
        found = _look(config)
        if isinstance(found, BqsyncError):
            show_error(found)
        else:
            click.echo(encode(found.snapshot).decode() if as_json else "\n".join(lines(found)), nl=not as_json)
        stop.wait(interval_s)


def _look(config: Config) -> Look | BqsyncError:
    """A state that can't be read may be readable the next time."""
    from bqsync.engine.looking import look

    try:
        return look(config)
    except BqsyncError as failure:
        return failure

"""`bqsync status --watch`: the same again and again, on a terminal in its place, elsewhere line by line."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import click

from bqsync.cli.options import stop_on_signals
from bqsync.cli.output import abandon_output, show_error
from bqsync.errors import BqsyncError

if TYPE_CHECKING:
    from rich.console import Console

    from bqsync.config import Config
    from bqsync.engine.glance import Glance


def watch(config: Config, *, interval_s: float, as_json: bool) -> None:
    """Look until a SIGINT or SIGTERM. A daemon may begin, end and begin again meanwhile; so may the state."""
    with stop_on_signals() as stop:
        console = None if as_json else _console()
        if console is None:
            try:
                _line_by_line(config, interval_s, stop, as_json=as_json)
            except BrokenPipeError:
                abandon_output()  # whoever read this has seen enough
        else:
            _on_terminal(console, config, interval_s, stop)


def _console() -> Console | None:
    """The terminal, if there is one in which something can be drawn anew."""
    if not sys.stdout.isatty():
        return None
    from rich.console import Console

    console = Console()
    return None if console.is_dumb_terminal else console


def _on_terminal(console: Console, config: Config, interval_s: float, stop: threading.Event) -> None:
    from rich.live import Live

    from bqsync.cli.watch_view import failed_view, view

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


def _look(config: Config) -> Glance | BqsyncError:
    """A state that can't be read may be readable the next time."""
    from bqsync.engine.glance import glance

    try:
        return glance(config)
    except BqsyncError as failure:
        return failure

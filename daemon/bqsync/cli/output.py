"""
Results on standard output: a table for people, JSON for programs.

Names, keys and the words of other programs come from elsewhere: nothing in them may steer the terminal or pass for a
line of ours, and a table shows them as they are.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import click

from bqsync.errors import BqsyncError, ConfigurationError, one_line, render_error
from bqsync.observe.render import escape_json

_MARGIN = "\n        "
_LINE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_UNBOUNDED = 100_000
"""Columns, for a measure of what a table would take."""


def say(text: str, *, err: bool = False) -> None:
    """Print a line, or several of ours; whatever else in them is no plain character is escaped."""
    click.echo("\n".join(map(one_line, text.split("\n"))), err=err)


def within(text: str) -> str:
    """A text of somebody else's for a place in a line of ours: its further lines stand behind a margin."""
    return _MARGIN.join(map(one_line, text.splitlines()))


def show_error(error: BqsyncError) -> None:
    """What, why and fix, on standard error."""
    if isinstance(error, ConfigurationError):
        problems = [replace(one, message=within(one.message), fix=within(one.fix)) for one in error.problems]
        say(ConfigurationError(within(error.path), problems, error.kind).render(), err=True)
    else:
        say(told(error.as_dict()), err=True)


def told(error: Mapping[str, str], table: str = "") -> str:
    """What, why and fix of a failure that was noted, as lines; the table that it is of stands behind the code."""
    return render_error({name: within(text) for name, text in error.items()}, within(table))


def abandon_output() -> None:
    """Whoever read our output has gone; what Python still holds of it must not raise at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_json(value: Any, *, indent: bool | None = None) -> None:  # noqa: ANN401 - whatever JSON takes
    """One JSON document; indented on a terminal, unless told otherwise."""
    spread = sys.stdout.isatty() if indent is None else indent
    click.echo(escape_json(json.dumps(value, ensure_ascii=False, indent=2 if spread else None, default=str)))


def record_line(record: object) -> str:
    """One record of JSON lines, with the line's end; nothing is cut."""
    return escape_json(_LINE.encode(record)) + "\n"


def print_table(headings: Sequence[str], rows: Sequence[Sequence[object]], *, title: str | None = None) -> None:
    """
    A table; numbers stand to the right.

    Nothing in it is cut: on a terminal that is too narrow for it, each row becomes a few lines, a cell on each.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for index, heading in enumerate(headings):
        numeric = bool(rows) and all(isinstance(row[index], int | float) for row in rows)
        table.add_column(heading, justify="right" if numeric else "left", no_wrap=True)
    for row in rows:
        # As Text, not as a string: rich would take [brackets] in it for its markup.
        table.add_row(*(Text(_cell(cell)) for cell in row))
    console = Console()
    wide = Console(width=_UNBOUNDED).measure(table).maximum
    if sys.stdout.isatty() and wide > console.width:
        _print_records(headings, rows)
    else:
        Console(width=None if sys.stdout.isatty() else wide).print(table)


def _print_records(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    margin = max(map(len, headings))
    for row in rows:
        say("")
        for heading, cell in zip(headings, row, strict=True):
            if cell != "":
                say(f"{heading:<{margin}}  {within(_cell(cell))}")
    say("")


def _cell(cell: object) -> str:
    return f"{cell:,}" if isinstance(cell, int) else one_line(str(cell))

"""
Results on standard output: a table for people, JSON for programs.

Names, keys and the words of other programs come from elsewhere: nothing in them may steer the terminal or pass for a
line of ours, and a table shows them as they are.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import click

from bqsync.cli.text_table import table_lines, width_of
from bqsync.errors import BqsyncError, ConfigurationError, one_line, render_error
from bqsync.observe.render import escape_json
from bqsync.observe.terminal import is_color_wanted

_MARGIN = "\n        "
_LINE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


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


def print_table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """
    A table; numbers stand to the right.

    Nothing in it is cut: on a terminal that is too narrow for it, each row becomes a few lines, a cell on each.
    """
    right = [bool(rows) and all(isinstance(row[at], int | float) for row in rows) for at in range(len(headings))]
    is_unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    heads, rule, *lines = table_lines(headings, [[_cell(cell) for cell in row] for row in rows], right=right,
                                      rule="─" if is_unicode else "-")
    is_terminal = sys.stdout.isatty()
    if is_terminal and width_of(rule) > shutil.get_terminal_size().columns:
        _print_records(headings, rows)
        return
    if is_terminal and is_color_wanted(os.environ):
        heads = click.style(heads, bold=True)
    click.echo("\n".join(["", heads, rule, *lines, ""]))


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

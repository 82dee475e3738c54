"""The summary of a log: once, or live on a terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bqsync.cli.output import print_table, say, within
from bqsync.errors import one_line
from bqsync.observe.summary import HEADINGS

if TYPE_CHECKING:
    from rich.console import RenderableType

    from bqsync.observe.summary import Summary

_REFRESH_S = 0.5


def print_summary(summary: Summary) -> None:
    """The lines of all tables, by the log's own clock."""
    rows = summary.rows(None)
    if rows:
        print_table(HEADINGS, rows)
    say(within(summary.footing(None)) or "no line of the log tells of bqsync")


def watch_summary(summary: Summary, batches: Iterator[list[bytes]]) -> None:
    """The same while the log grows, with this machine's clock; what was shown last stays on the terminal."""
    from rich.live import Live

    shown_s = 0.0
    with Live(_picture(summary), auto_refresh=False) as live:
        for batch in batches:
            summary.add(batch)
            if time.monotonic() - shown_s >= _REFRESH_S:
                live.update(_picture(summary), refresh=True)
                shown_s = time.monotonic()
        live.update(_picture(summary), refresh=True)


def _picture(summary: Summary) -> RenderableType:
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    now = datetime.now(UTC)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading in ("table", "state") else "right", no_wrap=True)
    for name, *figures, state in summary.rows(now):
        style = "green" if state == "ok" else "yellow" if "quarantine" in str(state) else "red"
        table.add_row(Text(one_line(str(name)), "cyan"),
                      *(Text(f"{figure:,}" if isinstance(figure, int) else str(figure)) for figure in figures),
                      Text(one_line(str(state)), style))
    return Group(table, Text(one_line(summary.footing(now)), "dim"))

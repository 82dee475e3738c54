"""What `bqsync status --watch` shows: a glance as a table that fits its terminal, or as lines. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bqsync.cli.watch_columns import GAP, STYLES, fitting
from bqsync.engine.glance import Glance
from bqsync.errors import BqsyncError, one_line
from bqsync.observe.amounts import count
from bqsync.observe.moments import ago, time_of_day, timestamp
from bqsync.observe.report import StatusReport
from bqsync.observe.standing import daemon_words, error_words, lag_words, rank, report_words, table_words

_HEAD_LINES = 4
_FAILURE_LINES = 4
_LEAST_ROWS = 3


def view(glance: Glance, *, width: int, height: int) -> RenderableType:
    """The glance, no wider and no longer than the terminal. What is wrong comes first, and its errors stand below."""
    report = glance.snapshot.report
    tables = sorted(report.tables, key=rank)
    failures = list(_failures(report))
    room = max(_LEAST_ROWS, height - _HEAD_LINES - min(_FAILURE_LINES * len(failures), height // 2))
    shown = tables if len(tables) <= room else tables[:room - 1]
    grid = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim")
    columns = fitting(glance.snapshot, shown, width)
    for column in columns:
        grid.add_column(column.heading, justify="right" if column.is_number else "left", no_wrap=True,
                        overflow="ellipsis")
    for row in zip(*(column.cells for column in columns), strict=True):
        grid.add_row(*row)
    more = len(tables) - len(shown)
    rest = [Text(f"and {more:,} more, no worse", style="dim")] if more else []
    return Group(*_head(glance), grid, *rest, Text(""), *failures)


def failed_view(failure: BqsyncError) -> RenderableType:
    """Nothing could be read."""
    return _failure(failure.as_dict(), "")


def lines(glance: Glance) -> Iterator[str]:
    """The same without a terminal: a line for the daemon, one for each table, and the errors of all."""
    snapshot = glance.snapshot
    moment = timestamp(snapshot.taken_us)
    yield f"{moment} daemon {_daemon(glance)}"
    for table in snapshot.report.tables:
        _, words = table_words(table)
        yield (f"{moment} {one_line(table.name)}: {words}; lag {lag_words(table)}, {count(table.rows, 'row')}, "
               f"{table.quarantined:,} in quarantine, last success {ago(table.last_success_us, snapshot.taken_us)}")
    for whose, error in _errors(snapshot.report):
        yield f"{moment} {error_words(error, whose)}; fix: {one_line(error['fix'])}"


def _head(glance: Glance) -> Iterator[Text]:
    report = glance.snapshot.report
    kind, words = report_words(report)
    moment = time_of_day(glance.snapshot.taken_us)
    yield _cut(Text.assemble((one_line(report.source), "bold"), "  ", (words, STYLES[kind]), "  ", (moment, "dim")))
    yield _cut(Text(f"daemon {_daemon(glance)}", style="dim"))


def _daemon(glance: Glance) -> str:
    report = glance.snapshot.report
    words = daemon_words(report, glance.snapshot.taken_us)
    if report.daemon is not None:
        told = "" if glance.is_told else "; its control socket does not answer, so nothing is known of the last hour"
        return f"{words}{told}"
    if report.pid is not None:
        return f"{words}:"
    nothing = ", and nothing was synced yet: run bqsync sync, or start it"
    return f"{words}{'; what the state file says:' if report.has_state else nothing}"


def _errors(report: StatusReport) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The table that each is of, and the error; without one where it concerns them all."""
    if report.daemon is not None:
        for failure in report.daemon.failures:
            yield "", failure
    for table in report.tables:
        if table.last_error is not None:
            yield table.name, table.last_error


def _failures(report: StatusReport) -> Iterator[RenderableType]:
    for whose, error in _errors(report):
        yield _failure(error, whose)


def _failure(error: Mapping[str, str], whose: str) -> RenderableType:
    words = Table.grid(padding=(0, GAP))
    for heading in ("why", "fix"):
        words.add_row(f"  {heading}", Text(one_line(error[heading])))
    return Group(Text(error_words(error, whose), style="bold red"), words)


def _cut(line: Text) -> Text:
    line.no_wrap, line.overflow = True, "ellipsis"
    return line

"""`bqsync tail`: the log as people read it, from a file, a pipe or the journal."""

from __future__ import annotations

import os
import signal
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bqsync.cli.output import abandon_output
from bqsync.observe.terminal import is_color_wanted

if TYPE_CHECKING:
    from bqsync.observe.selection import Selection

Batches = Iterator[list[bytes]]
_LAST_LINES = 20
_STDIN = "-"


@click.command()
@click.argument("file", required=False, metavar="[FILE|-]", type=click.Path())
@click.option("--unit", metavar="NAME", help="Without a file: the unit of systemd whose journal it is.  "
                                             "[default: bqsync]")
@click.option("-n", "--lines", "last", type=click.IntRange(min=0), metavar="N",
              help=f"Begin with the last N lines.  [default: {_LAST_LINES}; all with --no-follow or --summary]")
@click.option("--no-follow", is_flag=True, help="End at the end of the log.")
@click.option("--table", "tables", multiple=True, metavar="TABLE",
              help="Lines of this table, or of those that a pattern such as 'job_*' fits; may be given again.")
@click.option("--event", "events", multiple=True, metavar="EVENT",
              help="These events, or those that a pattern such as 'merge.*' fits; may be given again.")
@click.option("--level", type=click.Choice(["debug", "info", "warning", "error"]), help="Of this level at least.")
@click.option("--summary", is_flag=True, help="One line for each table in place of the log: live on a terminal, else "
                                              "once at the end.")
@click.option("--json", "as_json", is_flag=True, help="Pass the chosen lines on as they are.")
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True)
def tail(
    *, file: str | None, unit: str | None, last: int | None, no_follow: bool, tables: tuple[str, ...],
    events: tuple[str, ...], level: str | None, summary: bool, as_json: bool, color: str,
) -> int:
    """
    Show a log of bqsync as people read it, and go on as it grows.

    FILE is followed through its rotations; - is standard input, and the default where that is a pipe; else it is the
    journal of the service.
    """
    if summary and as_json:
        raise click.UsageError("--json passes lines on, --summary replaces them: choose one")
    from bqsync.observe.selection import Selection

    selection = Selection(tables, events, level)
    # Off a terminal there is one summary, so there has to be an end.
    follow = not no_follow and not (summary and not sys.stdout.isatty())
    batches = _source(file, unit, last, follow=follow, is_short=follow and not summary)
    for number in (signal.SIGINT, signal.SIGTERM):  # what is drawn gives the terminal back as it was
        signal.signal(number, signal.default_int_handler)
    try:
        if summary:
            _summarize(batches, selection, is_live=follow)
        else:
            _print(batches, selection, as_json=as_json, color=_is_colored(color))
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        abandon_output()  # whoever read this has seen enough
    return 0


def _source(file: str | None, unit: str | None, last: int | None, *, follow: bool, is_short: bool) -> Batches:
    """`is_short`: without a number of last lines, a few will do."""
    from bqsync.cli.following import follow_file, read_journal, read_stream

    if file is not None and unit is not None:
        raise click.UsageError("--unit is for the journal, which is not read where a file is named")
    if file is None and unit is None and _is_fed():
        file = _STDIN
    if file == _STDIN:
        if last is not None:
            raise click.UsageError("--lines is for a file or the journal (--unit NAME): a pipe is read as it comes")
        return read_stream(sys.stdin.fileno())
    if last is None and is_short:
        last = _LAST_LINES
    if file is not None:
        return follow_file(Path(file), last=last, follow=follow)
    return read_journal(unit or "bqsync", last=last, follow=follow)


def _is_fed() -> bool:
    """Whether somebody sends something to standard input: a pipe, or a file. A service has /dev/null there."""
    with suppress(OSError, ValueError, AttributeError):
        mode = os.fstat(sys.stdin.fileno()).st_mode
        return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)
    return False


def _is_colored(color: str) -> bool:
    return color == "always" or (color == "auto" and sys.stdout.isatty() and is_color_wanted(os.environ))


def _print(batches: Batches, selection: Selection, *, as_json: bool, color: bool) -> None:
    from bqsync.observe.transcript import Transcript, selected

    if as_json:
        escape = sys.stdout.isatty()
        _write("".join(f"{line}\n" for line in selected(batch, selection, escape=escape)) for batch in batches)
    else:
        transcript = Transcript(selection, color=color)
        _write("".join(f"{line}\n" for line in transcript.shown(batch)) for batch in batches)


def _write(texts: Iterable[str]) -> None:
    out = sys.stdout
    encoding = out.encoding or "utf-8"
    for text in texts:
        if text:
            # A terminal without UTF-8 shows the rest escaped.
            out.write(text.encode(encoding, "backslashreplace").decode(encoding))
            out.flush()


def _summarize(batches: Batches, selection: Selection, *, is_live: bool) -> None:
    from bqsync.cli.summary_view import print_summary, watch_summary
    from bqsync.observe.summary import Summary

    summary = Summary(selection)
    if is_live:
        watch_summary(summary, batches)
        return
    for batch in batches:
        summary.add(batch)
    print_summary(summary)

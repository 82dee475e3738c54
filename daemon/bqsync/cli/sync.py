"""`bqsync sync`: one cycle to convergence."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from bqsync.cli.completion import table_names
from bqsync.cli.options import INTERRUPTED, common_options, json_option, stop_on_signals
from bqsync.cli.output import print_json, print_table, say, told
from bqsync.errors import one_line

if TYPE_CHECKING:
    from bqsync.config import Config
    from bqsync.engine.sync import Progress
    from bqsync.model import CycleOutcome


@click.command()
@click.argument("tables", nargs=-1, shell_complete=table_names)
@click.option("--no-sweep", is_flag=True, help="The watermark pass alone: what no timestamp tells has to wait.")
@click.option("--full", is_flag=True, help="Trust nothing: read the target's keys anew and send every row.")
@click.option("--adopt", is_flag=True, help="Take over a target that holds rows and was not made by bqsync.")
@click.option("--confirm-deletes", type=click.IntRange(min=0), default=0, metavar="N",
              help="Let up to N deletes pass that the guard holds back.")
@json_option
@common_options
def sync(
    tables: tuple[str, ...], *, no_sweep: bool, full: bool, adopt: bool, confirm_deletes: int, as_json: bool,
    config: Config,
) -> int:
    """Bring the target tables up to their sources, once. TABLES: all that are configured, if none is named."""
    from bqsync.engine.arrival import sweep_orphans
    from bqsync.engine.chosen_tables import chosen_tables
    from bqsync.engine.cycle_options import CycleOptions
    from bqsync.engine.opening import open_session
    from bqsync.engine.schedule import SweepMode
    from bqsync.engine.sync import exit_code, sync_tables

    chosen_tables(config, tables)
    if full and no_sweep:
        raise click.UsageError("--full compares every row: it can't go without a sweep")
    options = CycleOptions(full=full, adopt=adopt, confirmed_deletes=confirm_deletes,
                           sweep=SweepMode.NEVER if no_sweep else SweepMode.ALWAYS)
    with stop_on_signals() as stop, progress_bars(config) as progress, open_session(config, stop=stop) as session:
        sweep_orphans(session)
        outcomes = sync_tables(session, tables, options, progress)
    show(outcomes, as_json=as_json)
    return INTERRUPTED if stop.is_set() else exit_code(outcomes)


def show(outcomes: Sequence[CycleOutcome], *, as_json: bool) -> None:
    """Print what a cycle did."""
    if as_json:
        print_json({"tables": [asdict(outcome) for outcome in outcomes]})
        return
    print_table(
        ["table", "read", "upserted", "deleted", "unchanged", "quarantine", "bytes sent", "seconds", ""],
        [
            [o.table, o.rows_read, o.rows_upserted, o.rows_deleted, o.rows_unchanged, o.quarantine_total, o.bytes_sent,
             f"{o.duration_s:.2f}", f"failed: {o.error['code']}" if o.error else o.skipped or "ok"]
            for o in outcomes
        ],
    )
    for outcome in outcomes:
        if outcome.error is not None:
            say(told(outcome.error, outcome.table), err=True)


@contextmanager
def progress_bars(config: Config) -> Iterator[Progress | None]:
    """A bar for each table on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from bqsync.observe.log import configure

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        # Standard error is the bars' now: the log writes above them. Who watches the bars and gets the table at the end
        # needs no line for every table, unless a level was asked for.
        level = "warning" if config.origins.get("log.level") == "default" else config.log.level.value
        configure(level, config.log.format.value, stream=sys.stderr, is_terminal=True)
        yield _Bars(bars)
    configure(config.log.level.value, config.log.format.value)


class _Bars:
    """Progress bars, fed from several threads."""

    def __init__(self, bars: object) -> None:
        from rich.progress import Progress, TaskID

        if not isinstance(bars, Progress):
            raise TypeError(type(bars))
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def begin(self, table: str, rows: int) -> None:
        self._tasks[table] = self._bars.add_task(one_line(table), total=rows)

    def advance(self, table: str, rows: int) -> None:
        self._bars.update(self._tasks[table], completed=rows)

    def end(self, table: str) -> None:
        if table in self._tasks:
            self._bars.remove_task(self._tasks.pop(table))

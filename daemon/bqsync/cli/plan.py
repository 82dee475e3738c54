"""`bqsync plan`: what a sync would do, without doing any of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from bqsync.cli.completion import table_names
from bqsync.cli.options import INTERRUPTED, common_options, json_option, stop_on_signals
from bqsync.cli.output import print_json, print_table, say, told, within
from bqsync.cli.sync import progress_bars

if TYPE_CHECKING:
    from bqsync.config import Config
    from bqsync.engine.plan_report import Plan, TablePlan


@click.command()
@click.argument("tables", nargs=-1, shell_complete=table_names)
@click.option("--sql", is_flag=True, help="Also print the MERGE of each table.")
@click.option("--full", is_flag=True, help="As of a sync that trusts nothing and sends every row.")
@click.option("--adopt", is_flag=True, help="As of a sync that takes over a target which was not made by bqsync.")
@click.option("--confirm-deletes", type=click.IntRange(min=0), default=0, metavar="N",
              help="As of a sync that lets up to N deletes pass.")
@json_option
@common_options
def plan(
    tables: tuple[str, ...], *, sql: bool, full: bool, adopt: bool, confirm_deletes: int, as_json: bool, config: Config,
) -> int:
    """
    Show what `bqsync sync` would do now, and do none of it. TABLES: all that are configured, if none is named.

    Neither source nor state nor BigQuery is changed, and a daemon may go on meanwhile. Exit 0: nothing would be done,
    1: something would; a table that would fail, the code of its error.
    """
    from bqsync.engine.cycle_options import CycleOptions
    from bqsync.engine.plan_report import HEARD, make_plan
    from bqsync.observe.log import configure

    options = CycleOptions(full=full, adopt=adopt, confirmed_deletes=confirm_deletes)
    with stop_on_signals() as stop, progress_bars(config) as progress:
        configure(config.log.level.value, config.log.format.value, only=HEARD)
        found = make_plan(config, tables, options, stop=stop, progress=progress)
    if as_json:
        print_json(found.as_dict())
    else:
        _show(found, sql=sql)
    return INTERRUPTED if stop.is_set() else found.exit_code


def _show(found: Plan, *, sql: bool) -> None:
    print_table(
        ["table", "would upsert", "would delete", "would quarantine", "unchanged", "bytes to append", ""],
        [[t.table, t.rows_to_upsert, t.rows_to_delete, t.rows_to_quarantine, t.rows_unchanged, t.bytes_to_append,
          f"would fail: {t.error['code']}" if t.error else "" if t.is_something else "nothing to do"]
         for t in found.tables],
    )
    if found.would_create_dataset:
        say("the dataset does not exist: it would be created")
    for table in found.tables:
        for line in _lines(table):
            say(f"{within(table.table)}: {line}")
        if table.error is not None:
            say(told(table.error, table.table), err=True)
    for table in found.tables:
        if sql and table.merge_sql is not None:
            more = f", one of {table.merges} alike" if table.merges > 1 else ""
            say(f"\n-- {within(table.table)}{more}\n{table.merge_sql};")
    say("nothing was changed: this is a plan")


def _lines(table: TablePlan) -> Iterator[str]:
    if table.unsettled_job is not None:
        yield f"would first see job {within(table.unsettled_job)} to its end; it is {table.unsettled_end}"
    yield from _lines_of_target(table)
    if table.would_read_keys:
        yield "would read the keys of the target, which the ledger does not speak of, and send every row"
    if table.deletes_to_hold:
        yield f"would hold back {table.deletes_to_hold} deletes"
    if table.dry_run_bytes is not None:
        yield f"one MERGE would read {table.dry_run_bytes:,} bytes of the target, by BigQuery's dry run"
    elif table.dry_run_note is not None:
        yield f"no estimate of what the MERGE would read: {within(table.dry_run_note)}"


def _lines_of_target(table: TablePlan) -> Iterator[str]:
    name, added, widened = within(table.target), _listed(table.columns_to_add), _listed(table.columns_to_widen)
    if table.would_create:
        yield f"would create {name} ({added})"
    elif added:
        yield f"would add columns to {name}: {added}"
    if widened:
        yield f"would widen columns of {name}: {widened}"
    if table.columns_to_relax:
        yield f"would let columns of {name} take NULL: {_listed(table.columns_to_relax)}"
    if table.primary_key_to_set is not None:
        key = _listed(table.primary_key_to_set)
        yield f"would make ({key}) the primary key of {name}" if key else f"would take the primary key from {name}"
    if table.would_adopt:
        yield f"would take over {name}, which was not made by bqsync"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(within, names))

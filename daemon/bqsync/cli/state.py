"""`bqsync state`: what the state file knows; having it forget; taking it elsewhere."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bqsync.cli.completion import table_names
from bqsync.cli.options import common_options, json_option
from bqsync.cli.output import print_json, record_line, say, within

if TYPE_CHECKING:
    from bqsync.config import Config
    from bqsync.engine.state_file import StateFileView
    from bqsync.state.survey import TableSurvey

_MEANS = {
    "ledger": "the next cycle reads the target's keys, sends every row once, and deletes what the source lacks",
    "watermarks": "the next cycle finds out what the watermark columns are, and compares the whole table",
    "quarantine": "the next cycle tries {waiting} that could not be delivered, and compares the whole table",
}


@click.group()
def state() -> None:
    """What bqsync knows of the tables: show it, have it forgotten, take it elsewhere."""


@state.command()
@click.argument("tables", nargs=-1, shell_complete=table_names)
@json_option
@common_options
def show(tables: tuple[str, ...], *, as_json: bool, config: Config) -> int:
    """Show all that is known of the tables, those named or all. No cell and no key is printed."""
    from bqsync.cli.state_show import show_file, show_table
    from bqsync.engine.state_file import chosen_of, view_state
    from bqsync.state.clock import now_us

    view = view_state(config)
    found = chosen_of(view.survey, config, tables)
    configured = {table.name for table in config.tables}
    if as_json:
        print_json(_as_dict(view, found, configured))
        return 0
    show_file(view)
    for table in found:
        show_table(table, is_configured=table.name in configured, now_us=now_us())
    return 0


def _as_dict(view: StateFileView, tables: list[TableSurvey], configured: set[str]) -> dict[str, object]:
    return {
        "file": str(view.file), "size_bytes": view.size_bytes, "version": view.survey.version,
        "instance": view.survey.instance, "pid": view.holder, "sources": [asdict(one) for one in view.survey.sources],
        "tables": [{**asdict(table), "is_configured": table.name in configured} for table in tables],
    }


@state.command()
@click.argument("tables", nargs=-1, required=True, shell_complete=table_names)
@click.option("--ledger", is_flag=True, help="What was delivered: the next cycle reads the target's keys.  [default]")
@click.option("--watermarks", is_flag=True, help="What the watermark columns are, and up to where they are dealt with.")
@click.option("--quarantine", is_flag=True, help="Which rows could not be delivered.")
@click.option("--all", "everything", is_flag=True, help="All three.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@common_options
def reset(
    tables: tuple[str, ...], *, ledger: bool, watermarks: bool, quarantine: bool, everything: bool, yes: bool,
    as_json: bool, config: Config,
) -> int:
    """
    Have the state forget what it knows of some tables, so that the next cycle finds it out anew.

    Nothing is changed in the target by this. A MERGE whose end is not known stays noted, and is seen to its end first.
    """
    from bqsync.engine.state_file import chosen_of, reset_tables, resettable, view_state
    from bqsync.state.reset import Part

    wanted = {Part.LEDGER: ledger, Part.WATERMARKS: watermarks, Part.QUARANTINE: quarantine}
    parts = [part for part in Part if everything or wanted[part]] or [Part.LEDGER]
    with resettable(config) as store:
        found = chosen_of(view_state(config).survey, config, tables)
        if not as_json:
            _say_what(found, [part.value for part in parts])
        if not yes and not _is_confirmed():
            say("nothing was changed", err=True)
            return 1
        reset_tables(store, config, [table.name for table in found], frozenset(parts))
    if as_json:
        print_json({"tables": [table.name for table in found], "parts": [part.value for part in parts]})
    else:
        say("done: the next cycle does it, by `bqsync sync` or the daemon")
    return 0


def _say_what(tables: list[TableSurvey], parts: list[str]) -> None:
    for table in tables:
        waiting = sum(table.quarantine.values())
        for part in parts:
            means = _MEANS[part].format(waiting="the row" if waiting == 1 else f"the {waiting:,} rows")
            say(within(f"would forget the {part} of {table.name}: {means}"))
        if table.intent is not None:
            say(within(f"would keep the open MERGE of {table.name}, job {table.intent.job_id}: it is seen to its end"))


def _is_confirmed() -> bool:
    if not sys.stdin.isatty():
        raise click.UsageError("nobody is there to be asked: give --yes, if that is what you want")
    return click.confirm("Go on?", err=True)


@state.command()
@click.argument("tables", nargs=-1, shell_complete=table_names)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE",
              help="Write it there, for nobody else to read.  [default: standard output]")
@click.option("--with-keys", is_flag=True, help="The keys of rows as they are, and not digests of them.")
@click.option("--no-rows", is_flag=True, help="Leave out what there is of each row: ledger and quarantine.")
@common_options
def export(tables: tuple[str, ...], *, out: Path | None, with_keys: bool, no_rows: bool, config: Config) -> int:
    """Write all that is known of the tables, those named or all, as JSON lines, to be compared or handed on."""
    from bqsync.cli.private_file import private_file
    from bqsync.engine.state_export import export as records

    lines = map(record_line, records(config, tables, with_keys=with_keys, with_rows=not no_rows))
    if out is None:
        sys.stdout.writelines(lines)
        sys.stdout.flush()
        return 0
    with private_file(out) as file:
        file.writelines(lines)
    return 0

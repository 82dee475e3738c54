"""`bqsync verify`: source and target compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bqsync.cli.completion import table_names
from bqsync.cli.options import INTERRUPTED, common_options, json_option, stop_on_signals
from bqsync.cli.output import print_json, print_table, say, show_error, within
from bqsync.errors import ExitCode

if TYPE_CHECKING:
    from bqsync.config import Config
    from bqsync.engine.differences import VerifyOutcome


@click.command()
@click.argument("tables", nargs=-1, shell_complete=table_names)
@click.option("--repair", is_flag=True, help="Send again what is missing or different, delete what is extra.")
@json_option
@common_options
def verify(tables: tuple[str, ...], *, repair: bool, as_json: bool, config: Config) -> int:
    """
    Compare every cell of the target tables with their sources. Exit 0: all equal, 1: different.

    Works beside a running daemon, which then makes the repair.
    """
    from bqsync.engine.aside import StoppedError
    from bqsync.engine.beside import open_alone_or_beside
    from bqsync.engine.chosen_tables import chosen_tables
    from bqsync.engine.verification import verify_all

    names = chosen_tables(config, tables)
    sections = [section for section in config.tables if section.name in names]
    with stop_on_signals() as stop, open_alone_or_beside(config, stop) as (session, beside):
        try:
            done = verify_all(session, sections, beside=beside, repair=repair)
        except StoppedError:
            return INTERRUPTED
    if as_json:
        print_json({"equal": not done.rows_different and not done.failures, "rows_different": done.rows_different,
                    "tables": [outcome.as_dict() for outcome in done.outcomes],
                    "errors": [{"table": name, **error.as_dict()} for name, error in done.failures.items()]})
    else:
        _show(done.outcomes)
        for error in done.failures.values():
            show_error(error)
    codes = [error.rule.exit_code for error in done.failures.values()]
    return ExitCode.FAILED if done.rows_different else next(iter(codes), ExitCode.OK)


def _show(outcomes: list[VerifyOutcome]) -> None:
    print_table(
        ["table", "source rows", "target rows", "quarantine", "pending", "different", "seconds", ""],
        [[o.table, o.rows_source, o.rows_target, o.rows_quarantined, o.rows_pending, o.rows_different,
          f"{o.duration_s:.2f}", _word(o)] for o in outcomes],
    )
    for outcome in outcomes:
        for difference in outcome.differences:
            columns = f": {', '.join(difference.columns)}" if difference.columns else ""
            say(within(f"{outcome.table} {difference.kind.value} ({', '.join(difference.key)}){columns}"))
        rows = outcome.rows_different or outcome.rows_repaired
        if len(outcome.differences) < rows:
            say(f"{outcome.table} … and {rows - len(outcome.differences)} more")


def _word(outcome: VerifyOutcome) -> str:
    if outcome.rows_different:
        return "DIFFERENT"
    return f"equal, {outcome.rows_repaired} repaired" if outcome.rows_repaired else "equal"

"""`bqsync verify`: source and target compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bqsync.cli.options import common_options, json_option, stop_on_signals
from bqsync.cli.output import print_json, print_table, say, show_error, within
from bqsync.errors import ExitCode

if TYPE_CHECKING:
    from bqsync.config import Config
    from bqsync.engine.verify import VerifyOutcome


@click.command()
@click.argument("tables", nargs=-1)
@json_option
@common_options
def verify(tables: tuple[str, ...], *, as_json: bool, config: Config) -> int:
    """Compare every cell of the target tables with their sources. Exit 0: all equal, 1: different."""
    from bqsync.engine.opening import open_session
    from bqsync.engine.session import chosen_tables
    from bqsync.engine.verify import verify_tables

    names = chosen_tables(config, tables)
    with stop_on_signals() as stop, open_session(config, stop=stop) as session:
        sections = [section for section in config.tables if section.name in names]
        outcomes, failures = verify_tables(session, sections)
    different = sum(outcome.rows_different for outcome in outcomes)
    if as_json:
        print_json({"equal": not different and not failures, "rows_different": different,
                    "tables": [outcome.as_dict() for outcome in outcomes],
                    "errors": [{"table": name, **error.as_dict()} for name, error in failures.items()]})
    else:
        _show(outcomes)
        for error in failures.values():
            show_error(error)
    codes = [error.rule.exit_code for error in failures.values()]
    return ExitCode.FAILED if different else next(iter(codes), ExitCode.OK)


def _show(outcomes: list[VerifyOutcome]) -> None:
    print_table(
        ["table", "source rows", "target rows", "quarantine", "different", "seconds", ""],
        [[o.table, o.rows_source, o.rows_target, o.rows_quarantined, o.rows_different, f"{o.duration_s:.2f}",
          "DIFFERENT" if o.rows_different else "equal"] for o in outcomes],
    )
    for outcome in outcomes:
        for difference in outcome.differences:
            columns = f": {', '.join(difference.columns)}" if difference.columns else ""
            say(within(f"{outcome.table} {difference.kind.value} ({', '.join(difference.key)}){columns}"))
        if len(outcome.differences) < outcome.rows_different:
            say(f"{outcome.table} … and {outcome.rows_different - len(outcome.differences)} more")

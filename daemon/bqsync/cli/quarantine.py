"""`bqsync quarantine`: the rows that could not be delivered, why, and what to do about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bqsync.cli.completion import table_names
from bqsync.cli.options import common_options, json_option
from bqsync.cli.output import print_json, print_table, say, within
from bqsync.model import Reason
from bqsync.observe.amounts import count
from bqsync.observe.moments import moment

if TYPE_CHECKING:
    from bqsync.config import Config
    from bqsync.engine.quarantine import QuarantineList


@click.command()
@click.argument("tables", nargs=-1, shell_complete=table_names)
@click.option("--reason", type=click.Choice([reason.value for reason in Reason]), metavar="REASON",
              help="Rows that wait for this reason alone, such as wrong_type.")
@click.option("--retry", is_flag=True, help="Have these rows tried again, by the next sync or the running daemon.")
@click.option("--limit", type=click.IntRange(min=0), default=100, show_default=True,
              help="Rows to list of each table; 0 for the counts alone.")
@json_option
@common_options
def quarantine(
    tables: tuple[str, ...], *, reason: str | None, retry: bool, limit: int, as_json: bool, config: Config
) -> int:
    """List the rows in quarantine with column, reason and remedy. The other rows of their tables are delivered."""
    from bqsync.engine.chosen_tables import chosen_tables
    from bqsync.engine.quarantine import list_quarantine, never_swept
    from bqsync.engine.quarantine import retry as have_tried_again

    names = chosen_tables(config, tables)
    wanted = None if reason is None else Reason(reason)
    retried = have_tried_again(config, names, wanted) if retry else 0
    found = list_quarantine(config, names, limit, wanted)
    if as_json:
        print_json({"rows_total": found.total, "by_reason": found.by_reason, "by_table": found.counts,
                    "retried": retried, "rows": [row.as_dict() for row in found.rows]})
        return 0
    _show(found)
    if retried:
        say(f"{count(retried, 'row')} will be tried again, by the next `bqsync sync` or by the daemon that is running")
        for name in never_swept(config, [table for table in names if found.counts.get(table)]):
            say(within(f'{name} has sweep = "off": of its rows, those within the overlap are tried; older ones when '
                       "they change"))
    return 0


def _show(found: QuarantineList) -> None:
    if not found.total:
        say("no row is in quarantine")
        return
    if found.rows:
        print_table(
            ["table", "key", "column", "reason", "since", "in BigQuery", ""],
            [[row.table, ", ".join(row.key), row.column, row.reason.value, moment(row.since_us),
              "an earlier version" if row.delivered else "no", "to be tried again" if row.awaits_retry else ""]
             for row in found.rows],
        )
    if len(found.rows) < found.total:
        say(f"{count(found.total - len(found.rows), 'row')} more: --limit, or --json")
    for reason, rows in sorted(found.by_reason.items()):
        _explain(reason, rows)


def _explain(reason: Reason, rows: int) -> None:
    from bqsync.encode.rejection import EXPLANATIONS

    why, fix = EXPLANATIONS[reason]
    say(f"{reason.value}: {count(rows, 'row')}\n  why   {why}\n  fix   {fix}")

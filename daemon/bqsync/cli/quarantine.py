"""`bqsync quarantine`: the rows that could not be delivered, why, and what to do about them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from bqsync.cli.options import common_options, json_option
from bqsync.cli.output import print_json, print_table, say

if TYPE_CHECKING:
    from bqsync.config import Config
    from bqsync.engine.quarantine import QuarantinedRow


@click.command()
@click.argument("tables", nargs=-1)
@click.option("--retry", is_flag=True, help="Forget the verdicts: the next sync tries these rows as if they were new.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="Rows to list of each table.")
@json_option
@common_options
def quarantine(tables: tuple[str, ...], *, retry: bool, limit: int, as_json: bool, config: Config) -> int:
    """List the rows in quarantine with column, reason and remedy. The other rows of their tables are delivered."""
    from bqsync.engine.quarantine import forget, list_quarantine
    from bqsync.engine.session import chosen_tables

    names = chosen_tables(config, tables)
    rows, total = list_quarantine(config, names, limit)
    forgotten = forget(config, names) if retry else 0
    if as_json:
        print_json({"rows_total": total, "forgotten": forgotten, "rows": [row.as_dict() for row in rows]})
        return 0
    _show(rows, total)
    if retry:
        say(f"{forgotten} verdicts were forgotten: the next sync tries these rows again")
    return 0


def _show(rows: list[QuarantinedRow], total: int) -> None:
    if not rows:
        say("no row is in quarantine")
        return
    print_table(
        ["table", "key", "column", "reason", "since", "in BigQuery"],
        [[row.table, ", ".join(row.key), row.column, row.reason.value, _moment(row.since_us),
          "an earlier version" if row.delivered else "no"] for row in rows],
    )
    if len(rows) < total:
        say(f"… and {total - len(rows)} more: --limit, or --json")
    for reason in sorted({row.reason for row in rows}):
        row = next(row for row in rows if row.reason is reason)
        say(f"{reason.value}\n  why   {row.why}\n  fix   {row.fix}")


def _moment(moment_us: int) -> str:
    return datetime.fromtimestamp(moment_us // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")

"""`bqsync status`: what the state file knows, without touching source or BigQuery."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from bqsync.cli.options import common_options, json_option
from bqsync.cli.output import print_json, print_table, say, within
from bqsync.errors import ErrorKind, ExitCode

if TYPE_CHECKING:
    from bqsync.config import Config
    from bqsync.state.health import TableHealth


@click.command()
@json_option
@common_options
def status(*, as_json: bool, config: Config) -> int:
    """Show the health of every table: rows delivered, quarantine, last success, last error. Exit 1: one has failed."""
    from bqsync.state.health import table_health
    from bqsync.state.store import Store

    store = Store(config.state.file, read_only=True)
    try:
        tables = table_health(store, config.source.name, [table.name for table in config.tables])
    finally:
        store.close()
    if as_json:
        print_json({"source": config.source.name, "db": str(config.source.db),
                    "daily_bytes_billed_limit": config.sync.daily_bytes_billed_limit,
                    "tables": [asdict(table) for table in tables]})
    else:
        _show(tables)
    return ExitCode.FAILED if any(table.last_error for table in tables) else ExitCode.OK


def _show(tables: list[TableHealth]) -> None:
    print_table(
        ["table", "target", "rows", "quarantine", "last success", "last sweep", "billed today", ""],
        [[table.name, table.target or "-", table.rows, table.quarantined, _ago(table.last_success_us),
          _ago(table.last_sweep_us), _megabytes(table.bytes_billed_today), _word(table)] for table in tables],
    )
    for table in tables:
        if table.last_error:
            error = table.last_error
            say(f"error[{error['code']}] {within(table.name)}: {within(error['what'])}\n  fix   {within(error['fix'])}")


def _word(table: TableHealth) -> str:
    if table.last_error:
        word = "waits" if table.last_error["kind"] == ErrorKind.DAILY_LIMIT_REACHED else "failed"
        return f"{word}: {table.last_error['code']}"
    if table.last_attempt_us is None:
        return "not synced yet"
    if table.reconcile_pending:
        return "to be reconciled"
    return f"sweep due: {table.sweep_due}" if table.sweep_due else "ok"


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:,.0f} MiB"


def _ago(moment_us: int | None) -> str:
    if moment_us is None:
        return "never"
    seconds = max(0, int(time.time() - moment_us / 1_000_000))
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit} ago"
    return f"{seconds} s ago"

"""`bqsync demo`: the nine tables of a job tracker kept in a BigQuery on this machine, while it writes."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bqsync.cli.options import json_option, log_options
from bqsync.cli.output import print_json, print_table, say
from bqsync.errors import ExitCode

if TYPE_CHECKING:
    from bqsync.demo.run import DemoOutcome


@click.command()
@click.option("--seconds", type=click.FloatRange(min=0), default=30.0, show_default=True,
              help="How long the application writes.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), default=40.0, show_default=True,
              help="Its statements per second.")
@click.option("--jobs", type=click.IntRange(min=1), default=150, show_default=True,
              help="Jobs in the tracker at the start; about eleven rows each.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of all that is random in it.")
@click.option("--dir", "folder", type=click.Path(path_type=Path), metavar="DIR",
              help="Live here and stay, to be looked at afterwards.  [default: a temporary folder]")
@log_options
@json_option
def demo(
    *, seconds: float, rate: float, jobs: int, seed: int, folder: Path | None, log_level: str | None,
    log_format: str | None, as_json: bool,
) -> int:
    """Run everything on this machine: an application writes to SQLite, the daemon follows, the outcome is verified."""
    from bqsync.demo.run import run_demo
    from bqsync.demo.workspace import prepare
    from bqsync.observe.log import configure

    with ExitStack() as stack:
        home = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bqsync-demo-")))
        config = prepare(home, jobs=jobs, overrides={"log.level": log_level, "log.format": log_format})
        configure(config.log.level.value, config.log.format.value)
        outcome = run_demo(config, seconds=seconds, rate=rate, seed=seed)
    _show(outcome, as_json=as_json)
    if folder is not None and not as_json:
        say(f"It stays in {folder}: try `cd {folder} && bqsync verify`")
    return ExitCode.FAILED if outcome.rows_different else ExitCode.OK


def _show(outcome: DemoOutcome, *, as_json: bool) -> None:
    if as_json:
        print_json({"cycles": outcome.cycles, "writes": outcome.writes, "rows_different": outcome.rows_different,
                    "tables": [comparison.as_dict() for comparison in outcome.comparisons]})
        return
    rows = []
    for compared in outcome.comparisons:
        writes, (upserted, deleted) = outcome.writes[compared.table], outcome.sent[compared.table]
        rows.append([compared.table, *(writes.get(kind, 0) for kind in ("inserts", "updates", "deletes")), upserted,
                     deleted, compared.rows_source, compared.rows_target, compared.rows_different,
                     "DIFFERENT" if compared.rows_different else "equal"])
    print_table(["table", "inserts", "updates", "deletes", "upserts sent", "deletes sent", "source rows",
                 "target rows", "different", ""], rows)
    verdict = "every cell is equal" if not outcome.rows_different else f"{outcome.rows_different} rows differ"
    click.echo(f"{outcome.cycles} cycles after the first copy; {verdict}")

"""`bqsync status`: how everything stands, without touching source or BigQuery."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from bqsync.cli.options import common_options, json_option
from bqsync.cli.output import print_json, print_table, say, told, within
from bqsync.errors import ExitCode
from bqsync.observe.amounts import count, size
from bqsync.observe.moments import ago, ahead

if TYPE_CHECKING:
    from bqsync.config import Config
    from bqsync.observe.report import DaemonStatus, LiveTableStatus, StatusReport, TableStatus


@click.command()
@click.option("--watch", "is_watching", is_flag=True, help="Show it again and again, with the last hour, until Ctrl-C.")
@click.option("--interval", "interval_s", type=click.FloatRange(0.2, 3_600), default=2.0, show_default=True,
              metavar="SECONDS", help="Between two looks of --watch.")
@json_option
@common_options
def status(*, is_watching: bool, interval_s: float, as_json: bool, config: Config) -> int:
    """Show the daemon and the health of every table. Exit 1: a table has failed, or nothing can be delivered."""
    from bqsync.engine.status import read_status
    from bqsync.state.clock import now_us

    if is_watching:
        from bqsync.cli.watch import watch

        watch(config, interval_s=interval_s, as_json=as_json)
        return ExitCode.OK
    report = read_status(config)
    if as_json:
        print_json(report.as_document())
    else:
        _show(report, now_us())
    return ExitCode.FAILED if report.is_failing else ExitCode.OK


def _show(report: StatusReport, now_us: int) -> None:
    from bqsync.observe.standing import daemon_words, lag_words, table_words

    say(f"daemon  {daemon_words(report, now_us)}")
    if report.daemon is not None:
        _show_failures(report.daemon, now_us)
    print_table(
        ["table", "rows", "quarantine", "last success", "lag", "next sweep", "billed today", ""],
        [[table.name, table.rows, table.quarantined, ago(table.last_success_us, now_us), lag_words(table),
          _sweep(table, now_us), size(table.bytes_billed_today), table_words(table)[1]]
         for table in report.tables],
    )
    if not report.has_state:
        say(within(f"there is no state in {report.state_file} yet: run `bqsync sync`, or start the daemon"))
    for table in report.tables:
        for line in _remarks(table, now_us):
            say(line)


def _show_failures(daemon: DaemonStatus, now_us: int) -> None:
    for failure in daemon.failures:
        say(told(failure))
    if daemon.outage_until_us is not None:
        say(f"  tried again {ahead(daemon.outage_until_us, now_us)}")


def _sweep(table: TableStatus, now_us: int) -> str:
    return "off" if table.next_sweep_us is None else ahead(table.next_sweep_us, now_us)


def _remarks(table: TableStatus, now_us: int) -> Iterator[str]:
    name = within(table.name)
    if table.last_error is not None:
        yield told(table.last_error, table.name)
    if table.confirm_deletes is not None and table.last_error is None:
        yield f"{name}: {count(table.deletes_held, 'delete')} wait for what the other tables have lost"
    if table.sweep_due is not None:
        yield f"{name}: a sweep is due, {within(table.sweep_due)}"
    if table.quarantined:
        yield f"{name}: {count(table.quarantined, 'row')} in quarantine, see bqsync quarantine {name}"
    if table.live is not None:
        yield from _live_remarks(name, table.merge_interval_s, table.live, now_us)


def _live_remarks(name: str, configured_s: float, live: LiveTableStatus, now_us: int) -> Iterator[str]:
    if live.paused_until_us is not None:
        again = ahead(live.paused_until_us, now_us)
        yield f"{name} has failed {count(live.failures, 'time')} in a row; tried again {again}"
    if live.merge_interval_s > configured_s:
        yield (f"{name}: BigQuery asks for fewer calls; cycles are {live.merge_interval_s:g} s apart, configured are "
               f"{configured_s:g} s")

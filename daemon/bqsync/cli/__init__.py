"""The commands, one file each. What is heavy is imported when a command runs, so that `--help` answers at once."""

from __future__ import annotations

import gc
import sys
from typing import NoReturn

import click

from bqsync.cli.check import check
from bqsync.cli.completion import completion
from bqsync.cli.demo import demo
from bqsync.cli.ending import QuickEnd
from bqsync.cli.explain import explain
from bqsync.cli.init import init
from bqsync.cli.options import INTERRUPTED
from bqsync.cli.output import abandon_output, print_json, show_error
from bqsync.cli.plan import plan
from bqsync.cli.protos import protos
from bqsync.cli.quarantine import quarantine
from bqsync.cli.run import run
from bqsync.cli.service import service
from bqsync.cli.state import state
from bqsync.cli.status import status
from bqsync.cli.sync import sync
from bqsync.cli.tail import tail
from bqsync.cli.verify import verify
from bqsync.errors import BqsyncError, ExitCode, internal_error

_TOLD_LIBRARIES = ("google-cloud-bigquery", "google-cloud-bigquery-storage", "grpcio", "protobuf", "sqlalchemy",
                   "watchdog")
"""What a report of a fault depends on."""
_GARBAGE_THRESHOLDS = (20_000, 20, 100)
"""
Rows are hundreds of thousands of tuples that make no circles: at Python's own 700, looking for circles among them takes
a quarter of a copy's time. Source: https://docs.python.org/3/library/gc.html#gc.set_threshold
"""


def _print_version(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        import sqlite3
        from importlib.metadata import version

        libraries = ", ".join(f"{name} {version(name)}" for name in _TOLD_LIBRARIES)
        click.echo(f"bqsync {version('bqsync')} (SQLite {sqlite3.sqlite_version}, Python {sys.version.split()[0]}, "
                   f"{libraries})")
        context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--version", is_flag=True, callback=_print_version, expose_value=False, is_eager=True,
              help="Show the versions of bqsync and its libraries.")
def commands() -> None:
    """Keep BigQuery tables equal to a SQLite file, sending only the rows that changed."""


for _command in (init, run, sync, plan, check, verify, explain, status, tail, quarantine, state, protos, service,
                 completion, demo):
    commands.add_command(_command)


def main() -> NoReturn:
    """Run a command. Every failure ends with what, why and fix on standard error, and a stable exit code."""
    end = QuickEnd()
    gc.set_threshold(*_GARBAGE_THRESHOLDS)
    end.code = _exit_code()
    sys.exit(end.code)


def _exit_code() -> int:
    try:
        code = commands.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        abandon_output()
        return ExitCode.FAILED
    except BqsyncError as error:
        _show(error)
        return error.rule.exit_code
    except Exception as error:  # an operator never sees a bare traceback
        _show(internal_error(error))
        if "debug" in sys.argv:
            raise
        return ExitCode.FAILED
    return code if isinstance(code, int) else ExitCode.OK


def _show(error: BqsyncError) -> None:
    if "--json" in sys.argv:
        print_json({"error": error.as_dict()}, indent=False)
    else:
        show_error(error)

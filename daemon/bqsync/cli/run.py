"""`bqsync run`: the daemon."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bqsync.cli.options import config_option, log_options
from bqsync.errors import ExitCode

if TYPE_CHECKING:
    from bqsync.config import Config


@click.command()
@config_option
@log_options
def run(*, config_file: Path | None, log_level: str | None, log_format: str | None) -> int:
    """
    Watch the database and keep the targets equal to it, until a SIGTERM or SIGINT. SIGHUP reads the configuration anew.

    The log goes to standard output.
    """
    from bqsync.config import load
    from bqsync.engine.daemon import Daemon
    from bqsync.observe.log import configure

    path = config_file

    def read() -> Config:
        return load(path, environ=os.environ, overrides={"log.level": log_level, "log.format": log_format})

    def set_log(config: Config) -> None:
        configure(config.log.level.value, config.log.format.value, stream=sys.stdout)

    config = read()
    set_log(config)
    # A reload reads the same file, wherever it was found.
    path = config.path
    daemon = Daemon(config, read, os.environ, set_log)
    if daemon.run():
        # Threads that hang in a call must not keep the process: what they were doing is done again by the next start.
        sys.stdout.flush()
        os._exit(ExitCode.OK)
    return ExitCode.OK

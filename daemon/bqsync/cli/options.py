"""What every command takes: the configuration file, and how much is logged in which form."""

from __future__ import annotations

import functools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

if TYPE_CHECKING:
    from bqsync.config import Config

Function = TypeVar("Function", bound=Callable[..., Any])

INTERRUPTED = 130
"""The exit code after a SIGINT: 128 and its number, as of a shell."""


def common_options(function: Function) -> Function:
    """Give a command `--config`, `--log-level` and `--log-format`; it receives the loaded configuration as `config`."""

    @config_option
    @log_options
    @functools.wraps(function)
    def command(*arguments: Any, config_file: Path | None, log_level: str | None, log_format: str | None,
                **options: Any) -> Any:
        config = load_config(config_file, {"log.level": log_level, "log.format": log_format})
        return function(*arguments, config=config, **options)

    return cast("Function", command)


def config_option(function: Function) -> Function:
    """Give a command `--config`, as `config_file`."""
    return click.option("-c", "--config", "config_file", type=click.Path(path_type=Path), metavar="FILE",
                        help="Configuration.  [default: ./config.toml, then /etc/bqsync/config.toml]")(function)


def log_options(function: Function) -> Function:
    """Give a command `--log-level` and `--log-format`."""
    level = click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]))
    return level(click.option("--log-format", type=click.Choice(["auto", "json", "text"]))(function))


def json_option(function: Function) -> Function:
    """Give a command `--json`, as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(function)


def load_config(path: Path | None, overrides: dict[str, object]) -> Config:
    """Load the configuration and set the log up as it says."""
    from bqsync.config import load
    from bqsync.observe.log import configure

    config = load(path, environ=os.environ, overrides=overrides)
    configure(config.log.level.value, config.log.format.value)
    return config


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set, so that the batch in hand is finished or abandoned in order."""
    stop = threading.Event()

    def ask(_number: int, _frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

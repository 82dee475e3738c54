"""A command in this process, as its user gets it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from bqsync.cli import commands
from bqsync.errors import BqsyncError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has ended without an error."""

    code: int
    output: str


def bqsync(folder: Path, *arguments: str) -> Ended:
    """Run a command with the configuration of a folder; what it raises is raised."""
    result = CliRunner().invoke(commands, [*arguments, "-c", str(folder / "config.toml")], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return Ended(int(result.return_value or 0), result.stdout)


def document(folder: Path, *arguments: str) -> Any:
    """The same with --json: what it prints."""
    return json.loads(bqsync(folder, *arguments, "--json").output)


def failure(folder: Path, *arguments: str) -> BqsyncError:
    """The error that a command ends with."""
    try:
        ended = bqsync(folder, *arguments)
    except BqsyncError as error:
        return error
    raise AssertionError(ended)

"""`bqsync` as an operator runs it, and what every one of its runs has to keep to, whatever goes wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.workbench import Workbench

SENTINEL = "CELLSENTINEL"
"""Stands in cells of every table of these tests, and may be printed nowhere."""
_ERROR = re.compile(r"error\[(E\d{3})\]")
_OVERRIDES = "-dac_override,-dac_read_search"


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    code: int
    output: str
    errors: str

    @property
    def codes(self) -> set[str]:
        """The codes of the errors that are shown."""
        return set(_ERROR.findall(self.errors))

    def told(self, exit_code: int, code: str, *words: str) -> None:
        """It failed with that exit code and that error alone, which names all of the words and a next step."""
        assert (self.code, self.codes) == (exit_code, {code}), self.output + self.errors
        shown = self.errors[self.errors.index("error["):]
        assert re.search(r"^ +fix +\S", shown, re.MULTILINE), shown
        assert [word for word in words if word not in shown] == [], shown

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log lines of one event."""
        lines = [json.loads(line) for line in self.errors.splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == name]


def start(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None, prefix: Sequence[str] = (),
) -> subprocess.Popen[str]:
    """
    Start a command in a folder.

    Args:
        folder: the working folder; it holds `config.toml`.
        arguments: after `bqsync`.
        environment: set in addition to ours.
        prefix: a command that runs it.
    """
    command = [*prefix, sys.executable, "-P", "-m", "bqsync", *arguments]
    return subprocess.Popen(command, cwd=folder, env={**os.environ, **(environment or {})},
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> Done:
    """Wait for its end. No command ever shows a traceback, a fault of its own, or a cell."""
    output, errors = process.communicate(timeout=120)
    done = Done(process.returncode, output, errors)
    for word in ("Traceback", "E901", SENTINEL):
        assert word not in output + errors, output + errors
    return done


def run(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None, prefix: Sequence[str] = (),
) -> Done:
    """The same as `start`, to its end."""
    with start(folder, *arguments, environment=environment, prefix=prefix) as process:
        return finish(process)


def synced(bench: Workbench, *tables: str) -> None:
    """Equal, before or after what a test is about: that needs no process of its own."""
    assert [outcome.error for outcome in bench.sync(*tables).values() if outcome.error] == []


def as_ordinary_user() -> list[str]:
    """A prefix for `run`: root without the right to ignore modes. Nothing, for anybody else."""
    if os.geteuid():
        return []
    setpriv = shutil.which("setpriv")
    assert setpriv, "util-linux has it"
    return [setpriv, f"--bounding-set={_OVERRIDES}"]

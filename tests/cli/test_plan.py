"""What `plan` prints, and how it ends."""

from __future__ import annotations

import json
import re

from click.testing import CliRunner, Result
from tests.workbench import Workbench

from bqsync.cli import commands
from bqsync.engine.opening import locked_state
from bqsync.errors import ExitCode


def plan(bench: Workbench, *arguments: str) -> Result:
    # A daemon has the state: whoever only looks does not ask for its lock.
    with locked_state(bench.config):
        return CliRunner().invoke(commands, ["plan", "-c", str(bench.config_path), *arguments],
                                  standalone_mode=False)


def test_a_plan_says_would_and_tells_by_its_code_whether_there_is_something(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER);"
                   "INSERT INTO t VALUES (1, 1), (2, 'CELLSENTINEL')")
    workbench.configure('[[tables]]\nname = "t"\n')
    first = plan(workbench, "--sql", "--log-level", "debug")
    assert first.return_value == 1
    assert re.search(r"^ t +1 +0 +1 +0 +\d+ *$", first.stdout, re.MULTILINE), first.stdout
    assert "t: would create demo." in first.stdout
    assert "MERGE `demo`." in first.stdout
    assert first.stdout.rstrip().endswith("nothing was changed: this is a plan")
    assert first.stderr == "", "of what is only rehearsed, no event is logged"
    assert "CELLSENTINEL" not in first.output
    workbench.sync()
    nothing = plan(workbench)
    assert (nothing.return_value, "nothing to do" in nothing.stdout) == (ExitCode.OK, True)
    assert json.loads(plan(workbench, "--json").stdout)["would_change"] is False


def test_a_table_that_would_fail_is_told_with_its_error_and_code(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE keyless (v TEXT); CREATE TABLE t (id INTEGER PRIMARY KEY)")
    workbench.configure('[[tables]]\nname = "t"\n[[tables]]\nname = "keyless"\n')
    told = plan(workbench)
    assert told.return_value == ExitCode.CONFIGURATION
    assert "would fail: E104" in told.stdout
    assert "error[E104] keyless" in told.stderr
    error = json.loads(plan(workbench, "--json").stdout)["tables"][1]["error"]
    assert error["code"] == "E104"

"""`bqsync check`: everything that can be found wrong before the first row travels, each with its fix."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from bqsync.cli.options import common_options, json_option
from bqsync.cli.output import print_json, say, within

if TYPE_CHECKING:
    from bqsync.config import Config

_MARKS = {"ok": "ok     ", "warning": "warning", "error": "ERROR  "}


@click.command()
@click.option("--offline", is_flag=True, help="Leave BigQuery out: what a service checks before it starts.")
@click.option("--show-effective", is_flag=True, help="Also print every setting that is not a default, and its origin.")
@json_option
@common_options
def check(*, offline: bool, show_effective: bool, as_json: bool, config: Config) -> int:
    """Check configuration, protos, database, keys, watermarks, state, credentials and targets."""
    from bqsync.engine.check import exit_code, run_checks

    findings = run_checks(config, offline=offline)
    origins = {name: origin for name, origin in config.origins.items() if origin != "default"}
    if as_json:
        print_json({"findings": [asdict(finding) for finding in findings],
                    **({"origins": origins} if show_effective else {})})
    else:
        for finding in findings:
            say(f"{_MARKS[finding.level]}  {within(finding.subject)}: {within(finding.what)}")
            if finding.fix:
                say(f"         fix  {within(finding.fix)}")
        if show_effective:
            for name, origin in sorted(origins.items()):
                say(f"         {within(name)}  ({within(origin)})")
    return exit_code(findings)

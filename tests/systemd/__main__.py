"""
`python -m tests.systemd [hand] [package]`: boot a Debian, install bqsync in it, by hand and as a package, and look.

BQSYNC_SYSTEMD_CACHE  where the Debian and the wheels are kept between runs (default: /var/tmp/bqsync-systemd)
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path

from bqsync.embedded import EmbeddedBigQuery, Endpoints
from tests.systemd import hardening, living, packaged, starting
from tests.systemd.installation import PROJECT, Site, wheels
from tests.systemd.machine import booted, locked, require_tools
from tests.systemd.report import Report

NEEDED = (starting.install, starting.start, packaged.install)
"""Nothing that follows would tell anything without them."""
RUNS = {
    "hand": (starting.install, starting.start, starting.deliver, hardening.process, hardening.files, hardening.options,
             hardening.credential, living.reload, living.death, living.hanging, living.refusal, living.closed,
             living.locked, living.stop, living.oneshot),
    "package": packaged.PARTS,
}
"""Each in a machine of its own."""
SHARED = {"hand": wheels, "package": packaged.build}
"""What is to be installed there."""


def main(*chosen: str) -> int:
    """Run some of them, or all. Return 1 if any check has failed."""
    require_tools()
    # So that whatever was begun is ended in order.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))
    cache = Path(os.environ.get("BQSYNC_SYSTEMD_CACHE", "/var/tmp/bqsync-systemd"))  # noqa: S108 - root's own folder
    report = Report()
    with locked(cache), tempfile.TemporaryDirectory() as folder, EmbeddedBigQuery(Path(folder), PROJECT) as server:
        endpoints = server.start()
        for run in chosen or RUNS:
            _look(run, cache, endpoints, report)
    print(f"{report.passed} checks passed, {len(report.failed)} failed")
    for law in report.failed:
        print(f"FAILED  {law}")
    return 1 if report.failed else 0


def _look(run: str, cache: Path, endpoints: Endpoints, report: Report) -> None:
    with booted(cache, shared=SHARED[run](cache)) as machine:
        site = Site(machine, endpoints)
        for part in RUNS[run]:
            with report.part(str(part.__doc__)):
                part(site, report)
            if report.failed and part in NEEDED:
                break


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

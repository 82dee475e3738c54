"""
`python -m tests.soak`: exit code 0 if all is well, 1 if anything is wrong. Then the folder is kept, with database,
state, logs, and what the targets hold.
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tests.soak.outage import outage
from tests.soak.quota import quota
from tests.soak.report import Report, SoakError
from tests.soak.run import soak


def main() -> int:
    options = _options()
    # So that whatever was begun is ended in order.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="bqsync-soak-"))
    report = Report()
    report.say(f"seed {options.seed}; folder {folder}")
    try:
        _run(options, folder, report)
    except SoakError as error:
        report.say(f"FAILED: {error}")
        print(f"everything is kept in {folder}\n"
              f"the same dice again: python -m tests.soak {' '.join(_arguments(options))}")
        return 1
    except BaseException:
        print(f"everything is kept in {folder}")
        raise
    shutil.rmtree(folder)
    return 0


def _run(options: argparse.Namespace, folder: Path, report: Report) -> None:
    if options.outage:
        outage(folder, options.seed, options.outage, report)
    elif options.quota:
        quota(folder, options.seed, options.quota, options.minutes * 60 / 3, report)
    else:
        soak(folder, options.seed, options.minutes, report)


def _arguments(options: argparse.Namespace) -> list[str]:
    return [word for name, value in vars(options).items() if value is not None for word in (f"--{name}", str(value))]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="of faults and kills (default: 2)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="of the dice")
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--outage", type=float, metavar="S", help="instead: nothing answers for so many seconds")
    other.add_argument("--quota", type=float, metavar="P", help="instead: so many of a hundred calls meet a quota")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

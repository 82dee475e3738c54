"""`python -m bench [--only NAMES]`: measures, prints, and writes bench/results.md if everything was measured."""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench import cycle, encoding, far, first_copy, guest, idle, lag, large, nine, peer, source
from bench.measure import Figure, line, report
from bqsync.observe.log import configure

_LARGE_ROWS = 10_000_000
_ROW_BYTES = 1_000
"""On the disk, with the state and to spare."""


def main() -> None:
    """Run the benchmarks that are asked for."""
    options = _options()
    configure("error")
    with tempfile.TemporaryDirectory(prefix="bqsync-bench-") as name:
        folder = Path(name)
        # The daemon first: it is measured by the clock, and a machine that has just been busy is slower.
        benches: dict[str, Callable[[], list[Figure]]] = {
            "lag": lambda: lag.figures(folder, options.lag_s),
            "far": lambda: far.figures(folder, options.changes),
            "idle": lambda: idle.figures(folder, options.idle_s),
            "guest": lambda: guest.figures(folder, options.pairs, options.guest_s),
            "copy": lambda: first_copy.figures(folder, options.rows, options.runs, _large_rows(folder, options)),
            "nine": lambda: nine.figures(folder, options.nine_jobs, options.runs),
            "peer": lambda: peer.figures(folder, options.peer_rows, options.runs),
            "large": lambda: large.figures(folder, options.rows, options.runs),
            "encoding": lambda: encoding.figures(folder, options.runs),
            "cycle": lambda: cycle.figures(folder, source.make, options.runs),
        }
        chosen = options.only.split(",") if options.only else list(benches)
        figures = [figure for bench in chosen for figure in _run(bench, benches[bench])]
    if not options.only:
        text = report(figures, rows=options.rows, runs=options.runs)
        (Path(__file__).parent / "results.md").write_text(text, encoding="utf-8")


def _run(name: str, bench: Callable[[], list[Figure]]) -> list[Figure]:
    """A run of all takes minutes: each tells what it has found as soon as it has."""
    start_s = time.monotonic()
    figures = bench()
    print(f"{name}: {time.monotonic() - start_s:.0f} s", *map(line, figures), sep="\n", flush=True)
    return figures


def _large_rows(folder: Path, options: argparse.Namespace) -> int:
    if options.large_rows is not None:
        return int(options.large_rows)
    has_room = shutil.disk_usage(folder).free > _LARGE_ROWS * _ROW_BYTES
    return _LARGE_ROWS if has_room and not options.only else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("--only", metavar="NAMES",
                        help="some of lag,far,idle,guest,copy,nine,peer,large,encoding,cycle")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the large table")
    parser.add_argument("--large-rows", type=int, help="copied once, to see how memory grows; 0 for none; as a rule "
                        f"{_LARGE_ROWS:,} where all is measured and there is room on the disk, else none")
    parser.add_argument("--nine-jobs", type=int, default=20_000, help="of the nine tables, which have 11 rows for each")
    parser.add_argument("--peer-rows", type=int, default=200_000, help="that a peer copies, too")
    parser.add_argument("--runs", type=int, default=5, help="of which the median is taken")
    parser.add_argument("--lag-s", type=float, default=60, help="seconds of writing")
    parser.add_argument("--changes", type=int, default=20, help="single changes on a BigQuery that is far away")
    parser.add_argument("--idle-s", type=float, default=60, help="seconds of idling")
    parser.add_argument("--guest-s", type=float, default=10, help="seconds of writing, for each half of a pair")
    parser.add_argument("--pairs", type=int, default=5, help="of writers with and without the daemon")
    return parser.parse_args()


if __name__ == "__main__":
    main()

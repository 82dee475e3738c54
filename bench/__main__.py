"""`python -m bench [--rows N] [--runs N]`: measures, prints, and writes bench/results.md."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from bench import cycle, encoding, large, source
from bench.measure import report
from bqsync.observe.log import configure


def main() -> None:
    """Run every benchmark."""
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    configure("error")
    with tempfile.TemporaryDirectory(prefix="bqsync-bench-") as name:
        folder = Path(name)
        figures = [
            *large.figures(folder, options.rows, options.runs),
            *encoding.figures(folder, options.runs),
            *cycle.figures(folder, source.make, options.runs),
        ]
    text = report(figures, rows=options.rows, runs=options.runs)
    (Path(__file__).parent / "results.md").write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()

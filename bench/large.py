"""What a large table costs when nothing in it has changed, and when little has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.delivered import CHANGED_ROWS, delivered_table
from bench.measure import Figure, median_s

_SMALL_ROWS = 10_000


def figures(folder: Path, rows: int, runs: int) -> list[Figure]:
    """Measure sweeps, passes and memory."""
    with delivered_table(folder, _SMALL_ROWS) as table:
        small_pass_s = median_s(table.change_and_pass, runs)
    with delivered_table(folder, rows) as table:
        bare_s = median_s(table.bare_fetch, runs)
        sweep_s = median_s(table.sweep, runs)
        pass_s = median_s(table.change_and_pass, runs)
    small_kb, large_kb = (_peak_kb(count) for count in (rows // 10, rows))
    return [
        Figure(name="sweep cycle, nothing changed (time)", value=f"{rows / sweep_s:,.0f} rows/s",
               floor=f"bare `fetchmany`: {rows / bare_s:,.0f} rows/s", ratio=sweep_s / bare_s),
        Figure(name=f"watermark pass cycle, {CHANGED_ROWS} changed rows of {rows:,} (time)",
               value=f"{pass_s * 1000:.0f} ms", floor=f"the same of {_SMALL_ROWS:,}: {small_pass_s * 1000:.0f} ms",
               ratio=pass_s / small_pass_s),
        Figure(name=f"sweep of {rows:,} rows (peak memory)", value=f"{large_kb / 1024:.0f} MiB",
               floor=f"of {rows // 10:,}: {small_kb / 1024:.0f} MiB", ratio=large_kb / small_kb),
    ]


def _peak_kb(rows: int) -> int:
    """Of a process that makes such a table and sweeps it."""
    done = subprocess.run([sys.executable, "-m", "bench.delivered", str(rows)], capture_output=True, text=True,
                          check=True)
    return int(done.stdout)

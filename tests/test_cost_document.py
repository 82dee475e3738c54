"""The figures of docs/cost.md are what its own formulas give."""

from __future__ import annotations

import re
from pathlib import Path

from bqsync.config.quantities import parse_duration, parse_size
from bqsync.engine.budget import SLOWED_FROM
from bqsync.engine.spread import MAX_PARTITIONS
from bqsync.state.billing import KEPT_DAYS

TEXT = (Path(__file__).parents[1] / "docs" / "cost.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (\d+ [MGT]iB) \| (\d+ (?:s|min)) \| ([\d,]+) \| \$([\d,.]+) \| \$([\d,.]+) \|$", re.MULTILINE)
DAY_S, MONTH_DAYS = 86_400, 30
LEAST_BYTES = 10 * 2**20
PARTITIONS = 1_000
"""Of a table in the example."""


def price(name: str) -> float:
    """Of the table at the top: the first price of that row."""
    found = re.search(rf"^\| {re.escape(name)}[^|]*\| \$([\d.]+)", TEXT, re.MULTILINE)
    assert found is not None, name
    return float(found[1])


def month_of(read_bytes: float, interval_s: float) -> str:
    """What a month of MERGEs costs that read so much of their target, a change a second."""
    merge_bytes = max(LEAST_BYTES, read_bytes) + LEAST_BYTES
    return f"{DAY_S / max(1.0, interval_s) * MONTH_DAYS * merge_bytes * price('bytes billed') / 2**40:,.2f}"


def test_each_row_of_the_example_is_computed() -> None:
    rows = ROW.findall(TEXT)
    assert len(rows) == 9
    for size, interval, merges, whole, pruned in rows:
        size_bytes, interval_s = parse_size(size), parse_duration(interval)
        assert size_bytes is not None
        assert interval_s is not None
        assert f"{DAY_S / interval_s:,.0f}" == merges
        assert month_of(size_bytes, interval_s) == whole, (size, interval)
        assert month_of(size_bytes / PARTITIONS, interval_s) == pruned, (size, interval)


def test_the_other_figures_are_computed() -> None:
    assert f"a table of 1 TiB costs ${30 * price('bytes billed'):,.2f} a month" in TEXT
    assert f"it would be ${1_024 * price('Storage Write API'):,.2f}" in TEXT
    slots = 50 * price("slots")
    assert f"50 \N{MULTIPLICATION SIGN} ${price('slots'):.2f} = ${slots:,.2f} for each hour" in TEXT
    assert f"${slots * 24 * 30:,.2f} a month if it is always" in TEXT


def test_what_the_code_has_stands_there() -> None:
    assert f"**From {SLOWED_FROM:.0%} on**".replace("%", " %") in TEXT
    assert f"for {KEPT_DAYS} days" in TEXT
    assert f"a chunk ends at {MAX_PARTITIONS:,}" in TEXT

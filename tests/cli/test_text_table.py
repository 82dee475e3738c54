"""A table as text is what rich makes of it, but for the spaces behind its lines."""

from __future__ import annotations

import io
import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as st
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bqsync.cli.text_table import table_lines

_CELL = st.text(st.sampled_from("ab 7öß─日本한e\u0301[]"), max_size=8).map(str.strip)
_HEADING = _CELL.map("h{}".format)
"""Of a column that is empty throughout, rich draws less than nothing."""


@st.composite
def _tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]], list[bool]]:
    columns = draw(st.integers(1, 4))
    cells = st.lists(_CELL, min_size=columns, max_size=columns)
    headings = st.lists(_HEADING, min_size=columns, max_size=columns)
    right = st.lists(st.booleans(), min_size=columns, max_size=columns)
    return draw(headings), draw(st.lists(cells, max_size=4)), draw(right)


def _as_rich_has_it(headings: list[str], rows: list[list[str]], right: list[bool]) -> list[str]:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading, is_right in zip(headings, right, strict=True):
        table.add_column(Text(heading), justify="right" if is_right else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    output = io.StringIO()
    Console(file=output, width=1_000).print(table)
    return [line.rstrip() for line in output.getvalue().split("\n")]


@settings(max_examples=150, deadline=None)
@given(_tables())
def test_it_is_the_table_that_rich_draws(table: tuple[list[str], list[list[str]], list[bool]]) -> None:
    headings, rows, right = table
    assert ["", *table_lines(headings, rows, right=right), "", ""] == _as_rich_has_it(headings, rows, right)


def test_a_table_is_printed_without_rich_and_in_the_characters_that_the_output_has() -> None:
    program = ("import sys\nfrom bqsync.cli.output import print_table\nprint_table(['table', 'rows'], [['a', 1234]])\n"
               "print('rich' in sys.modules)\n")
    done = subprocess.run([sys.executable, "-X", "utf8=0", "-c", program], capture_output=True, text=True, check=True,
                          env={"PYTHONIOENCODING": "latin-1", "PYTHONPATH": ":".join(sys.path)})
    assert done.stdout == f"\n table    rows\n {'-' * 13}\n a       1,234\n\nFalse\n"

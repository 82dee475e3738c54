"""A table as lines of text. Pure: what is too wide for a terminal is the caller's matter."""

from __future__ import annotations

from collections.abc import Sequence
from unicodedata import category, east_asian_width

_GAP = "   "


def table_lines(headings: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[bool],
                rule: str = "─") -> list[str]:
    """
    Headings, a rule below them, and the rows; nothing is cut.

    Args:
        headings: of the columns.
        rows: their cells, each without line breaks.
        right: of each column, whether its cells stand to the right.
        rule: the character of the rule.
    """
    widths = [max(1, *map(width_of, column)) for column in zip(headings, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        placed = (_placed(*each) for each in zip(cells, widths, right, strict=True))
        return f" {_GAP.join(placed)}".rstrip()

    return [line(headings), " " + rule * (sum(widths) + len(_GAP) * (len(widths) - 1)), *map(line, rows)]


def width_of(text: str) -> int:
    """How many places a terminal takes for it: two for a wide character, none for one that stands on another."""
    if text.isascii():
        return len(text)
    return sum(0 if category(one) in ("Mn", "Me", "Cf") else 2 if east_asian_width(one) in "WF" else 1 for one in text)


def _placed(cell: str, width: int, is_right: bool) -> str:
    space = " " * (width - width_of(cell))
    return space + cell if is_right else cell + space

"""What a terminal may be sent."""

from __future__ import annotations

from collections.abc import Mapping


def is_color_wanted(environ: Mapping[str, str]) -> bool:
    """
    Whether the environment allows colors, on a terminal.

    Source: https://no-color.org
    """
    return not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"

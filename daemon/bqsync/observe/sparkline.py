"""The lag of the last hour as a row of blocks. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from bqsync.observe.lag_trace import LEAST_SCALE_S

_BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(lag_s: Sequence[float], width: int) -> str:
    """
    So many blocks, each as high as the worst lag of its part of the hour; the highest one is that of the whole hour.

    Args:
        lag_s: the oldest first; empty where there was none.
        width: at most as many as there are points.
    """
    if not lag_s:
        return _BLOCKS[0] * width
    bounds = [place * len(lag_s) // width for place in range(width + 1)]
    worst_s = [max(lag_s[begin:end], default=0.0) for begin, end in pairwise(bounds)]
    scale_s = max(*worst_s, LEAST_SCALE_S)
    return "".join(_BLOCKS[min(round(one / scale_s * 8), 7)] if one else _BLOCKS[0] for one in worst_s)

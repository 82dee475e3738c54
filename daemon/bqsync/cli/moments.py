"""Instants and amounts for human eyes."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from bqsync.observe.amounts import count, size, span

__all__ = ["ago", "ahead", "count", "moment", "size", "span"]


def ago(moment_us: int | None) -> str:
    """How long an instant is past, such as `5 min ago`."""
    return "never" if moment_us is None else f"{span(time.time() - moment_us / 1_000_000)} ago"


def ahead(moment_us: int) -> str:
    """How long until an instant, such as `in 5 min`."""
    seconds = moment_us / 1_000_000 - time.time()
    return "now" if seconds <= 0 else f"in {span(seconds)}"


def moment(moment_us: int) -> str:
    """An instant to the second, UTC."""
    return datetime.fromtimestamp(moment_us // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")

"""Instants for human eyes, in Unix microseconds: how long they are past or ahead, and their time of day. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from bqsync.observe.amounts import span


def ago(moment_us: int | None, now_us: int) -> str:
    """How long an instant is past, such as `5 min ago`."""
    return "never" if moment_us is None else f"{span(_seconds(now_us - moment_us))} ago"


def ahead(moment_us: int, now_us: int) -> str:
    """How long until an instant, such as `in 5 min`."""
    return "now" if moment_us <= now_us else f"in {span(_seconds(moment_us - now_us))}"


def since(moment_us: int, now_us: int) -> str:
    """How long something has lasted that began then, such as `5 min`."""
    return span(_seconds(now_us - moment_us))


def moment(moment_us: int) -> str:
    """An instant to the second: `2026-03-01 09:30:00Z`."""
    return _utc(moment_us).strftime("%Y-%m-%d %H:%M:%SZ")


def timestamp(moment_us: int) -> str:
    """The same without a space, for lines that programs read: `2026-03-01T09:30:00Z`."""
    return _utc(moment_us).strftime("%Y-%m-%dT%H:%M:%SZ")


def time_of_day(moment_us: int) -> str:
    """An instant of today to the second: `09:30:00 UTC`."""
    return _utc(moment_us).strftime("%H:%M:%S UTC")


def _seconds(duration_us: int) -> float:
    return duration_us / 1_000_000


def _utc(moment_us: int) -> datetime:
    return datetime.fromtimestamp(moment_us // 1_000_000, UTC)

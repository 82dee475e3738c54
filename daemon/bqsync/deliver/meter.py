"""Who is told what statements cost, and may refuse them before they cost anything."""

from __future__ import annotations

from typing import Protocol


class Meter(Protocol):
    """The bill of one table."""

    def require(self) -> None:
        """
        Return if another statement may be billed.

        Raises:
            BqsyncError: DAILY_LIMIT_REACHED.
        """

    def note(self, size_bytes: int) -> None:
        """A statement has ended and was billed with so many bytes. A MERGE is noted with its outcome instead."""


class Unmetered:
    """Nobody asks what statements cost."""

    def require(self) -> None:
        """Every statement may be billed."""

    def note(self, size_bytes: int) -> None:
        """Nobody is told."""

"""What the daemon and its reader of columns tell each other, pickled, through pipes that nobody else holds."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from bqsync.capture.page_sql import OrderTerm
from bqsync.model import EncodedPage, SqlValue, TableSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """The table that is to be read."""

    spec: TableSpec
    zone: ZoneInfo
    """Meaning of ISO timestamps without an offset."""
    order: tuple[OrderTerm, ...]
    """Of its pages."""
    page_bytes: int
    """Of one page, about; the process may not become larger than some of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageWanted:
    """
    Which page is wanted. Answered by `Closed` as soon as it is read, and by `PageRead` or `Unfit` when it is encoded.

    The next page may be asked for in between. Pages are answered in the order in which they were asked for.
    """

    uri: str
    """How to open the file."""
    after: tuple[SqlValue, ...] | None
    """The place behind which it begins."""
    limit_rows: int
    first_sequence: int | None
    """Of its first staged row; None where rows are not to be staged as they come, since most will be known."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The process has begun, with all that it needs."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The file is closed again; what was read is being encoded."""

    rows: int
    """How many rows were read."""
    place: tuple[SqlValue, ...] | None
    """Of the last of them; None where no row is left, or none could be read."""


@dataclass(frozen=True, slots=True)
class PageRead:
    """The page."""

    page: EncodedPage | None
    """None where no row is left. Its `body` travels by itself, behind it."""


@dataclass(frozen=True, slots=True)
class Unfit:
    """The page has to be read by rows."""

    why: str
    """For the log: never a value."""


Answer = Ready | Closed | PageRead | Unfit


class UnfitError(Exception):
    """A page has to be read by rows. The text says why, without any value."""

"""What a table's configuration chooses."""

from __future__ import annotations

from enum import StrEnum


class DeletePolicy(StrEnum):
    """What happens in the target when a row leaves the source."""

    DELETE = "delete"
    MARK = "mark"
    """The row stays and `MARK_COLUMN` tells since when it is gone; whatever is marked counts as absent."""
    IGNORE = "ignore"


MARK_COLUMN = "_bqsync_deleted_at"
"""TIMESTAMP column of a target under `DeletePolicy.MARK`."""


class SweepPolicy(StrEnum):
    """Whether a table is ever compared whole."""

    ON = "on"
    OFF = "off"
    """Watermark passes alone, and a ledger of the overlap alone: for tables too large for more."""


class TableMode(StrEnum):
    """What becomes of the rows of a table."""

    UPSERT = "upsert"
    """They come, change and go."""
    APPEND = "append"
    """They are only ever added: none is deleted in the target, and a table without a key can be delivered."""


ROW_ID_COLUMN = "_bqsync_row_id"
"""BYTES column of the target of a table without a key: a digest of the row's contents, and which of its likes it is."""


class NullValues(StrEnum):
    """Whether NULL stays NULL, or becomes 0 and '' as the reference script meant it."""

    NULL = "null"
    ZERO = "zero"

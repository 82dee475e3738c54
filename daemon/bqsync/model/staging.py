"""The envelope of a staged row."""

from __future__ import annotations

from enum import StrEnum


class Operation(StrEnum):
    """What a staged row asks of the target."""

    UPSERT = "U"
    DELETE = "D"


class StagingColumn(StrEnum):
    """The columns that a staging table has beside those of its target."""

    KEY = "_bqsync_key"
    OPERATION = "_bqsync_operation"
    SEQUENCE = "_bqsync_sequence"


FIRST_FIELD_NUMBER = 16
"""Protobuf field numbers below are for the envelope of a staged row."""

"""Names that a column of BigQuery may have. Pure."""

from __future__ import annotations

import re

MAX_NAME_LENGTH = 300
"""Source: https://cloud.google.com/bigquery/docs/schemas#column_names"""
_RESERVED_PREFIXES = ("_table_", "_file_", "_partition", "_row_timestamp", "__root__", "_colidentifier", "_change_")


def legal_name(name: str) -> str:
    """A BigQuery column name: letters, digits and underscores, not starting with a digit."""
    legal = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return legal if legal[:1].isalpha() or legal.startswith("_") else f"_{legal}"


def is_reserved(name: str) -> bool:
    """Whether BigQuery refuses a column name, though all its characters are allowed."""
    return name.lower().startswith(_RESERVED_PREFIXES) or len(name) > MAX_NAME_LENGTH

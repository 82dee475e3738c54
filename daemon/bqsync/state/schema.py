"""
The tables of the state file.

Everything hangs on a table of a source, `tables.id`, so that one state file may serve many databases. Times are Unix
microseconds. Keys and fingerprints are the bytes and integers of `bqsync.encode`; nothing here looks into them.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, LargeBinary, MetaData, Table, Text, UniqueConstraint

STATE_VERSION = 1
"""Written to `PRAGMA user_version`. A state of a higher version is refused."""

metadata = MetaData()

meta = Table(
    "meta", metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

sources = Table(
    "sources", metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
)

tables = Table(
    "tables", metadata,
    Column("id", Integer, primary_key=True),
    Column("source_id", ForeignKey("sources.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("target", Text),
    Column("target_created_us", Integer),
    Column("key_columns", Text),
    Column("reconcile_pending", Integer, nullable=False, server_default="1"),
    Column("next_field_number", Integer, nullable=False),
    Column("next_slot", Integer, nullable=False, server_default="0"),
    Column("last_success_us", Integer),
    Column("last_attempt_us", Integer),
    Column("last_error", Text),
    UniqueConstraint("source_id", "name"),
)

fields = Table(
    "fields", metadata,
    Column("table_id", ForeignKey("tables.id"), primary_key=True),
    Column("column", Text, primary_key=True),
    Column("target_type", Text, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("target_name", Text),
    Column("timestamp_format", Text),
    UniqueConstraint("table_id", "number"),
)

watermarks = Table(
    "watermarks", metadata,
    Column("table_id", ForeignKey("tables.id"), primary_key=True),
    Column("column", Text, primary_key=True),
    Column("source_value", LargeBinary),
    Column("instant_us", Integer, nullable=False),
)

ledger = Table(
    "ledger", metadata,
    Column("table_id", ForeignKey("tables.id"), primary_key=True),
    Column("key", LargeBinary, primary_key=True),
    Column("fingerprint", Integer),
    Column("slot", Integer, nullable=False),
    Column("source_key", LargeBinary),
    Column("partition", Text),
    sqlite_with_rowid=False,
)

quarantine = Table(
    "quarantine", metadata,
    Column("table_id", ForeignKey("tables.id"), primary_key=True),
    Column("source_key", LargeBinary, primary_key=True),
    Column("key", LargeBinary),
    Column("column", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("fingerprint", Integer, nullable=False),
    Column("mapping_version", Text, nullable=False),
    Column("since_us", Integer, nullable=False),
    sqlite_with_rowid=False,
)

intents = Table(
    "intents", metadata,
    Column("table_id", ForeignKey("tables.id"), primary_key=True),
    Column("job_id", Text, nullable=False),
    Column("staging_table", Text, nullable=False),
    Column("created_us", Integer, nullable=False),
)

"""
The tables of the state file.

Everything hangs on a table of a source, `tables.id`, so that one state file may serve many databases. Times are Unix
microseconds. Keys and fingerprints are the bytes and integers of `bqsync.encode`; nothing here looks into them.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, LargeBinary, MetaData, Table, Text, UniqueConstraint

STATE_VERSION = 5
"""Written to `PRAGMA user_version`. A state of a higher version is refused, one of a lower version is made anew."""

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
    Column("device", Integer),
    Column("inode", Integer),
    Column("application_id", Integer),
    Column("schema_cookie", Integer),
    Column("change_counter", Integer),
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
    # BigQuery's time of the newest MERGE that this state knows the end of: a later one means that the state is old.
    Column("last_job_us", Integer),
    Column("next_field_number", Integer, nullable=False),
    Column("next_slot", Integer, nullable=False, server_default="0"),
    # A sweep is due while more were asked for than were served. Both only count up: a request that comes during a sweep
    # is not taken for the one that the sweep serves.
    Column("sweeps_asked", Integer, nullable=False, server_default="1"),
    Column("sweeps_served", Integer, nullable=False, server_default="0"),
    Column("sweep_reason", Text, nullable=False, server_default="first sync"),
    Column("suspicion", Text),
    # How many rows the table had when its losses were first doubted: what is delivered since must not water them down.
    Column("doubted_rows", Integer),
    Column("swept_mapping", Text),
    Column("last_sweep_us", Integer),
    Column("last_walk_us", Integer),
    Column("last_walk_cost_us", Integer),
    Column("last_pass_us", Integer),
    Column("last_pass_cost_us", Integer),
    Column("last_verify_us", Integer),
    Column("last_success_us", Integer),
    Column("last_attempt_us", Integer),
    Column("last_error", Text),
    Column("deletes_held", Integer, nullable=False, server_default="0"),
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
    Column("timestamp_format", Text),
    Column("form", Text),
    Column("unfit", Text),
    Column("source_value", LargeBinary),
    Column("instant_us", Integer),
)

ledger = Table(
    "ledger", metadata,
    Column("table_id", ForeignKey("tables.id"), primary_key=True),
    Column("key", LargeBinary, primary_key=True),
    Column("fingerprint", Integer),
    Column("slot", Integer, nullable=False),
    Column("source_print", Integer),
    Column("source_key", LargeBinary),
    Column("instant_us", Integer),
    # Of the target, as `Partitioning` counts them; NULL: it has none, or it is not known in which the row stands.
    Column("partition", Integer),
    sqlite_with_rowid=False,
)

# Rows of the ledger that came together, packed: see `bqsync.state.runs`.
runs = Table(
    "runs", metadata,
    Column("id", Integer, primary_key=True),
    Column("table_id", ForeignKey("tables.id"), nullable=False),
    Column("first_key", LargeBinary, nullable=False),
    Column("last_key", LargeBinary, nullable=False),
    Column("first_slot", Integer, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("key_bytes", Integer, nullable=False),
    Column("keys", LargeBinary, nullable=False),
    Column("fingerprints", LargeBinary, nullable=False),
    Column("source_prints", LargeBinary),
    UniqueConstraint("table_id", "first_key"),
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

repairs = Table(
    "repairs", metadata,
    Column("table_id", ForeignKey("tables.id"), primary_key=True),
    Column("rows", Integer, nullable=False),
    Column("number", Integer, nullable=False),
)

intents = Table(
    "intents", metadata,
    Column("table_id", ForeignKey("tables.id"), primary_key=True),
    Column("job_id", Text, nullable=False),
    Column("staging_table", Text, nullable=False),
    Column("created_us", Integer, nullable=False),
)

bytes_billed = Table(
    "bytes_billed", metadata,
    Column("table_id", ForeignKey("tables.id"), primary_key=True),
    # Of UTC, as 2026-01-31.
    Column("day", Text, primary_key=True),
    Column("bytes", Integer, nullable=False),
    Column("merges", Integer, nullable=False),
)

# MERGEs whose end is noted, and of which nobody has asked yet what they have cost.
bills_owed = Table(
    "bills_owed", metadata,
    Column("table_id", ForeignKey("tables.id"), primary_key=True),
    Column("job_id", Text, primary_key=True),
    Column("at_us", Integer, nullable=False),
)

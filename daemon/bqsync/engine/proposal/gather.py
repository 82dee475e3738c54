"""Reads a table once, as a guest: short pages, each in a read transaction of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from datetime import tzinfo
from pathlib import Path

from bqsync.capture.order import read_orders
from bqsync.capture.pages import PageBounds, TableReader
from bqsync.capture.schema import index_starting_with, read_table, trigger_texts
from bqsync.capture.source import Source
from bqsync.config import SyncSection
from bqsync.encode.mapping_rules import MAX_KEY_COLUMNS
from bqsync.encode.target_keys import target_key_reader
from bqsync.engine.proposal.census import TableCensus
from bqsync.engine.proposal.facts import TableFacts
from bqsync.engine.proposal.watermarks import pairs_to_compare
from bqsync.model import SourceTable, TableSpec
from bqsync.state.scratch import Scratch

Progress = Callable[[str, int, int], None]
"""Is told the table, the rows read, and the rows there are."""

_BOUNDS = PageBounds(rows=SyncSection().page_rows, size_bytes=SyncSection().page_bytes)


def gather(source: Source, name: str, zone: tzinfo, progress: Progress) -> TableFacts | SourceTable:
    """
    All that is judged of one table; its declaration alone where it has no key to read it by.

    Raises:
        BqsyncError: one of the SOURCE_… kinds.
    """
    declared = source.read(lambda connection: read_table(connection, name))
    found = _choose_key(source, declared)
    if found is None:
        return declared
    key, reason, null_keys = found
    names = [column.name for column in declared.columns]
    reader = _reader(source, declared.name, names, key)
    census = TableCensus(declared, key, pairs_to_compare(names), zone)
    total = reader.count()
    for page in reader.pages():
        census.add(page.rows)
        progress(name, census.rows, total)
    return TableFacts(
        declared=declared, key=key, key_reason=reason, rows=census.rows + null_keys, size_bytes=census.size_bytes,
        null_keys=null_keys, oversized=census.oversized, columns=census.facts(), differing=dict(census.differing),
        indexed=source.read(lambda connection: frozenset(
            column for column in names if index_starting_with(connection, declared.name, column))),
        triggers=tuple(source.read(lambda connection: trigger_texts(connection, declared.name))),
    )


def colliding_keys(source: Source, spec: TableSpec, zone: tzinfo) -> int:
    """
    How many rows have a key that another row has in BigQuery's eyes.

    The keys are compared on disk, so that memory does not grow with the table.
    """
    if spec.key_is_plain:
        return 0
    columns = [column.source_name for column in spec.columns if column.source_name in spec.key]
    reader = _reader(source, spec.source_name, columns, spec.key)
    keys_only = TableSpec(source_name=spec.source_name, target_name=spec.target_name, key=spec.key,
                          columns=tuple(column for column in spec.columns if column.source_name in spec.key))
    target_keys = target_key_reader(keys_only, zone)
    colliding = 0
    with Scratch(Path(tempfile.gettempdir())) as scratch:
        for page in reader.pages():
            keys = [key for key in target_keys(page.rows) if key is not None]
            colliding += len(keys) - scratch.add((key, None, None) for key in keys)
    return colliding


def _choose_key(source: Source, declared: SourceTable) -> tuple[tuple[str, ...], str, int] | None:
    """The declared key, unless a unique one has no NULL where it has some."""
    options = [(declared.primary_key, "declared PRIMARY KEY")] if declared.primary_key else []
    options += [(key, "UNIQUE, and every column is NOT NULL") for key in declared.unique_keys]
    options = [(key, reason) for key, reason in options if len(key) <= MAX_KEY_COLUMNS]
    counted = []
    for key, reason in options:
        nulls = _reader(source, declared.name, key, key).null_keys()
        if not nulls:
            return key, reason, 0
        counted.append((key, reason, nulls))
    return min(counted, key=lambda item: item[2], default=None)


def _reader(source: Source, table: str, columns: Sequence[str], key: Sequence[str]) -> TableReader:
    orders = source.read(lambda connection: read_orders(connection, table, key))
    return TableReader(source, table, columns, key, _BOUNDS, order=orders.pages, range_order=orders.ranges,
                       key_is_unique=orders.key_is_unique)

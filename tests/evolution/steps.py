"""What tests of changing schemas do again and again: a cycle that goes well, one that is refused, the fix it names."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from google.cloud import bigquery

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.workbench import Workbench

    from bqsync.model import CycleOutcome

_ALTER = re.compile(r"((?:ALTER|DROP) TABLE .*?)(?= and sync again|;|$)")


def synced(bench: Workbench, **options: Any) -> CycleOutcome:
    """A cycle of the table `t` that goes well."""
    outcome = bench.sync(**options)["t"]
    assert outcome.error is None, outcome.error
    return outcome


def refused(bench: Workbench, kind: str = "target_incompatible", **options: Any) -> Mapping[str, str]:
    """The error of a cycle that stops the table `t`, before it has sent anything."""
    outcome = bench.sync(**options)["t"]
    assert outcome.error is not None
    assert (outcome.error["kind"], outcome.merges) == (kind, 0), outcome.error
    return outcome.error


def alter(bench: Workbench, fix: str) -> None:
    """Run the statements that a fix names, as an operator does."""
    statements = _ALTER.findall(fix)
    assert statements, fix
    for statement in statements:
        bench.query(statement)


def settles(bench: Workbench, table: str = "t") -> None:
    """Nothing is left to be sent, and source and target are equal."""
    assert synced(bench).merges == 0
    assert bench.verify(table).rows_different == 0


def fields(bench: Workbench, table: str = "t") -> list[tuple[str, str, str]]:
    """Name, type and mode of each column of a target."""
    standard = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}
    return [(field.name, standard.get(field.field_type, field.field_type), field.mode)
            for field in bench.rest.get_table(f"{bench.dataset}.{table}").schema]


def follows(bench: Workbench, *, table: str = "t", kept: tuple[str, ...] = (), **options: Any) -> CycleOutcome:
    """
    A cycle that goes well, after which the target holds the source's rows, cell by cell.

    Args:
        bench: with a table that has the key `id`.
        table: its name.
        kept: columns of the target that are not the source's and may hold anything. Every other one is NULL.
        options: of the cycle.
    """
    outcome = bench.sync(**options)[table]
    assert outcome.error is None, outcome.error
    cursor = bench.db.execute(f'SELECT * FROM "{table}" ORDER BY id')
    names = [column[0].lower() for column in cursor.description]
    expected = [dict(zip(names, row, strict=True)) for row in cursor]
    found = [{name.lower(): _plain(value) for name, value in row.items()} for row in bench.rows(table, "id")]
    others = {name for row in found for name in row if name not in names and name not in kept}
    assert [{name: row[name] for name in names} for row in found] == expected
    assert [row for row in found for name in others if row[name] is not None] == []
    return outcome


def _plain(value: object) -> object:
    return int(value.timestamp()) if isinstance(value, datetime) else value


def make_target(bench: Workbench, *columns: bigquery.SchemaField, labels: dict[str, str] | None = None) -> None:
    """A target that was there before the first sync; ours, if nothing else is said."""
    bench.rest.create_dataset(bench.dataset, exists_ok=True)
    table = bigquery.Table(f"{bench.rest.project}.{bench.dataset}.t", columns)
    table.labels = {"bqsync": "target"} if labels is None else labels
    bench.rest.create_table(table)

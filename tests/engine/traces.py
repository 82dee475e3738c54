"""What a command could have left behind: files, tables, rows, jobs."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.workbench import Workbench

_SIDE_FILES = ("-wal", "-shm")


def traces(bench: Workbench) -> tuple[dict[str, str], dict[str, tuple[object, ...]], int]:
    """Every file below the folder, every table of the dataset with its number of rows, how many MERGEs were run."""
    files = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(bench.folder.rglob("*"))
             if path.is_file() and not (path.is_relative_to(bench.state_path.parent)
                                        and path.name.endswith(_SIDE_FILES))}
    # By the state's own folder: a reader of a file in WAL mode may leave an empty -wal beside it.
    folders = {str(path): "" for path in bench.folder.rglob("*") if path.is_dir()}
    datasets = {item.dataset_id for item in bench.rest.list_datasets()}
    names = bench.tables() if bench.dataset in datasets else set()
    tables: dict[str, tuple[object, ...]] = {}
    for name in names:
        table = bench.rest.get_table(f"{bench.dataset}.{name}")
        tables[name] = (table.created, table.modified, dict(table.labels), [field.name for field in table.schema])
    rows = " UNION ALL ".join(f"SELECT '{name}' AS name, COUNT(*) AS n FROM {{d}}.`{name}`" for name in sorted(names))
    counts = {row["name"]: (row["n"],) for row in bench.query(rows)} if names else {}
    tables = {name: (*table, *counts[name]) for name, table in tables.items()}
    # Some engines list dry runs as jobs; those have no staging table.
    return files | folders, tables, sum("_bqsync_staging_" in text for text in bench.merges())

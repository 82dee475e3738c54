"""
Primary keys of tables, which bqemulator takes and forgets. Tried with 1.4.0.

BigQuery does not enforce them either, but it shows them, and its optimizer believes them: one that is no longer true
makes wrong results. Here they are kept for as long as the process lives; a table that was made by an earlier one has
none, which is never wrong. Source: https://cloud.google.com/bigquery/docs/primary-foreign-keys
"""

from __future__ import annotations

import re
from typing import Any

_ALTER = re.compile(r"\s*ALTER\s+TABLE\s+(?P<table>.+?)\s+(?P<verb>ADD|DROP)\s+PRIMARY\s+KEY\b(?P<rest>.*)",
                    re.IGNORECASE | re.DOTALL)
_COLUMNS = re.compile(r"\((.*)\)", re.DOTALL)
_keys: dict[tuple[str, str, str, Any], list[str]] = {}
"""By the three names of a table and its time of creation."""


def keep_primary_keys() -> None:
    """Have table resources keep their primary key. Called once, before the emulator starts."""
    from bqemulator.api.routes import tables
    from bqemulator.jobs import executor

    parse, show = tables._rest_to_table_meta, tables._table_to_rest
    run = executor._run_single_sql

    def parse_table(project: str, dataset: str, body: dict[str, Any], *others: Any) -> Any:
        meta = parse(project, dataset, body, *others)
        columns = ((body.get("tableConstraints") or {}).get("primaryKey") or {}).get("columns")
        if columns:
            _keys[_name(meta)] = list(columns)
        return meta

    def table_to_rest(meta: Any) -> dict[str, Any]:
        columns = _keys.get(_name(meta))
        constraints = {"tableConstraints": {"primaryKey": {"columns": columns}}} if columns else {}
        return {**show(meta), **constraints}

    async def run_single(project: str, statement: str, params: Any, ctx: Any, *, caller: Any) -> Any:
        found = _ALTER.fullmatch(statement)
        if found is not None:
            _alter(project, found, ctx)
        return await run(project, "SELECT 1" if found else statement, params, ctx, caller=caller)

    setattr(tables, "_rest_to_table_meta", parse_table)
    setattr(tables, "_table_to_rest", table_to_rest)
    setattr(executor, "_run_single_sql", run_single)


def _alter(project: str, found: re.Match[str], ctx: Any) -> None:
    from bqemulator.domain.errors import InvalidQueryError
    from sqlglot import exp

    table = exp.to_table(found["table"], dialect="bigquery")
    meta = ctx.catalog.get_table(table.catalog or project, table.db, table.name)
    if meta is None:
        raise InvalidQueryError(f"Not found: Table {found['table']}")
    name, is_dropped = _name(meta), found["verb"].upper() == "DROP"
    if is_dropped is (name not in _keys):
        raise InvalidQueryError("Table has no primary key" if is_dropped else "Table already has a primary key")
    columns = _COLUMNS.search(found["rest"])
    if is_dropped:
        del _keys[name]
    elif columns is not None:
        _keys[name] = [column.strip().strip("`") for column in columns[1].split(",")]


def _name(meta: Any) -> tuple[str, str, str, Any]:
    return meta.project_id, meta.dataset_id, meta.table_id, meta.creation_time

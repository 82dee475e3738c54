"""
ALTER TABLE as BigQuery does it; bqemulator hands it to DuckDB as it stands. Tried with 1.4.0.

**NUMERIC** becomes DuckDB's DECIMAL of 3 decimal places there, so that a column which was added or widened by a
statement rounds what is written to it. Here it has 9 places, as in a table that is made by REST.

**The resource** of the table stays as it was: its columns, their types and modes. Here it follows the statement. And it
keeps the bounds of a type (`STRING(5)`), which it forgets there; like there, nothing is checked against them.

**What BigQuery refuses** is done there. Here it is refused: another conversion of a type than the documented ones, the
end or another name of a column by which the table is clustered.
Source: https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language
"""

from __future__ import annotations

import re
from typing import Any

_ALTER = re.compile(r"\s*ALTER\s+TABLE\b", re.IGNORECASE)
_LEGACY = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}
_CONVERSIONS = {"INT64": ("NUMERIC", "BIGNUMERIC", "FLOAT64"), "NUMERIC": ("BIGNUMERIC", "FLOAT64")}
_PLACES = "NUMERIC(38, 9)"
"""How sqlglot has to read NUMERIC for DuckDB to keep 9 places."""


def alter_as_bigquery_does() -> None:
    """Replace what runs single statements in bqemulator. Called once, before the emulator starts."""
    from bqemulator.jobs import executor

    run = executor._run_single_sql

    async def run_single(project_id: str, statement: str, params: Any, ctx: Any, *, caller: Any) -> Any:
        if not _ALTER.match(statement):
            return await run(project_id, statement, params, ctx, caller=caller)
        text, after = _follow(project_id, statement, ctx)
        result = await run(project_id, text, params, ctx, caller=caller)
        if after is not None:
            ctx.catalog.update_table(after)
        return result

    setattr(executor, "_run_single_sql", run_single)


def keep_bounds_of_types() -> None:
    """Have table resources keep `maxLength`, `precision` and `scale`. Called once, before the emulator starts."""
    from bqemulator.api.routes import tables

    parse, show = tables._parse_schema_fields, tables._field_to_rest
    bounds = {"maxLength": "max_length", "precision": "precision", "scale": "scale"}

    def parse_fields(raw: list[dict[str, Any]]) -> tuple[Any, ...]:
        return tuple(
            field.model_copy(update={name: int(given[key]) for key, name in bounds.items() if given.get(key)})
            for field, given in zip(parse(raw), raw, strict=True)
        )

    def field_to_rest(field: Any) -> dict[str, Any]:
        found = {key: getattr(field, name) for key, name in bounds.items()}
        return {**show(field), **{key: str(value) for key, value in found.items() if value is not None}}

    setattr(tables, "_parse_schema_fields", parse_fields)
    setattr(tables, "_field_to_rest", field_to_rest)


def _follow(project_id: str, statement: str, ctx: Any) -> tuple[str, Any]:
    """The statement as DuckDB has to be given it, and the table's resource after it; None where it stays as it is."""
    from bqemulator.catalog.models import TableSchema
    from sqlglot import exp, parse_one

    tree = parse_one(statement, read="bigquery")
    table = tree.this
    if not isinstance(tree, exp.Alter) or not isinstance(table, exp.Table):
        return statement, None
    found = ctx.catalog.get_table(table.catalog or project_id, table.db, table.name)
    if found is None:
        return statement, None
    fields = list(found.schema_.fields)
    clustered = {name.lower() for name in found.clustering.fields} if found.clustering else set()
    for action in tree.args["actions"]:
        _apply(action, fields, clustered)
    after = found.model_copy(update={"schema_": TableSchema(fields=tuple(fields)),
                                     "last_modified_time": ctx.clock.now()})
    return tree.sql(dialect="bigquery"), after


def _apply(action: Any, fields: list[Any], clustered: set[str]) -> None:
    """Do to a list of columns what an action does; types in the action become those that DuckDB is to have."""
    from bqemulator.catalog.models import TableFieldSchema
    from sqlglot import exp

    name = action.name if not isinstance(action.this, exp.Expression) else action.this.name
    place = next((index for index, field in enumerate(fields) if field.name.lower() == name.lower()), None)
    if isinstance(action, exp.ColumnDef):
        if place is None:
            fields.append(TableFieldSchema(name=name, **_declared(action.args["kind"])))
        action.set("kind", _for_duckdb(action.args["kind"]))
        return
    if place is None:
        return  # DuckDB knows what to say
    if isinstance(action, exp.Drop | exp.RenameColumn) and name.lower() in clustered:
        raise _refused(f"column {name} is a clustering column: it can be neither dropped nor renamed")
    if isinstance(action, exp.Drop):
        del fields[place]
    elif isinstance(action, exp.RenameColumn):
        fields[place] = fields[place].model_copy(update={"name": action.args["to"].name})
    elif isinstance(action, exp.AlterColumn) and action.args.get("dtype"):
        declared = _declared(action.args["dtype"])
        _check_conversion(fields[place], declared["type"], is_clustered=name.lower() in clustered)
        fields[place] = fields[place].model_copy(
            update={"max_length": None, "precision": None, "scale": None, **declared})
        action.set("dtype", _for_duckdb(action.args["dtype"]))
    elif isinstance(action, exp.AlterColumn) and action.args.get("allow_null"):
        fields[place] = fields[place].model_copy(update={"mode": "NULLABLE"})


def _declared(kind: Any) -> dict[str, Any]:
    """Type and bounds as the resource of a table has them."""
    name, _, bounds = kind.sql(dialect="bigquery").rstrip(")").partition("(")
    if name == "BIGNUMERIC":
        raise _refused("there is no BIGNUMERIC here: DuckDB's decimals have 38 digits")
    numbers = [int(number) for number in bounds.split(",") if number.strip()]
    names = ("max_length",) if name in ("STRING", "BYTES") else ("precision", "scale")
    return {"type": name, **dict(zip(names, numbers, strict=False))}


def _for_duckdb(kind: Any) -> Any:
    from sqlglot import exp

    name = kind.sql(dialect="bigquery").partition("(")[0]
    return exp.DataType.build(_PLACES if name == "NUMERIC" else name, dialect="bigquery")


def _check_conversion(field: Any, wanted: str, *, is_clustered: bool) -> None:
    there = _LEGACY.get(field.type.upper(), field.type.upper())
    if wanted != there and wanted not in _CONVERSIONS.get(there, ()):
        raise _refused("ALTER TABLE ALTER COLUMN SET DATA TYPE requires that the existing column type "
                       f"({there}) is assignable to the new type ({wanted})")
    if field.mode == "REQUIRED":
        raise _refused(f"Column `{field.name}` cannot change mode via SET DATA TYPE.")
    if is_clustered and wanted == "FLOAT64":
        raise _refused(f"column {field.name} is a clustering column, which can't be {wanted}")


def _refused(why: str) -> Exception:
    from bqemulator.domain.errors import InvalidQueryError

    refusal: Exception = InvalidQueryError(why)
    return refusal

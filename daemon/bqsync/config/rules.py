"""The rules that span keys: values in, problems out. Looks at the file system only to follow symbolic links."""

import os.path
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bqsync.errors import Problem
from bqsync.model import DeletePolicy, SweepPolicy, TableMode, TargetType, folded

_Values = Mapping[str, Any]
_Line = Callable[..., int | None]


def check(sections: Mapping[str, _Values], tables: Sequence[_Values], line: _Line) -> Iterator[Problem]:
    """
    Yield what is wrong between keys. Values that were refused on their own are absent and skipped.

    `line` tells the line of a key by its path; None where the value does not come from the file.
    """
    yield from _check_files(sections["source"], sections["state"], line)
    yield from _check_endpoints(sections["bigquery"], line)
    yield from _check_repetition(tables, line, "name")
    yield from _check_repetition(tables, line, "target")
    for index, table in enumerate(tables):
        yield from _check_message(index, table, sections["protos"], line)
        yield from _check_columns(index, table, line)
        yield from _check_sweep(index, table, line)
        yield from _check_mode(index, table, line)
        yield from _check_partitions(index, table, line)


def _check_files(source: _Values, state: _Values, line: _Line) -> Iterator[Problem]:
    db, file = source.get("db"), state.get("file")
    if db and file and os.path.realpath(db) == os.path.realpath(file):
        yield Problem(
            "state.file is the source database: bqsync never writes into that",
            "give the state a file of its own",
            line("state", "file"),
        )


def _check_endpoints(bigquery: _Values, line: _Line) -> Iterator[Problem]:
    rest, grpc = bigquery.get("rest_endpoint"), bigquery.get("grpc_endpoint")
    if bigquery.get("embedded") and (rest or grpc):
        yield Problem(
            "bigquery.embedded is on while an endpoint is set: rows can go to one place only",
            "remove embedded = true, or the endpoints",
            line("bigquery", "embedded"),
        )
    elif bool(rest) != bool(grpc):
        # One of the two would send half of the calls to Google's BigQuery and half to the other one.
        given, missing = ("rest_endpoint", "grpc_endpoint") if rest else ("grpc_endpoint", "rest_endpoint")
        variable = {
            "rest_endpoint": "BIGQUERY_EMULATOR_HOST",
            "grpc_endpoint": "BIGQUERY_STORAGE_EMULATOR_HOST",
        }[missing]
        yield Problem(
            f"bigquery.{given} is set without bigquery.{missing}",
            f"set both: add {missing}, or set {variable}",
            line("bigquery", given),
        )


def _check_repetition(tables: Sequence[_Values], line: _Line, key: str) -> Iterator[Problem]:
    """SQLite compares names without regard to case; two targets that differ in case alone invite mistakes."""
    seen: dict[str, int] = {}
    for index, table in enumerate(tables):
        name = table.get(key)
        if name is None:
            continue
        first = seen.setdefault(folded(name), index)
        same_name = folded(tables[first].get("name", "")) == folded(table.get("name", ""))
        # A table that stands twice has the same target by default: once is enough to say it.
        if first == index or (key == "target" and same_name):
            continue
        if key == "name":
            message, fix = f'table "{name}" is configured twice', "remove one of the two"
        else:
            message = f'two tables go to the same target "{name}": "{tables[first].get("name")}" is the other'
            fix = "give one of them another target"
        place = line("tables", index, key) or line("tables", index, "name")
        yield Problem(f"tables[{index}].{key}: {message}", fix, place)


def _check_message(index: int, table: _Values, protos: _Values, line: _Line) -> Iterator[Problem]:
    if table.get("message") and not protos.get("files") and not protos.get("descriptor_set"):
        yield Problem(
            f"tables[{index}].message names a message, and there are no .proto files to find it in",
            "add files = [...] and descriptor_set to [protos], or remove message",
            line("tables", index, "message"),
        )


def _check_sweep(index: int, table: _Values, line: _Line) -> Iterator[Problem]:
    if table.get("sweep") is SweepPolicy.OFF and not table.get("watermark"):
        yield Problem(
            f'tables[{index}].sweep is "off" and the table has no watermark: nothing would ever be read',
            "name a watermark column, or remove sweep",
            line("tables", index, "sweep"),
        )


def _check_mode(index: int, table: _Values, line: _Line) -> Iterator[Problem]:
    deletes = table.get("deletes", DeletePolicy.IGNORE)
    if table.get("mode") is TableMode.APPEND and deletes is not DeletePolicy.IGNORE:
        yield Problem(
            f'tables[{index}].deletes is "{deletes}" and mode is "append", in which no row is ever gone',
            "remove deletes, or mode",
            line("tables", index, "deletes"),
        )


def _check_partitions(index: int, table: _Values, line: _Line) -> Iterator[Problem]:
    if "partition_unit" in table and not table.get("partition_by"):
        yield Problem(
            f"tables[{index}].partition_unit is set without partition_by: nothing would be partitioned",
            "name the column in partition_by, or remove partition_unit",
            line("tables", index, "partition_unit"),
        )


def _check_columns(index: int, table: _Values, line: _Line) -> Iterator[Problem]:
    types, timestamps = table.get("types", {}), table.get("timestamps", {})
    for key, columns in (("types", types), ("timestamps", timestamps)):
        lowered: set[str] = set()
        for column in columns:
            if folded(column) in lowered:
                place = line("tables", index, key, column)
                message = f'tables[{index}].{key}: column "{column}" stands twice'
                yield Problem(message, "upper and lower case are the same column: remove one", place)
            lowered.add(folded(column))
    typed = {folded(column): target for column, target in types.items()}
    for column in timestamps:
        if typed.get(folded(column), TargetType.TIMESTAMP) is not TargetType.TIMESTAMP:
            yield Problem(
                f'tables[{index}].timestamps: column "{column}" is a {typed[folded(column)]} by types',
                "remove the column from timestamps, or make its type TIMESTAMP",
                line("tables", index, "timestamps", column),
            )

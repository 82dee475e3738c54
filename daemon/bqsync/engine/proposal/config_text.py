"""The text of a commented config.toml. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from bqsync.engine.proposal.column_types import counted
from bqsync.engine.proposal.facts import ColumnProposal, Proposal, TableProposal, WatermarkProposal
from bqsync.engine.proposal.propose import LARGE_ROWS
from bqsync.engine.proposal.proto_text import comment
from bqsync.model import TargetType

INDEX_ROWS = 100_000
"""From here on an index is worth its room."""
_WIDTH = 118
_PARTITIONING_TYPES = (TargetType.TIMESTAMP, TargetType.DATETIME, TargetType.DATE)
PLACEHOLDER_PROJECT = "my-project"


def config_text(proposal: Proposal, db: str, protos: tuple[str, str]) -> str:
    """
    The configuration.

    Args:
        proposal: what was decided.
        db: the path of the database, as the file is to name it.
        protos: the paths of the .proto file and of its descriptor set.
    """
    lines = [*_head(proposal, db), *_bigquery(proposal), "", "[protos]", f"files = [{quoted(protos[0])}]",
             f"descriptor_set = {quoted(protos[1])}"]
    for table in proposal.accepted:
        lines += ["", *_table(table)]
    lines += _left_out(proposal.tables)
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """A basic string of TOML, whose escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else quoted(name)


def _head(proposal: Proposal, db: str) -> Iterator[str]:
    yield from _comment(f"Proposed by `bqsync init` from {proposal.db.name}: what was decided, and on what evidence, "
                        "stands beside it. Next: bqsync check, bqsync sync, bqsync verify.")
    yield "# Every key: docs/configuration.md"
    yield ""
    yield "[source]"
    yield f"db = {quoted(db)}"
    yield '# time_zone = "Europe/Berlin"  # of dates and times that name no offset; without this line UTC'


def _bigquery(proposal: Proposal) -> Iterator[str]:
    yield ""
    yield "[bigquery]"
    yield f"project = {quoted(proposal.project or PLACEHOLDER_PROJECT)}"
    yield f"dataset = {quoted(proposal.dataset)}"
    if proposal.project is None:
        yield "embedded = true  # a BigQuery that runs on this machine"
        yield "# Google's BigQuery: remove the line above, set project and dataset to yours, and take what you need of"
    yield '# location = "US"  # of the dataset'
    yield '# credentials_file = "key.json"  # without one, Application Default Credentials'


def _table(table: TableProposal) -> Iterator[str]:
    yield "[[tables]]"
    yield f"name = {quoted(table.name)}  # {counted(table.rows, 'row')}, about {_size(table.size_bytes)}"
    for remark in table.remarks:
        yield from _comment(remark)
    if table.target is not None:
        yield f"target = {quoted(table.target)}"
    yield f"message = {quoted(table.message)}"
    yield f"key = {_list(table.key)}  # {table.key_reason}"
    yield from _watermarks(table)
    yield 'deletes = "delete"  # or "mark": keep the row and say when it went; or "ignore": keep it as it was'
    yield from _sweeps(table)
    yield from _partitions(table)
    yield from _columns(table)


def _watermarks(table: TableProposal) -> Iterator[str]:
    for item in table.watermarks:
        if item.chosen:
            yield from _comment(f"{item.column}: {item.evidence}")
    if table.watermark:
        yield f"watermark = {_list(table.watermark)}"
    else:
        yield "# no watermark: the whole table is compared when the file has changed, which finds every change"
    for item in table.watermarks:
        if not item.chosen:
            yield from _comment(f"not taken as watermark: {item.column}, {item.evidence}")
    others = [item for item in table.watermarks if item.usable]
    if others and not table.watermark:
        yield from _offer(table, others[0])


def _offer(table: TableProposal, item: WatermarkProposal) -> Iterator[str]:
    if not item.indexed and table.rows >= INDEX_ROWS:
        name, column = table.name.replace('"', '""'), item.column.replace('"', '""')
        yield from _comment(f'CREATE INDEX "{name}_{column}" ON "{name}" ("{column}") would make it a short read')
    yield f"# watermark = {_list([item.column])}"


def _sweeps(table: TableProposal) -> Iterator[str]:
    if table.rows < LARGE_ROWS:
        return
    size = f"{table.rows:,} rows of about {_size(table.size_bytes)}"
    if table.watermark:
        yield from _comment(f"{size}: each sweep reads them all. What no watermark tells (deletes, other updates) "
                            "waits for the next one")
        yield '# sweep_interval = "6h"'
    else:
        yield from _comment(f"{size} are read whenever the file has changed, as often as `sync.sweep_duty` allows; an "
                            "indexed column that moves with every write, as watermark, spares that; where rows are "
                            'only ever added, mode = "append" takes an AUTOINCREMENT column as well')


def _partitions(table: TableProposal) -> Iterator[str]:
    """An offer alone: which column of time a table is read by, its data do not tell."""
    columns = [column.name for column in table.columns if column.choice.target_type in _PARTITIONING_TYPES]
    # A column that moves with every write would have each written row move to another partition.
    steady = [name for name in columns if name not in table.watermark]
    if table.rows < LARGE_ROWS or not columns:
        return
    yield from _comment("partitions have each MERGE read those of its rows alone, not the whole target: a column of "
                        "time that never changes is best; what it saves stands in docs/cost.md")
    yield f"# partition_by = {quoted((steady or columns)[0])}"
    yield '# partition_unit = "day"'


def _columns(table: TableProposal) -> Iterator[str]:
    for column in table.columns:
        if column.undecided:
            yield from _comment(f"column {column.name}: {column.remark}")
        elif column.remark and not column.configured:
            yield from _comment(f"column {column.name} becomes {column.choice}: {column.remark}")
    types = [column for column in table.columns
             if column.configured and column.choice.target_type is not TargetType.TIMESTAMP]
    instants = [column for column in table.columns if column.configured and column not in types]
    yield from _settings("types", types)
    yield from _settings("timestamps", instants)
    empty = [column for column in table.columns if column.undecided]
    if empty and not instants:
        yield ""
        yield "# [tables.timestamps]"
    for column in empty:
        yield f'# {_key(column.name)} = "unix_seconds"'


def _settings(section: str, columns: Sequence[ColumnProposal]) -> Iterator[str]:
    if not columns:
        return
    yield ""
    yield f"[tables.{section}]"
    for column in columns:
        value = column.choice.timestamp_format or column.choice.target_type
        yield from _comment(f"{column.declared_type or 'no declared type'}: {column.remark or 'as declared'}")
        yield f"{_key(column.name)} = {quoted(value.value)}"


def _left_out(tables: Sequence[TableProposal]) -> Iterator[str]:
    """Tables that are left out for the same reason share a comment."""
    for reason, alike in by_refusal(tables).items():
        yield ""
        yield from _comment(f"Left out: {', '.join(table.name for table in alike)}: {reason}.")
        for table in alike:
            if table.wants_key:
                yield from ("# [[tables]]", f"# name = {comment(quoted(table.name))}",
                            '# key = ["…"]  # or, if rows are only ever added to it: mode = "append"')


def by_refusal(tables: Sequence[TableProposal]) -> dict[str, list[TableProposal]]:
    """The tables that are left out, by the reason."""
    found: dict[str, list[TableProposal]] = {}
    for table in tables:
        if table.refused:
            found.setdefault(table.refused, []).append(table)
    return found


def _comment(text: str) -> Iterator[str]:
    """Lines of comment, broken between words."""
    line = "#"
    for word in comment(text).split(" "):
        if len(line) + 1 + len(word) > _WIDTH and line != "#":
            yield line
            line = "#"
        line = f"{line} {word}"
    yield line


def _list(names: Sequence[str]) -> str:
    return f"[{', '.join(map(quoted, names))}]"


def _size(size_bytes: int) -> str:
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}"
    return f"{size_bytes} bytes"


def relative_to(path: Path, folder: Path) -> str:
    """A path as a file in `folder` names it: relative where it lies below, else absolute."""
    whole, base = path.absolute(), folder.absolute()
    return str(whole.relative_to(base)) if whole.is_relative_to(base) else str(whole)

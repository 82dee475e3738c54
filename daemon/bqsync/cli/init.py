"""`bqsync init`: from a database that nobody prepared to a configuration that works."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bqsync.cli.options import json_option, log_options
from bqsync.cli.output import print_json, print_table, say

if TYPE_CHECKING:
    from bqsync.engine.proposal.facts import Proposal, TableProposal

_PROGRESS_FROM_ROWS = 1_000_000
_PROGRESS_EVERY_S = 2.0


def _as_in_the_file(name: str) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    """A callback that refuses what the configuration would refuse."""
    def check(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
        from bqsync.config import schema
        from bqsync.config.convert import UnfitValueError, convert

        try:
            return value if value is None else str(convert(value, getattr(schema, name), Path()))
        except UnfitValueError as error:
            raise click.BadParameter(f"{error}: {error.fix}") from error

    return check


@click.command()
@click.option("--db", "db", type=click.Path(path_type=Path), required=True, metavar="FILE", help="The SQLite file.")
@click.option("--project", metavar="P", callback=_as_in_the_file("Project"),
              help="Google Cloud project.  [default: a BigQuery on this machine]")
@click.option("--dataset", metavar="D", callback=_as_in_the_file("Dataset"),
              help="Dataset of the targets.  [default: named after the file]")
@click.option("--out", "out", type=click.Path(path_type=Path), default=Path(), metavar="DIR",
              help="Where config.toml and protos/ are written.  [default: the current folder]")
@click.option("--force", is_flag=True, help="Replace files that are there.")
@log_options
@json_option
def init(
    *, db: Path, project: str | None, dataset: str | None, out: Path, force: bool, log_level: str | None,
    log_format: str | None, as_json: bool,
) -> int:
    """Read a database and write a commented configuration for it that works as it is."""
    from bqsync.encode.compiler import require_compiler
    from bqsync.engine.proposal.files import planned_files, refuse_to_overwrite, write_proposal
    from bqsync.engine.proposal.names import file_name
    from bqsync.engine.proposal.propose import propose
    from bqsync.observe.log import configure

    configure(log_level or "info", log_format or "auto")
    require_compiler()
    if not force:
        refuse_to_overwrite(planned_files(file_name(db.stem), out))
    proposal = propose(db, project=project, dataset=dataset, progress=_progress())
    files = write_proposal(proposal, out)
    if as_json:
        print_json(_as_dict(proposal, files))
    else:
        _show(proposal, files, out)
    return 0


def _progress() -> Callable[[str, int, int], None]:
    """A line on standard error now and then, for tables that take their time."""
    said_s = time.monotonic()

    def tell(table: str, rows: int, total: int) -> None:
        nonlocal said_s
        if total >= _PROGRESS_FROM_ROWS and time.monotonic() - said_s >= _PROGRESS_EVERY_S:
            said_s = time.monotonic()
            say(f"reading {table}: {rows:,} of about {total:,} rows", err=True)

    return tell


def _show(proposal: Proposal, files: tuple[Path, ...], out: Path) -> None:
    from bqsync.engine.proposal.config_text import by_refusal

    print_table(["table", "rows", "key", "watermark", "not as declared", "values in quarantine"],
                [[table.name, table.rows, ", ".join(table.key), ", ".join(table.watermark) or "-",
                  sum(column.configured for column in table.columns), _misfits(table)]
                 for table in proposal.accepted])
    for reason, tables in by_refusal(proposal.tables).items():
        say(f"left out  {', '.join(table.name for table in tables)}: {reason}")
    for table in proposal.tables:
        for remark in table.remarks:
            say(f"note      {table.name}: {remark}")
    for file in files:
        say(f"written   {file}")
    where = f"cd {out} && " if out != Path() else ""
    say(f"\nNext:  {where}bqsync check\n       bqsync sync\n       bqsync verify")


def _misfits(table: TableProposal) -> int:
    return sum(column.misfits for column in table.columns)


def _as_dict(proposal: Proposal, files: tuple[Path, ...]) -> dict[str, Any]:
    return {"db": str(proposal.db), "project": proposal.project, "dataset": proposal.dataset,
            "files": [str(file) for file in files], "tables": [_table(table) for table in proposal.tables]}


def _table(table: TableProposal) -> dict[str, Any]:
    return {
        "name": table.name, "refused": table.refused or None, "target": table.target, "message": table.message or None,
        "key": table.key, "key_reason": table.key_reason, "rows": table.rows, "bytes": table.size_bytes,
        "remarks": table.remarks,
        "watermarks": [{"column": item.column, "chosen": item.chosen, "evidence": item.evidence}
                       for item in table.watermarks],
        "columns": [{"name": column.name, "declared": column.declared_type, "type": column.choice.target_type.value,
                     "format": column.choice.timestamp_format, "target": column.target_name, "remark": column.remark,
                     "misfits": column.misfits} for column in table.columns],
    }

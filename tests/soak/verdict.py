"""The comparison at the end: every row and every cell, by code that is not the project's; then by its own commands."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Set as AbstractSet
from contextlib import closing

from tests.cells import is_same
from tests.soak.report import Report, SoakError
from tests.soak.site import Site
from tests.soak.tables import MARK, Expected, Key, Kind, Row, expected
from tests.workbench import run_command

_SHOWN = 8


def compare(site: Site, report: Report) -> int:
    """
    Compare all tables; the number of rows.

    Raises:
        SoakError: they differ.
    """
    found: list[str] = []
    rows = 0
    waiting: set[tuple[str, Key]] = set()
    with site.database() as db:
        for kind in site.kinds:
            wanted = expected(db, kind)
            rows += len(wanted.rows)
            waiting |= {(kind.name, tuple(map(str, key))) for key in wanted.waiting}
            found += differences(kind, wanted, _target(site, kind), _known_columns(site, kind))
    if found:
        shown = "\n  ".join(found[:_SHOWN])
        raise SoakError(f"{len(found)} differences between source and target:\n  {shown}")
    report.say(f"every cell of {rows:,} rows is equal; {len(waiting)} rows wait in quarantine")
    _ask_quarantine(site, waiting)
    _ask_verify(site)
    report.say("`bqsync quarantine` lists the same rows, and `bqsync verify` finds no difference")
    return rows


def dump(site: Site) -> None:
    """Write down what the targets hold, beside everything else that is kept of a run that failed."""
    for name in sorted(site.targets()):
        lines = (json.dumps(row, default=str) for row in site.rows(f"SELECT * FROM {{d}}.`{name}`"))
        (site.folder / f"target-{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")


def _target(site: Site, kind: Kind) -> dict[Key, list[Row]]:
    found: dict[Key, list[Row]] = {}
    for row in site.rows(f"SELECT * FROM {{d}}.{kind.name}"):
        if row.pop(MARK, None) is None:
            found.setdefault(tuple(row[name] for name in kind.key), []).append(row)  # type: ignore[misc] # of Cells
    return found


def _known_columns(site: Site, kind: Kind) -> set[str]:
    """Columns of the target of which the state knows that they are its own."""
    with closing(sqlite3.connect(site.state_path)) as state:
        rows = state.execute("SELECT f.target_name FROM fields f JOIN tables t ON t.id = f.table_id WHERE t.name = ?",
                             (kind.name,))
        return {name for (name,) in rows if name is not None}


def differences(kind: Kind, wanted: Expected, target: dict[Key, list[Row]], ours: AbstractSet[str]) -> list[str]:
    """
    What is wrong in a target, in words.

    Args:
        kind: of the table.
        wanted: what the source has.
        target: what the target has.
        ours: columns of which the state knows. Of others that only the target has, it has lost sight with an earlier
            state (docs/exactness.md, What is not promised).
    """
    told = []
    for key, rows in target.items():
        if len(rows) > 1:
            told.append(f"{kind.name} {key} stands {len(rows)} times in the target")
        if key not in wanted.rows and key not in wanted.waiting:
            told.append(f"{kind.name} {key} is gone from the source and stands in the target")
    for key, row in wanted.rows.items():
        if key not in target:
            told.append(f"{kind.name} {key} is missing in the target")
            continue
        arrived = target[key][0]
        # Columns that only the target has: those of a source that was restored to fewer of them. They are NULL.
        columns = sorted(name for name in row.keys() | (arrived.keys() & ours)
                         if not is_same(row.get(name), arrived.get(name)))
        if columns:
            told.append(f"{kind.name} {key} differs in {', '.join(columns)}: " + "; ".join(
                f"{row.get(name)!r} is {arrived.get(name)!r}" for name in columns))
    return told


def _ask_quarantine(site: Site, waiting: set[tuple[str, Key]]) -> None:
    done = run_command("quarantine", "-c", str(site.config_path), "--json", "--limit", "1000000", folder=site.folder)
    if done.returncode:
        raise SoakError(f"`bqsync quarantine` has ended with {done.returncode}: {done.stderr}")
    listed = {(row["table"], tuple(row["key"])) for row in json.loads(done.stdout)["rows"]}
    if listed != waiting:
        raise SoakError(f"the quarantine lists {sorted(listed - waiting)[:_SHOWN]} too many, "
                        f"and lacks {sorted(waiting - listed)[:_SHOWN]}")


def _ask_verify(site: Site) -> None:
    done = run_command("verify", "-c", str(site.config_path), "--json", folder=site.folder)
    if done.returncode or not json.loads(done.stdout)["equal"]:
        raise SoakError(f"`bqsync verify` has ended with {done.returncode}:\n{done.stdout[:4000]}\n{done.stderr}")

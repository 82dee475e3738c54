"""Databases that nobody prepared, and what is proposed for them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from bqsync.config import load
from bqsync.engine.check import Finding, run_checks
from bqsync.engine.proposal.files import write_proposal
from bqsync.engine.proposal.propose import propose

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bqsync.engine.proposal.facts import ColumnProposal, Proposal, TableProposal


def make(path: Path, script: str, *inserts: tuple[str, Sequence[Sequence[object]]]) -> Path:
    """A database that an application has made and closed."""
    with closing(sqlite3.connect(path)) as db:
        db.executescript(script)
        for statement, rows in inserts:
            db.executemany(statement, rows)
        db.commit()
    return path


def proposed(db: Path) -> Proposal:
    """What is proposed for a database."""
    return propose(db, project=None, dataset=None, progress=lambda *_: None)


def table_of(db: Path, name: str = "t") -> TableProposal:
    """What is proposed for one of its tables."""
    return next(table for table in proposed(db).tables if table.name == name)


def column_of(folder: Path, declared: str, values: Sequence[object], *, name: str = "c") -> ColumnProposal:
    """What is proposed for a column that is declared so and holds these values."""
    db = make(folder / "app.db", f'CREATE TABLE t (k INTEGER PRIMARY KEY, "{name}" {declared})',
              ("INSERT INTO t VALUES (NULL, ?)", [(value,) for value in values]))
    return table_of(db).columns[1]


def findings_of(proposal: Proposal, out: Path, *, levels: tuple[str, ...] = ("error",)) -> list[Finding]:
    """What the next command finds wrong with a proposal as it was written."""
    config, _, _ = write_proposal(proposal, out)
    return [finding for finding in run_checks(load(config, environ={}), offline=True) if finding.level in levels]

"""
Fills the nine tables with data as the application would have left it. The same seed gives the same rows.

In every table the first row has all gaps and the second has none: every column that may be NULL is NULL somewhere,
and holds a value somewhere else, however small the data.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from bqsync.demo.rows import GAPS, Row, RowMaker
from bqsync.demo.schema import TABLES, insert_statement, transaction

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator

    from bqsync.model import SqlValue

_END = 1_756_684_800.0
"""Unix epoch, seconds: the newest time in the data (2025-09-01). Fixed: a seed gives the same rows on any day."""
_SPAN_S = 240 * 86_400.0
_SEEN_PARENTS = 1_000
"""How many parents the rows of `fill_llm_runs` refer to."""


def fill(connection: sqlite3.Connection, *, seed: int, scale: int) -> dict[str, int]:
    """
    Insert rows into all nine tables, which `create_tables` has made; existing rows stay.

    Args:
        connection: not in a transaction; everything is inserted in one.
        seed: equal seeds give equal rows.
        scale: number of jobs, at least 2; about 11 rows in all for each.

    Returns:
        The number of inserted rows by table.

    Raises:
        sqlite3.Error: a table is missing or the database can't be written.
    """
    data = _Data(random.Random(f"fill {seed}"), scale)
    with transaction(connection):
        for table in TABLES:
            connection.executemany(insert_statement(table, data.tables[table][0]), data.tables[table])
    return {table: len(rows) for table, rows in data.tables.items()}


def fill_llm_runs(connection: sqlite3.Connection, rows: int, seed: int) -> None:
    """
    Insert many rows into llm_runs_v2, of about 1.3 kB each, in one transaction.

    They refer to the jobs, models and prompts that are there, or to none.

    Args:
        connection: not in a transaction.
        rows: how many.
        seed: equal seeds give equal rows over an equal database.

    Raises:
        sqlite3.Error: a table is missing, the database can't be written, or the rows of this seed are there already.
    """
    if rows < 1:
        return
    generated = _llm_runs(connection, rows, RowMaker(random.Random(f"llm_runs {seed}")))
    first = next(generated)
    statement = insert_statement("llm_runs_v2", first)
    with transaction(connection):
        connection.execute(statement, first)
        connection.executemany(statement, generated)


def _llm_runs(connection: sqlite3.Connection, rows: int, make: RowMaker) -> Iterator[Row]:
    jobs = _parents(connection, "SELECT job_id FROM job_details ORDER BY job_id LIMIT ?")
    models = _parents(connection, "SELECT model_id FROM llm_models ORDER BY model_id LIMIT ?")
    prompts = _parents(connection, "SELECT prompt_id FROM prompt ORDER BY prompt_id LIMIT ?")
    choice = make.rng.choice
    for number in range(rows):
        # Times run upwards with the rows, as they do in a table that grew over months.
        began = _END - _SPAN_S * (rows - number - make.rng.random()) / rows
        row = make.llm_run(began, job_id=choice(jobs), model_id=choice(models), prompt_id=choice(prompts))
        yield make.gappy("llm_runs_v2", row)


def _parents(connection: sqlite3.Connection, query: str) -> list[SqlValue]:
    return [row[0] for row in connection.execute(query, (_SEEN_PARENTS,))] or [None]


class _Data:
    """The rows of all tables, parents first."""

    def __init__(self, rng: random.Random, scale: int) -> None:
        self._make = RowMaker(rng)
        self._rng = rng
        self.tables: dict[str, list[Row]] = {}
        self._add_parents(max(scale, 2))
        self._add_children(max(scale, 2))

    def _add_parents(self, jobs: int) -> None:
        make = self._make
        self._add("job_runs", (make.job_run(self._time()) for _ in range(2 + jobs // 10)))
        self._add("job_details", (make.job(self._time()) for _ in range(jobs)))
        self._add("llm_models", (make.model() for _ in range(6)))
        models = self._keys("llm_models", "model_id")
        self._add("prompt", (make.prompt(self._time(), self._rng.choice(models)) for _ in range(8 + jobs // 50)))

    def _add_children(self, jobs: int) -> None:
        make, choice = self._make, self._rng.choice
        job_ids = self._keys("job_details", "job_id")
        models, prompts = self._keys("llm_models", "model_id"), self._keys("prompt", "prompt_id")
        self._add("document_store", (make.document(self._time(), choice(job_ids)) for _ in range(2 + jobs // 2)))
        resumes = self._keys("document_store", "document_id")
        self._add("run_findings", self._findings())
        self._add("job_quarantine", (make.quarantine(self._time(), choice(job_ids)) for _ in range(2 + jobs // 5)))
        self._add("job_skills", (make.skill(choice(job_ids), choice(resumes)) for _ in range(4 * jobs)))
        self._add("llm_runs_v2", (
            make.llm_run(self._time(), job_id=choice(job_ids), model_id=choice(models), prompt_id=choice(prompts))
            for _ in range(3 * jobs)
        ))

    def _findings(self) -> Iterator[Row]:
        runs = self._keys("job_runs", "job_run_id")
        for job_id in self._keys("job_details", "job_id"):
            for run in self._rng.sample(runs, self._rng.randint(1, min(3, len(runs)))):
                yield self._make.finding(run, job_id)

    def _add(self, table: str, rows: Iterable[Row]) -> None:
        self.tables[table] = [self._with_gaps(table, number, row) for number, row in enumerate(rows)]

    def _with_gaps(self, table: str, number: int, row: Row) -> Row:
        if number == 0:
            for gap in GAPS[table]:
                row.update(gap.values)
            return row
        return row if number == 1 else self._make.gappy(table, row)

    def _keys(self, table: str, column: str) -> list[SqlValue]:
        return [row[column] for row in self.tables[table]]

    def _time(self) -> float:
        return _END - self._rng.random() * _SPAN_S

"""The SQL files, the messages and the nine tables of the application are one and the same schema."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from importlib import resources
from pathlib import Path

import pytest

from bqsync.demo.schema import KEYS, create_statements, create_tables
from bqsync.encode.descriptors import load_messages
from bqsync.model import ProtoScalar

ROOT = Path(__file__).parents[1]
SCALARS = {
    "TEXT": ProtoScalar.STRING,
    "INTEGER": ProtoScalar.INTEGER,
    "REAL": ProtoScalar.FLOATING,
    "BOOLEAN": ProtoScalar.BOOL,
}
MESSAGES = {
    "job_runs": "JobRuns",
    "job_details": "JobDetails",
    "document_store": "DocumentStore",
    "run_findings": "RunFindings",
    "llm_models": "LlmModels",
    "job_quarantine": "JobQuarantine",
    "job_skills": "JobSkills",
    "prompt": "Prompt",
    "llm_runs_v2": "LlmRunsV2",
}
NOT_NULL = {
    "job_runs": ["job_run_timestamp"],
    "document_store": ["document_name", "document_timestamp"],
    "llm_models": ["model_name"],
    "job_quarantine": ["job_id"],
    "job_skills": ["job_id", "job_skills_atomic_string", "job_skills_type"],
}
FOREIGN_KEYS = {
    "document_store": {("document_job_id_reference", "job_details", "NO ACTION")},
    "run_findings": {("job_run_id", "job_runs", "CASCADE"), ("job_id", "job_details", "CASCADE")},
    "job_quarantine": {("job_id", "job_details", "CASCADE")},
    "job_skills": {("job_id", "job_details", "NO ACTION")},
    "prompt": {("model_id", "llm_models", "NO ACTION")},
    "llm_runs_v2": {
        ("job_id", "job_details", "NO ACTION"),
        ("llm_run_model_id", "llm_models", "NO ACTION"),
        ("llm_run_system_prompt_id", "prompt", "NO ACTION"),
    },
}


def created() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    create_tables(connection)
    return connection


def test_each_file_creates_the_table_of_its_name_and_refers_only_backwards() -> None:
    names = [f"{number:02}_create_{table}.sql" for number, table in enumerate(KEYS, start=1)]
    assert list(create_statements()) == names
    assert sorted(path.name for path in (ROOT / "sql").iterdir()) == names
    with closing(sqlite3.connect(":memory:")) as connection:
        for table, statement in zip(KEYS, create_statements().values(), strict=True):
            connection.executescript(statement)
            tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
            parents = {row[2] for row in connection.execute(f"PRAGMA foreign_key_list({table})")}
            assert table in tables
            assert parents <= tables


def test_creating_the_tables_again_changes_nothing() -> None:
    with closing(created()) as connection:
        create_tables(connection)
        assert connection.execute("SELECT count(*) FROM sqlite_schema WHERE type = 'table'").fetchone() == (9,)


@pytest.mark.parametrize("table", KEYS)
def test_columns_equal_the_fields_of_the_message_one_to_one(table: str) -> None:
    with closing(created()) as connection:
        columns = [(row[1], SCALARS[row[2]]) for row in connection.execute(f"PRAGMA table_info({table})")]
    fields = load_messages(ROOT / "protos" / "db_schemas.binpb")[MESSAGES[table]]
    assert [(field.name, field.scalar) for field in fields] == columns


def test_every_message_belongs_to_a_table() -> None:
    assert list(load_messages(ROOT / "protos" / "db_schemas.binpb")) == [MESSAGES[table] for table in KEYS]


@pytest.mark.parametrize("table", KEYS)
def test_keys_and_constraints_are_those_of_the_application(table: str) -> None:
    with closing(created()) as connection:
        columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
        references = {(row[3], row[2], row[6]) for row in connection.execute(f"PRAGMA foreign_key_list({table})")}
    keys = sorted((row[5], row[1]) for row in columns if row[5])
    assert tuple(name for _, name in keys) == KEYS[table]
    assert [row[1] for row in columns if row[3]] == NOT_NULL.get(table, [])
    assert references == FOREIGN_KEYS.get(table, set())


def test_defaults_and_checks_are_those_of_the_application() -> None:
    with closing(created()) as connection:
        connection.execute("INSERT INTO job_details (job_id) VALUES ('a')")
        connection.execute("INSERT INTO job_quarantine (job_quarantine_id, job_id) VALUES ('q', 'a')")
        assert connection.execute("SELECT job_applied FROM job_details").fetchone() == (0,)
        query = "SELECT typeof(job_quarantine_timestamp), job_quarantine_timestamp > 1e9 FROM job_quarantine"
        assert connection.execute(query).fetchone() == ("integer", 1)
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute("UPDATE job_details SET job_applied = 2")


@pytest.mark.parametrize("folder", ["sql", "protos"])
def test_the_package_carries_the_files_of_the_checkout(folder: str) -> None:
    packaged = resources.files("bqsync").joinpath(folder)
    inside = {file.name: file.read_bytes() for file in packaged.iterdir()}
    assert inside == {file.name: file.read_bytes() for file in (ROOT / folder).iterdir()}

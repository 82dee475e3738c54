"""The nine tables through the command, every cell compared by the tests' own means."""

from __future__ import annotations

import random
import sqlite3
from typing import Any

import pytest
from tests.fidelity.expected import KEYS, assert_equal, by_key, expected_of_nine
from tests.workbench import Workbench

from bqsync.demo.fill import fill
from bqsync.demo.schema import create_tables

EMOJI = "👩🏽‍🚀 naïve Ω \u202ertl\u202c 'quote' \"double\" `tick` \\N \\n\t\r\n\x01 �"
LONG = (EMOJI * 4000)[:100_000]

BY_HAND: dict[str, list[dict[str, Any]]] = {
    "job_runs": [
        {"job_run_id": "", "job_run_timestamp": 0, "job_run_keywords": ""},
        {"job_run_id": EMOJI, "job_run_timestamp": -1, "job_run_keywords": EMOJI},
        {"job_run_id": "first day", "job_run_timestamp": -62_135_596_800, "job_run_keywords": None},
        {"job_run_id": "last second", "job_run_timestamp": 253_402_300_799, "job_run_keywords": "NULL"},
    ],
    "job_details": [
        {"job_id": "nothing but a key", "job_applied": None},
        {"job_id": "long", "job_title": "", "job_description": LONG, "job_applied": 0, "job_url": "\\N"},
        {"job_id": "applied", "job_applied": 1, "job_applied_timestamp": 1_700_000_000, "job_company": EMOJI},
    ],
    "document_store": [
        {"document_id": "d", "document_name": "", "document_timestamp": 1, "document_markdown": LONG},
        {"document_id": "e", "document_name": " ", "document_timestamp": 2, "document_job_type": ""},
    ],
    "run_findings": [
        {"job_run_id": "", "job_id": "long", "job_run_page_num": 0, "job_run_rank": None},
        {"job_run_id": EMOJI, "job_id": "long", "job_run_page_num": None, "job_run_rank": 2**63 - 1},
        {"job_run_id": EMOJI, "job_id": "applied", "job_run_page_num": -(2**63), "job_run_rank": 0},
    ],
    "llm_models": [
        {"model_id": "m", "model_name": "n", "model_cpmt_prompt": 0.1, "model_cpmt_completion": 0.3,
         "model_cpmt_thinking": 0.0},
        {"model_id": "n", "model_name": "", "model_cpmt_prompt": 1.7976931348623157e308,
         "model_cpmt_completion": 5e-324, "model_cpmt_thinking": -2.5},
        {"model_id": "o", "model_name": "o", "model_cpmt_prompt": 1 / 3, "model_cpmt_completion": 2.0**53 + 2},
    ],
    "job_quarantine": [
        {"job_quarantine_id": "q", "job_id": "long", "job_quarantine_reason": None, "job_quarantine_timestamp": None},
        {"job_quarantine_id": "r", "job_id": "long", "job_quarantine_reason": ""},
    ],
    "job_skills": [
        {"job_skill_id": f"s{match}", "job_id": "long", "job_skills_atomic_string": "", "job_skills_type": "t",
         "job_skills_match": match} for match in (0, 1, None)
    ],
    "prompt": [
        {"prompt_id": "p", "prompt_temperature": 0.3, "prompt_thinking_budget": 0, "prompt_created_at": 1_700_000_000},
        {"prompt_id": "z", "prompt_temperature": 0.0, "prompt_thinking_budget": -(2**63), "prompt_template": ""},
        {"prompt_id": "nulls"},
    ],
    "llm_runs_v2": [
        {"llm_run_id": "in flight", "llm_run_start": 1_700_000_000.123456, "llm_run_end": None},
        {"llm_run_id": "largest", "llm_run_input_tokens": 2**63 - 1, "llm_run_output_tokens": -(2**63),
         "llm_run_thinking_tokens": 0, "llm_run_start": 0.1, "llm_run_end": 0.3},
        {"llm_run_id": "halves", "llm_run_start": 1_700_000_000.5, "llm_run_end": -0.5, "llm_run_output": LONG},
        *({"llm_run_id": f"fraction {n}", "llm_run_start": 1_700_000_000 + random.Random(n).random(),
           "llm_run_end": random.Random(-n - 1).uniform(-6e10, 2.5e11)} for n in range(200)),
    ],
}


@pytest.fixture
def tracker(workbench: Workbench) -> Workbench:
    """The nine tables, filled by the demo's generator and by hand."""
    create_tables(workbench.db)
    fill(workbench.db, seed=7, scale=40)
    for table, rows in BY_HAND.items():
        for row in rows:
            names, places = ", ".join(row), ", ".join("?" * len(row))
            workbench.db.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", tuple(row.values()))
    workbench.configure_nine_tables()
    return workbench


def assert_all_equal(bench: Workbench) -> None:
    for table, key in KEYS.items():
        rows = bench.query(f"SELECT * FROM {{d}}.`{table}`")
        assert_equal(expected_of_nine(bench.db, table), by_key(rows, key))


def change_one_table(db: sqlite3.Connection) -> None:
    db.execute("UPDATE prompt SET prompt_temperature = 0.7 WHERE prompt_id = 'p'")
    db.execute("INSERT INTO prompt (prompt_id, prompt_temperature) VALUES ('new', 0.1)")
    db.execute("DELETE FROM prompt WHERE prompt_id = 'nulls'")


def test_every_cell_arrives_and_afterwards_only_changes_are_sent(tracker: Workbench) -> None:
    first = tracker.sync_command()
    assert {table: outcome["rows_upserted"] for table, outcome in first.items()} == {
        table: len(expected_of_nine(tracker.db, table)) for table in KEYS}
    assert {outcome["quarantine_total"] for outcome in first.values()} == {0}
    assert_all_equal(tracker)
    assert tracker.tables() == set(KEYS), "staging tables are dropped"

    merges = len(tracker.merges())
    second = tracker.sync_command()
    assert {(o["rows_upserted"], o["rows_deleted"], o["bytes_sent"], o["merges"]) for o in second.values()} == {
        (0, 0, 0, 0)}
    assert len(tracker.merges()) == merges == len(KEYS)

    change_one_table(tracker.db)
    third = tracker.sync_command()
    sent = {table: (o["rows_upserted"], o["rows_deleted"]) for table, o in third.items()}
    assert sent == {**dict.fromkeys(KEYS, (0, 0)), "prompt": (2, 1)}
    assert_all_equal(tracker)


def test_every_column_that_may_be_null_is_null_somewhere_and_something_elsewhere(tracker: Workbench) -> None:
    # Were it not so, the comparison of cells above would prove less than it says.
    for table, key in KEYS.items():
        rows = expected_of_nine(tracker.db, table).values()
        not_null = {row[1] for row in tracker.db.execute(f"PRAGMA table_info({table})") if row[3] or row[1] in key}
        for column in next(iter(rows)):
            values = {row[column] is None for row in rows}
            assert values == ({False} if column in not_null else {True, False}), f"{table}.{column}"

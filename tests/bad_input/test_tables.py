"""What can be wrong with one table: told with its name and the next step, and the other one is synced all the same."""

from __future__ import annotations

import re

from tests.bad_input.command import SENTINEL, Done, run
from tests.workbench import Workbench

SCRIPT = f"""
CREATE TABLE bare (name TEXT);
INSERT INTO bare VALUES ('{SENTINEL}');
CREATE VIEW looking AS SELECT * FROM things;
CREATE TABLE texts (id INTEGER PRIMARY KEY, made_at TEXT);
INSERT INTO texts VALUES (1, '{SENTINEL}'), (2, '2026-01-01 00:00:00');
CREATE TABLE meeting (id INTEGER PRIMARY KEY, "a b" TEXT, "a-b" TEXT);
CREATE TABLE reserved (id INTEGER PRIMARY KEY, _partitiontime TEXT);
CREATE TABLE keyed (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE marked (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE typed (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE timed (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE documents (id TEXT PRIMARY KEY);
"""
WRONG = {
    "bare": ("", "E104", ("table bare has no key", "key = [...]", "VACUUM")),
    "thigns": ("", "E104", ("no table 'thigns'", "things", "[[tables]]")),
    "looking": ("", "E104", ("looking is a view", "tables that it reads")),
    "keyed": ('key = ["idd"]', "E104", ("`key`", "'idd'", "id, name", "[[tables]] entry of keyed")),
    "marked": ('watermark = ["updated_at"]', "E104", ("`watermark`", "'updated_at'", "id, name")),
    "typed": ('types = { nmae = "STRING" }', "E104", ("`types`", "'nmae'", "id, name")),
    "timed": ('timestamps = { seen = "iso8601" }', "E104", ("`timestamps`", "'seen'", "id, name")),
    "documents": ('types = { id = "JSON" }', "E104", ("documents.id is JSON", "choose another type")),
    "texts": ('types = { made_at = "TIMESTAMP" }', "E105", ("texts.made_at", "timestamps = { made_at")),
    "meeting": ("", "E104", ("'a b'", "'a-b'", "meet in BigQuery", "`a_b`")),
    "reserved": ("", "E104", ("'_partitiontime'", "reserves")),
}


def errors_by_table(done: Done) -> dict[str, tuple[str, str]]:
    """Code and text of the error that is shown for each table."""
    shown = re.split(r"^error\[", done.errors, flags=re.MULTILINE)[1:]
    heads = [re.match(r"(E\d+)\] (\S+):", text) for text in shown]
    return {head[2]: (head[1], text) for head, text in zip(heads, shown, strict=True) if head}


def test_tables_that_cannot_be_synced_are_told_each_with_its_remedy_and_stop_no_other(bench: Workbench) -> None:
    bench.db.executescript(SCRIPT)
    wrong = [f'[[tables]]\nname = "{name}"\n{entry}\n' for name, (entry, _, _) in WRONG.items()]
    bench.configure("\n".join([*wrong, '[[tables]]\nname = "others"\n']))
    done = run(bench.folder, "sync")
    assert done.code == 78
    errors = errors_by_table(done)
    assert {name: code for name, (code, _) in errors.items()} == {name: code for name, (_, code, _) in WRONG.items()}
    for name, (_, _, words) in WRONG.items():
        text = errors[name][1]
        assert [word for word in (*words, "\n  why   ", "\n  fix   ") if word not in text] == [], text
    assert {event["table"]: event["code"] for event in done.events("table.refused")} == {
        name: code for name, (code, _) in errors.items()}
    assert len(bench.rows("others", "id")) == 3

    checked = run(bench.folder, "check")
    found = [line.split(":")[0].split()[-1] for line in checked.output.splitlines() if line.startswith("ERROR")]
    assert (checked.code, found) == (78, list(WRONG)), "check finds the same in one go"


def test_a_table_that_is_not_configured_is_told_with_those_that_are(bench: Workbench) -> None:
    run(bench.folder, "sync", "thigns").told(78, "E101", "'thigns'", "things, others", str(bench.config_path))

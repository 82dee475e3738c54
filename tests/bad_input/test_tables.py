"""What can be wrong with one table: told with its name and the next step, and the other table is synced all the same."""

from __future__ import annotations

import pytest
from tests.bad_input.command import SENTINEL, run
from tests.workbench import Workbench

SCRIPT = f"""
CREATE TABLE bare (name TEXT);
INSERT INTO bare VALUES ('{SENTINEL}');
CREATE VIEW looking AS SELECT * FROM things;
CREATE TABLE texts (id INTEGER PRIMARY KEY, made_at TEXT);
INSERT INTO texts VALUES (1, '{SENTINEL}'), (2, '2026-01-01 00:00:00');
CREATE TABLE meeting (id INTEGER PRIMARY KEY, "a b" TEXT, "a-b" TEXT);
CREATE TABLE reserved (id INTEGER PRIMARY KEY, _partitiontime TEXT);
"""


@pytest.mark.parametrize(("entry", "code", "words"), [
    ('name = "bare"', "E104", ("table bare has no key", "key = [...]", "VACUUM")),
    ('name = "thigns"', "E104", ("no table 'thigns'", "things", "[[tables]]")),
    ('name = "looking"', "E104", ("looking is a view", "tables that it reads")),
    ('name = "things"\nkey = ["idd"]', "E104", ("`key`", "'idd'", "id, name", "[[tables]] entry of things")),
    ('name = "things"\nwatermark = ["updated_at"]', "E104", ("`watermark`", "'updated_at'", "id, name")),
    ('name = "things"\ntypes = { nmae = "STRING" }', "E104", ("`types`", "'nmae'", "id, name")),
    ('name = "things"\ntimestamps = { seen = "iso8601" }', "E104", ("`timestamps`", "'seen'", "id, name")),
    ('name = "things"\ntypes = { id = "JSON" }', "E104", ("key column things.id is JSON", "choose another type")),
    ('name = "texts"\ntypes = { made_at = "TIMESTAMP" }', "E105", ("texts.made_at", "timestamps = { made_at")),
    ('name = "meeting"', "E104", ("'a b'", "'a-b'", "meet in BigQuery", "`a_b`")),
    ('name = "reserved"', "E104", ("'_partitiontime'", "reserves")),
])
def test_a_table_that_cannot_be_synced_is_told_and_stops_no_other(
    bench: Workbench, entry: str, code: str, words: tuple[str, ...],
) -> None:
    bench.db.executescript(SCRIPT)
    bench.configure(f'[[tables]]\n{entry}\n\n[[tables]]\nname = "others"\n')
    done = run(bench.folder, "sync")
    done.told(78, code, *words)
    assert [event["code"] for event in done.events("table.refused")] == [code]
    assert len(bench.rows("others", "id")) == 3


def test_check_finds_all_of_them_in_one_go(bench: Workbench) -> None:
    bench.db.executescript(SCRIPT)
    entries = ["bare", "thigns", "looking", "meeting", "reserved", "others"]
    bench.configure("\n\n".join(f'[[tables]]\nname = "{name}"' for name in entries))
    done = run(bench.folder, "check", "--offline")
    assert done.code == 78
    errors = [line for line in done.output.splitlines() if line.startswith("ERROR")]
    assert [line.split(":")[0].split()[-1] for line in errors] == entries[:-1]
    assert done.output.count("         fix  ") >= len(errors)


def test_a_table_that_is_not_configured_is_told_with_those_that_are(bench: Workbench) -> None:
    run(bench.folder, "sync", "thigns").told(78, "E101", "'thigns'", "things, others", str(bench.config_path))

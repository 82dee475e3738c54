"""Every sentence of `explain`, each in the situation that it tells of."""

from __future__ import annotations

import re
import time
from threading import Event
from typing import TYPE_CHECKING

import pytest
from google.cloud import bigquery
from tests.engine.places import at_place
from tests.engine.traces import traces
from tests.workbench import Workbench

from bqsync.engine.explain import Explanation, KeyCountError, explain_row
from bqsync.engine.sentences import LedgerWord, Sentence, TargetWord, Way
from bqsync.errors import BqsyncError, ErrorKind, ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

Situation = tuple[Sentence, str, str]
"""What is to be said of which row of which table."""

NOW = int(time.time())
MANY = 1_100
TABLES = """
[[tables]]
name = "plain"
[[tables]]
name = "marking"
deletes = "mark"
[[tables]]
name = "keeping"
deletes = "ignore"
[[tables]]
name = "odd"
[[tables]]
name = "pairs"
key = ["k"]
[[tables]]
name = "timed"
watermark = ["at"]
timestamps = { at = "unix_seconds" }
[[tables]]
name = "narrow"
sweep = "off"
watermark = ["at"]
timestamps = { at = "unix_seconds" }
[[tables]]
name = "many"
[[tables]]
name = "clash"
[[tables]]
name = "dropped"
[[tables]]
name = "remade"
[[tables]]
name = "torn"
[[tables]]
name = "keyless"
"""
BY_ID = ("plain", "marking", "keeping", "many", "clash", "dropped", "remade", "torn")


@pytest.fixture
def bench(workbench: Workbench) -> Workbench:
    schema = "".join(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, v TEXT);" for name in BY_ID)
    rows = [(n, f"v{n}") for n in range(1, 10)]
    workbench.fill(
        f"{schema} CREATE TABLE odd (id TEXT PRIMARY KEY, n INTEGER); CREATE TABLE pairs (k INTEGER, v TEXT);"
        "CREATE TABLE timed (id INTEGER PRIMARY KEY, at INTEGER); CREATE INDEX timed_at ON timed (at);"
        "CREATE TABLE narrow (id INTEGER PRIMARY KEY, at INTEGER); CREATE INDEX narrow_at ON narrow (at);"
        "CREATE TABLE keyless (v TEXT); CREATE TABLE unlisted (id INTEGER PRIMARY KEY);",
        *[(f"INSERT INTO {name} VALUES (?, ?)", rows) for name in BY_ID if name != "many"],
        ("INSERT INTO many VALUES (?, NULL)", [(n,) for n in range(MANY)]),
        ("INSERT INTO odd VALUES (?, ?)", [("good", 1), ("better", 2), ("bad", "no number")]),
        ("INSERT INTO pairs VALUES (?, ?)", [(1, "a"), (1, "b"), (2, "c")]),
        ("INSERT INTO timed VALUES (?, ?)", [(n, NOW - 10 * n) for n in range(50)]),
        ("INSERT INTO narrow VALUES (?, ?)", [(n, NOW - 10 * n) for n in range(50)]),
    )
    workbench.configure(TABLES)
    return workbench


def explain(bench: Workbench, table: str, *words: str, stop: Event | None = None) -> Explanation:
    return explain_row(bench.config, table, words, stop or bench.stop)


def explained(bench: Workbench, situations: Sequence[Situation]) -> dict[Sentence, Explanation]:
    """Each row explained: by the sentence that is meant, and with every place of it filled."""
    before = traces(bench)
    found = {}
    for sentence, table, key in situations:
        found[sentence] = explanation = explain(bench, table, key)
        assert explanation.sentence is sentence, (table, key, explanation)
        assert not re.search(r"\{\w*\}", explanation.text), "a place that nobody filled"
        assert explanation.error is None
    assert traces(bench) == before, "nothing was touched"
    return found


def before_the_first_sync(bench: Workbench) -> list[Situation]:
    bench.rest.create_dataset(bench.dataset)
    return [(Sentence.NEVER_SYNCED, "plain", "1"), (Sentence.NOT_CONFIGURED, "unlisted", "1"),
            (Sentence.TABLE_REFUSED, "keyless", "1")]


def after_the_first_sync(bench: Workbench) -> list[Situation]:
    errors = {name: outcome.error for name, outcome in bench.sync().items() if outcome.error is not None}
    assert set(errors) == {"keyless"}
    bench.fill(
        "UPDATE plain SET v = 'changed' WHERE id = 5; DELETE FROM plain WHERE id = 6;"
        "DELETE FROM marking WHERE id = 1; DELETE FROM keeping WHERE id = 1; UPDATE odd SET n = 'x' WHERE id = 'good';"
        f"INSERT INTO timed VALUES (100, {NOW}), (101, {NOW - 86_400});"
        f"INSERT INTO narrow VALUES (101, {NOW - 86_400})")
    bench.query("DELETE FROM {d}.plain WHERE id = 2")
    bench.query("UPDATE {d}.plain SET v = 'theirs' WHERE id = 3")
    bench.query("INSERT INTO {d}.plain (id, v) VALUES (4, 'twice'), (99, 'theirs')")
    return [
        (Sentence.IN_BIGQUERY, "plain", "1"), (Sentence.NULL_KEY, "plain", "NULL"),
        (Sentence.LOST_IN_BIGQUERY, "plain", "2"), (Sentence.ALTERED_IN_BIGQUERY, "plain", "3"),
        (Sentence.TWICE_IN_BIGQUERY, "plain", "4"), (Sentence.WAITS_FOR_CYCLE, "plain", "5"),
        (Sentence.DELETE_WAITS, "plain", "6"), (Sentence.FOREIGN_ROW, "plain", "99"),
        (Sentence.NOWHERE, "plain", "1000"), (Sentence.KEPT, "keeping", "1"),
        (Sentence.REFUSED_ABSENT, "odd", "bad"), (Sentence.REFUSED_NEXT, "odd", "good"),
        (Sentence.KEY_TWICE, "pairs", "1"), (Sentence.WAITS_FOR_WATERMARK, "timed", "100"),
        (Sentence.WAITS_FOR_SWEEP, "timed", "101"), (Sentence.OUT_OF_REACH, "narrow", "101"),
    ]


def after_what_went_wrong(bench: Workbench) -> list[Situation]:
    """A target dropped, one made anew by hand, one of another type; deletes held back; a MERGE that nobody noted."""
    bench.fill("DELETE FROM many WHERE id > 10; UPDATE torn SET v = 'changed' WHERE id = 1")
    integers = [bigquery.SchemaField("id", "INT64"), bigquery.SchemaField("v", "INT64")]
    texts = [bigquery.SchemaField("id", "INT64"), bigquery.SchemaField("v", "STRING")]
    for name, fields in (("dropped", None), ("clash", integers), ("remade", texts)):
        bench.rest.delete_table(f"{bench.dataset}.{name}")
        if fields is not None:
            table = bigquery.Table(f"{bench.rest.project}.{bench.dataset}.{name}", fields)
            table.labels = {"bqsync": "target"}
            bench.rest.create_table(table)
    outcomes = bench.sync("marking", "odd", "many", "clash")
    assert [outcome.error["kind"] if outcome.error else None for outcome in outcomes.values()] == [
        None, None, "deletes_held_back", "target_incompatible"]
    with at_place("merge.intended", _fail):
        assert bench.sync("torn")["torn"].error is not None
    return [
        (Sentence.MARKED, "marking", "1"), (Sentence.REFUSED_STALE, "odd", "good"),
        (Sentence.DELETE_HELD_BACK, "many", "1000"), (Sentence.TABLE_FAILING, "clash", "1"),
        (Sentence.TARGET_GONE, "dropped", "1"), (Sentence.RECONCILE_PENDING, "remade", "1"),
        (Sentence.MERGE_UNSETTLED, "torn", "1"),
    ]


def _fail() -> None:
    raise OSError("the power is gone")


def test_every_sentence_is_said_where_it_is_true(bench: Workbench) -> None:
    said = explained(bench, before_the_first_sync(bench))
    assert not bench.state_path.exists(), "no state is made by who only reads"
    said |= explained(bench, after_the_first_sync(bench))
    assert said[Sentence.ALTERED_IN_BIGQUERY].text.count("differ: v") == 1
    fast, slow = said[Sentence.WAITS_FOR_WATERMARK], said[Sentence.WAITS_FOR_SWEEP]
    assert fast.facts is not None
    assert slow.facts is not None
    assert (fast.facts.way, slow.facts.way, slow.facts.ledger, slow.facts.target) == (
        Way.WATERMARK, Way.SWEEP, LedgerWord.NONE, TargetWord.ABSENT)
    said |= explained(bench, after_what_went_wrong(bench))
    torn = said[Sentence.MERGE_UNSETTLED]
    assert torn.facts is not None
    assert torn.facts.intent is not None
    assert torn.facts.intent[1] == "unknown"
    bench.config_path.write_text(bench.config_path.read_text(encoding="utf-8").replace(
        bench.endpoints.rest, "http://127.0.0.1:9"), encoding="utf-8")
    stop = Event()
    stop.set()  # no failed call is tried again
    said[Sentence.BIGQUERY_UNREACHABLE] = silent = explain(bench, "plain", "1", stop=stop)
    assert silent.sentence is Sentence.BIGQUERY_UNREACHABLE
    assert silent.error is not None
    assert silent.error.rule.exit_code == ExitCode.UNAVAILABLE
    assert "delivered as it stands" in silent.text, "what the ledger knows is told all the same"
    assert set(said) == set(Sentence)


def test_keys_of_every_type_find_their_row(workbench: Workbench) -> None:
    """A key is looked up in BigQuery by its typed value, whatever becomes of it there."""
    types = {"INTEGER": "7", "REAL": "2.5", "TEXT": "it's", "BLOB": "x'00ff'"}
    chosen = {"NUMERIC": "1.25", "DATE": "2026-03-01", "DATETIME": "2026-03-01 10:00:00", "TIME": "10:00:00"}
    for name, word in types.items():
        value = f"'{word.replace(chr(39), 2 * chr(39))}'" if name == "TEXT" else word
        workbench.fill(f"CREATE TABLE of_{name} (k {name} PRIMARY KEY); INSERT INTO of_{name} VALUES ({value})")
    for name, word in chosen.items():
        workbench.fill(f"CREATE TABLE as_{name} (k TEXT PRIMARY KEY); INSERT INTO as_{name} VALUES ('{word}')")
    workbench.fill("CREATE TABLE moments (k INTEGER, b BOOLEAN, PRIMARY KEY (k, b)); INSERT INTO moments VALUES"
                   f" ({NOW}, 1); CREATE TABLE loose (k PRIMARY KEY); INSERT INTO loose VALUES ('1');"
                   "CREATE TABLE log (v TEXT)")
    workbench.configure(
        "".join(f'[[tables]]\nname = "of_{name}"\n' for name in types)
        + "".join(f'[[tables]]\nname = "as_{name}"\ntypes = {{ k = "{name}" }}\n' for name in chosen)
        + '[[tables]]\nname = "moments"\ntimestamps = { k = "unix_seconds" }\n[[tables]]\nname = "loose"\n'
        '[[tables]]\nname = "log"\nmode = "append"\n')
    workbench.fill("INSERT INTO log VALUES ('a'), ('b')")
    assert [outcome.error for outcome in workbench.sync().values() if outcome.error is not None] == []
    asked = [*((f"of_{name}", word) for name, word in types.items()),
             *((f"as_{name}", word) for name, word in chosen.items()), ("moments", str(NOW), "1"), ("loose", "'1'"),
             ("log", f"x'{workbench.rows('log', 'v')[0]['_bqsync_row_id'].hex()}'")]
    for table, *words in asked:
        found = explain(workbench, table, *words)
        assert found.facts is not None
        assert (found.sentence, found.facts.ledger) == (Sentence.IN_BIGQUERY, LedgerWord.SAME), table
    assert explain(workbench, "loose", "1").sentence is Sentence.NOWHERE, "a number is no text"


def test_two_keys_that_are_one_in_bigquery_are_told_apart(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (k, v, PRIMARY KEY (k)); INSERT INTO t VALUES (1, 'number'), ('1', 'text')")
    workbench.configure('[[tables]]\nname = "t"\ntypes = { k = "STRING" }\n')
    assert workbench.sync()["t"].error is None
    one, other = explain(workbench, "t", "1"), explain(workbench, "t", "'1'")
    assert {one.sentence, other.sentence} == {Sentence.IN_BIGQUERY, Sentence.REFUSED_ABSENT}
    refused = one if one.sentence is Sentence.REFUSED_ABSENT else other
    assert refused.facts is not None
    assert (refused.facts.ledger, "key_collision" in refused.text) == (LedgerWord.ANOTHER, True)


def test_a_wrong_number_of_values_and_an_unknown_table_are_errors(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (a INTEGER, b INTEGER, PRIMARY KEY (a, b))")
    workbench.configure('[[tables]]\nname = "t"\n')
    with pytest.raises(KeyCountError, match=r"\(a, b\): it takes 2 values, and 1 were given"):
        explain(workbench, "t", "1")
    with pytest.raises(BqsyncError) as raised:
        explain(workbench, "nowhere", "1")
    assert raised.value.kind is ErrorKind.CONFIG_INVALID

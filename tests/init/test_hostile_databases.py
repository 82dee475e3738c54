"""Databases that are broken, or made to break whoever reads them: each is proposed for, or refused with a fix."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.fuzz.amounts import seeds
from tests.fuzz.damage import damaged, make_database
from tests.init.databases import findings_of, make, proposed
from tests.init.round_trip import copied

from bqsync.capture.schema import read_table
from bqsync.capture.source import Source
from bqsync.capture.together import read_small_tables
from bqsync.config import load, plain_table_name
from bqsync.engine.proposal.config_text import config_text
from bqsync.engine.proposal.facts import Proposal, TableProposal
from bqsync.engine.proposal.names import column_names, message_names, table_targets
from bqsync.errors import BqsyncError, ErrorKind

if TYPE_CHECKING:
    from bqsync.embedded import Endpoints

SOUND = "CREATE TABLE sound (k INTEGER PRIMARY KEY, v TEXT); INSERT INTO sound VALUES (1, 'a');"
NAMES = ['a"""b', "a\nb", "a\r\nb", "}", "{", "//", "*/", "/*", "#", "'''", "%s %d {0} $x", "\\", "\\n", "a\tb", "\x7f",
         "\u2028", "\u202e", "[x]", "[[tables]]", "a = 1", "\ufeff", "]", ";", '";DROP TABLE sound;--', "\x1b[31m",
         "\x01", "é", "É", "İ", "\u0131", "ß", "ẞ", "\u212a", "K", "k\u0307", "\u017f", "S", "x" * 400, "-- ", "`",
         "message M {"]
"""What ends a string, a comment or a line in TOML, protobuf, SQL or a terminal, and letters whose cases are odd."""


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def test_names_and_comments_that_break_texts_lead_to_a_verified_copy(tmp_path: Path, emulator: Endpoints) -> None:
    columns = ", ".join(f"{quote(name)} TEXT" for name in NAMES)
    script = [f"CREATE TABLE columns (number INTEGER PRIMARY KEY, {columns})",
              f"INSERT INTO columns VALUES (1, {', '.join('?' * len(NAMES))})"]
    with closing(sqlite3.connect(tmp_path / "app.db")) as db:
        db.execute(script[0])
        db.execute(script[1], [f"of {number}" for number in range(len(NAMES))])
        for name in NAMES[::4]:
            db.execute(f"CREATE TABLE {quote(name)} (k INTEGER PRIMARY KEY /* }} {name.replace('*/', '')} */,"
                       f" v {quote(f'TYPE {name}')}, twice AS (k * 2), fixed TEXT AS ('x') STORED)")
            db.execute(f"INSERT INTO {quote(name)} (k, v) VALUES (1, 'a')")
        db.commit()
    proposal, quarantine = copied(tmp_path / "app.db", tmp_path / "out", emulator)
    assert len(proposal.accepted) == 1 + len(NAMES[::4])
    assert not any(quarantine.values())


def test_names_that_differ_in_the_case_of_foreign_letters_are_two_names(tmp_path: Path) -> None:
    db = make(tmp_path / "app.db", 'CREATE TABLE É (k INTEGER PRIMARY KEY, é TEXT, É INTEGER);'
              'CREATE TABLE é (K INTEGER PRIMARY KEY, "\u212a" TEXT); INSERT INTO é VALUES (1, 1);'
              "INSERT INTO É VALUES (1, '1', 2);")
    proposal = proposed(db)
    types = {(table.name, column.name): str(column.choice) for table in proposal.accepted for column in table.columns}
    assert types == {("É", "k"): "INT64", ("É", "é"): "STRING", ("É", "É"): "INT64",
                     ("é", "K"): "INT64", ("é", "\u212a"): "STRING"}
    assert findings_of(proposal, tmp_path / "out", levels=("error", "warning")) == []


def test_a_module_of_sqlite_and_its_tables_are_left_out_and_refused(tmp_path: Path) -> None:
    db = make(tmp_path / "app.db", f"{SOUND} CREATE VIRTUAL TABLE docs USING fts5(body);"
              "CREATE VIRTUAL TABLE boxes USING rtree(id, least, most); CREATE VIEW seen AS SELECT * FROM sound;"
              "CREATE TRIGGER never BEFORE INSERT ON sound BEGIN SELECT RAISE(FAIL, 'no'); END;"
              "PRAGMA writable_schema = ON; INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql)"
              " VALUES ('table', 'gone', 'gone', 0, 'CREATE VIRTUAL TABLE gone USING no_such_module(a)');")
    proposal = proposed(db)
    assert [table.name for table in proposal.accepted] == ["sound"]
    assert {"docs", "docs_data", "boxes", "boxes_node", "gone"} <= {t.name for t in proposal.tables if t.refused}
    for name, word in (("docs", "virtual"), ("boxes", "virtual"), ("gone", "virtual"), ("seen", "view")):
        with pytest.raises(BqsyncError, match=word) as caught:
            Source(db).read(partial(read_table, name=name))
        assert (caught.value.kind, bool(caught.value.fix)) == (ErrorKind.SOURCE_TABLE_INVALID, True)


def in_wal_mode(content: bytes) -> bytes:
    return content[:18] + b"\x02\x02" + content[20:]


BROKEN: dict[str, tuple[Callable[[bytes], bytes], bytes | None, str]] = {
    "no bytes": (lambda _whole: b"", None, "E204"),
    "a text": (lambda _whole: b"id,name\n" * 500, None, "E203"),
    "encrypted": (lambda whole: random.Random(1).randbytes(len(whole)), None, "E203"),
    "cut": (lambda whole: whole[: len(whole) // 2], None, "E206"),
    "cut in a page": (lambda whole: whole[:-100], None, "E206"),
    "a garbled -wal": (in_wal_mode, b"\xa5" * 5_000, "E205"),
    "an empty -wal": (in_wal_mode, b"", "E205"),
    "a schema that does not parse": (lambda whole: whole.replace(b"CREATE TABLE", b"CREATE  ABLE"), None, "E206"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_refused_and_nothing_is_left_beside_it(tmp_path: Path, case: str) -> None:
    spoil, log, code = BROKEN[case]
    make(tmp_path / "app.db", f"{SOUND} WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n LIMIT 500)"
         "INSERT INTO sound SELECT i, hex(randomblob(50)) FROM n")
    (tmp_path / "app.db").write_bytes(spoil((tmp_path / "app.db").read_bytes()))
    if log is not None:
        (tmp_path / "app.db-wal").write_bytes(log)
    before = sorted(os.listdir(tmp_path))  # names alone
    with pytest.raises(BqsyncError) as caught:
        proposed(tmp_path / "app.db")
    assert caught.value.rule.code == code, caught.value.render()
    assert caught.value.fix
    assert sorted(os.listdir(tmp_path)) == before


def damaged_files(whole: bytes) -> Iterator[tuple[int, bytes]]:
    for seed in seeds(40):
        yield seed, damaged(seed, whole)[1]


def test_a_file_with_changed_bytes_is_proposed_for_or_refused(tmp_path: Path) -> None:
    make_database(tmp_path / "whole.db", rows=40)
    path, refused = tmp_path / "app.db", 0
    for seed, content in damaged_files((tmp_path / "whole.db").read_bytes()):
        path.write_bytes(content)
        try:
            assert proposed(path).accepted, seed
        except BqsyncError as error:
            refused += 1
            if error.rule.code not in {"E104", "E203", "E204", "E205", "E206", "E207"} or not error.fix:
                raise
    assert refused


def test_a_table_of_two_thousand_columns_is_proposed_for(tmp_path: Path) -> None:
    columns = ", ".join(f"column_{number} {'DECIMAL(10, 2)' if number % 2 else 'DATETIME'}" for number in range(1_999))
    db = make(tmp_path / "app.db", f"CREATE TABLE wide (k INTEGER PRIMARY KEY, {columns});"
              "INSERT INTO wide (k, column_0, column_1) VALUES (1, '2024-02-29', 0.5)")
    assert findings_of(proposed(db), tmp_path / "out") == []


class Counting(Source):
    """A source that counts how often it is opened."""

    opened = 0

    def read(self, work: Callable[..., object]) -> object:  # type: ignore[override] # counts whatever is read
        self.opened += 1
        return super().read(work)


def test_many_small_tables_are_read_together_and_odd_ones_by_themselves(tmp_path: Path) -> None:
    """Time decides how many at once: one at least, so it always ends, and none is read twice or left out."""
    db = make(tmp_path / "app.db", ";".join(f"CREATE TABLE t{number} (k INTEGER PRIMARY KEY)" for number in range(300)),
              ("INSERT INTO t7 VALUES (?)", [(number,) for number in range(1_000)]))
    names = [f"t{number}" for number in range(300)] + ["missing"]
    source, asked = Counting(db), []

    def work(reads: Source, name: str) -> str:
        asked.append(name)
        if name == "t9":
            raise ValueError(name)
        return str(reads.read(lambda connection: read_table(connection, name).name))

    found = read_small_tables(source, names, work)
    assert found == {name: name for name in names if name not in {"t7", "t9", "missing"}}
    assert len(asked) == len(set(asked)) == 299
    assert source.opened <= len(names)


def test_the_configuration_of_ten_thousand_tables_is_written_and_loaded(tmp_path: Path) -> None:
    """Names that meet, and tables that are left out for a reason of their own: nothing grows with the square."""
    names = [f"{'é' * (number % 7)}same {number % 3}{chr(0x4E00 + number)}" for number in range(10_000)]
    targets, messages = table_targets(names), message_names(names)
    assert len({(targets[name] or plain_table_name(name)).lower() for name in names}) == len(names)
    assert len(set(messages.values())) == len(names)
    assert len(column_names(names[:2_000])) == 2_000
    tables = [TableProposal(name=name, target=targets[name], message=messages[name], key=("k",), rows=1)
              if number % 2 else TableProposal(name=name, refused=f"{name} has no key", wants_key=True)
              for number, name in enumerate(names)]
    proposal = Proposal(db=tmp_path / "app.db", project=None, dataset="d", name="app", tables=tuple(tables))
    path = tmp_path / "config.toml"
    path.write_text(config_text(proposal, "app.db", ("protos/app.proto", "protos/app.binpb")), encoding="utf-8")
    assert path.stat().st_size > 1 << 20
    assert len(load(path, environ={}).tables) == 5_000

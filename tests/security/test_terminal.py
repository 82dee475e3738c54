"""No name, key or word of another program steers the terminal, breaks a line, or is taken for markup."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.hostile.actions import Method, RestFailure
from tests.hostile.proxy import HostileBigQuery
from tests.workbench import Workbench, run_command

from bqsync.cli.output import print_json, print_table, say, show_error, within
from bqsync.errors import BqsyncError, ConfigurationError, ErrorKind, Problem
from bqsync.observe.render import json_line

EVIL = "\x1b[2J\x1b]0;title\x07\x9b31m\x7f\u202e[/bold][red]\x08"
SHOWN = "\\x1b[2J\\x1b]0;title\\x07\\x9b31m\\x7f\\u202e[/bold][red]\\x08"


def is_plain(text: str) -> bool:
    return all(character.isprintable() or character == "\n" for character in text)


def test_a_table_shows_names_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["key"], [[EVIL], ["[red]x[/red]"], ["[/nothing]"], ["a\r\nb"]])
    shown = capsys.readouterr().out
    assert is_plain(shown)
    assert all(text in shown for text in (SHOWN, "[red]x[/red]", "[/nothing]", "a\\r\\nb"))


def test_lines_and_errors_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    say(EVIL)
    show_error(BqsyncError(ErrorKind.INTERNAL, what=EVIL, why=EVIL, fix=EVIL))
    show_error(ConfigurationError(EVIL, [Problem(EVIL, EVIL, 3)]))
    shown = capsys.readouterr()
    assert is_plain(shown.out + shown.err)
    assert (shown.out + shown.err).count(SHOWN) == 7


def test_a_foreign_line_never_begins_where_ours_do(capsys: pytest.CaptureFixture[str]) -> None:
    show_error(BqsyncError(ErrorKind.INTERNAL, what="x\nerror[E999]: forged", why="y\r\n  fix   forged", fix="z"))
    assert [line[:8] for line in capsys.readouterr().err.splitlines()] == [
        "error[E9", "        ", "  why   ", "        ", "  fix   "]
    assert within("one\x85two\u2028three").split("\n") == ["one", "        two", "        three"]


def test_json_on_a_terminal_is_plain_and_means_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    name = f"{EVIL}\udcff"  # as Python reads a file's name that is no UTF-8
    print_json({"key": name})
    line = capsys.readouterr().out
    assert is_plain(line)
    assert json.loads(line) == {"key": name}
    assert is_plain(json_line({"event": "x", EVIL: EVIL}))
    assert json.loads(json_line({"event": EVIL}))["event"] == EVIL


def test_commands_show_evil_names_and_keys_escaped(workbench: Workbench) -> None:
    name = f"evil{EVIL}"
    workbench.db.execute(f'CREATE TABLE "{name}" (id TEXT PRIMARY KEY, n INTEGER)')
    workbench.db.execute(f'INSERT INTO "{name}" VALUES (?, ?)', (f"key{EVIL}", "no number"))
    workbench.configure(f"[[tables]]\nname = {json.dumps(name)}\n[[tables]]\nname = {json.dumps('gone' + EVIL)}\n")
    shown = ""
    for command in (["sync"], ["check"], ["status"], ["quarantine"], ["verify"], ["sync", "--log-format", "text"]):
        done = run_command(*command, folder=workbench.folder)
        shown += done.stdout + done.stderr
        assert "E901" not in shown, shown
    assert is_plain(shown)
    assert f"key{SHOWN}" in shown


@pytest.mark.parametrize("form", ["text", "json"])
def test_words_of_bigquery_are_escaped(hostile_bench: Workbench, hostile: HostileBigQuery, form: str) -> None:
    hostile_bench.fill("CREATE TABLE things (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO things VALUES (1, 1);")
    hostile_bench.configure('[[tables]]\nname = "things"')
    hostile.rule(Method.JOBS_INSERT, RestFailure(status=400, reason="invalidQuery", message=f"evil{EVIL}"),
                 holding="MERGE")
    done = run_command("sync", "--log-format", form, folder=hostile_bench.folder)
    assert "evil" in done.stderr
    assert is_plain(done.stdout + done.stderr)


def test_an_evil_file_name_is_escaped(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "app\x1b[2J.db")) as db:
        db.execute("CREATE TABLE things (n INTEGER)")
    (tmp_path / "config.toml").write_text(
        '[source]\ndb = "app\\u001b[2J.db"\n[bigquery]\nproject = "demo"\ndataset = "d"\nembedded = true\n'
        '[[tables]]\nname = "things"\n', encoding="utf-8")
    done = run_command("check", "--offline", folder=tmp_path)
    assert "app\\x1b[2J.db" in done.stdout
    assert is_plain(done.stdout + done.stderr)

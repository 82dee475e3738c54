"""`bqsync init` as a user types it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from tests.init.databases import make
from tests.workbench import run_command

from bqsync.config import load

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = "CREATE TABLE orders (number INTEGER PRIMARY KEY, total NUMERIC); INSERT INTO orders VALUES (1, 0.3);"


def init(folder: Path, *arguments: str, code: int = 0) -> Any:
    done = run_command("init", *arguments, "--json", folder=folder)
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_it_tells_what_it_decided_and_what_comes_next(tmp_path: Path) -> None:
    make(tmp_path / "app.db", f"{SCRIPT} CREATE TABLE bare (a)")
    done = run_command("init", "--db", "app.db", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.index("bqsync check") < done.stdout.index("bqsync sync") < done.stdout.index("bqsync verify")
    assert "left out  bare" in done.stdout
    offline = run_command("check", "--offline", folder=tmp_path)
    assert offline.returncode == 0, offline.stdout


def test_the_proposal_is_printed_as_json(tmp_path: Path) -> None:
    make(tmp_path / "app.db", SCRIPT)
    told = init(tmp_path, "--db", "app.db")
    [table] = told["tables"]
    assert (table["name"], table["key"], table["rows"]) == ("orders", ["number"], 1)
    assert [column["type"] for column in table["columns"]] == ["INT64", "NUMERIC"]
    assert told["files"] == ["config.toml", "protos/app.proto", "protos/app.binpb"]


def test_without_a_project_the_bigquery_of_this_machine_is_meant(tmp_path: Path) -> None:
    make(tmp_path / "my shop-1.db", SCRIPT)
    init(tmp_path, "--db", "my shop-1.db")
    section = load(tmp_path / "config.toml", environ={}).bigquery
    assert (section.embedded, section.dataset) == (True, "my_shop_1")


def test_project_and_dataset_are_those_of_the_command_line(tmp_path: Path) -> None:
    make(tmp_path / "app.db", SCRIPT)
    init(tmp_path, "--db", "app.db", "--project", "acme-data", "--dataset", "shop", "--out", "conf")
    config = load(tmp_path / "conf" / "config.toml", environ={})
    assert (config.bigquery.embedded, config.bigquery.project, config.bigquery.dataset) == (False, "acme-data", "shop")
    assert config.source.db == tmp_path / "app.db"


@pytest.mark.parametrize("arguments", [("--project", "Acme"), ("--dataset", "a-b")])
def test_names_that_bigquery_refuses_are_a_matter_of_usage(tmp_path: Path, arguments: tuple[str, str]) -> None:
    make(tmp_path / "app.db", SCRIPT)
    done = run_command("init", "--db", "app.db", *arguments, folder=tmp_path)
    assert done.returncode == 2
    assert [file.name for file in tmp_path.iterdir()] == ["app.db"]


def test_files_that_are_there_are_replaced_by_force_alone(tmp_path: Path) -> None:
    make(tmp_path / "app.db", SCRIPT)
    (tmp_path / "config.toml").write_text("mine", encoding="utf-8")
    error = init(tmp_path, "--db", "app.db", code=78)["error"]
    assert (error["code"], "--force" in error["fix"]) == ("E101", True)
    assert (tmp_path / "config.toml").read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "protos").exists()
    init(tmp_path, "--db", "app.db", "--force")
    assert load(tmp_path / "config.toml", environ={}).tables


def test_a_folder_that_is_none_is_an_error(tmp_path: Path) -> None:
    make(tmp_path / "app.db", SCRIPT)
    (tmp_path / "out").write_text("", encoding="utf-8")
    assert init(tmp_path, "--db", "app.db", "--out", "out/here", code=78)["error"]["kind"] == "config_invalid"


@pytest.mark.parametrize(("content", "kind"), [(None, "source_missing"), (b"", "source_empty"),
                                               (b"no database at all" * 99, "source_not_a_database")])
def test_what_is_no_database_is_an_error_and_nothing_is_written(
    tmp_path: Path, content: bytes | None, kind: str
) -> None:
    if content is not None:
        (tmp_path / "app.db").write_bytes(content)
    assert init(tmp_path, "--db", "app.db", "--out", "out", code=74)["error"]["kind"] == kind
    assert not (tmp_path / "out").exists()


def state_of(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file with its size and time; readers leave marks in the -shm."""
    return {file.name: (file.stat().st_size, file.stat().st_mtime_ns) for file in folder.iterdir()
            if not file.name.endswith("-shm")}


def test_nothing_is_left_beside_the_database(tmp_path: Path) -> None:
    """As a guest: of a database in WAL mode, which its application has open with a transaction in the log."""
    home = tmp_path / "application"
    home.mkdir()
    with closing(sqlite3.connect(home / "app.db")) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(SCRIPT)
        before = state_of(home)
        told = init(tmp_path, "--db", "application/app.db", "--out", "out")
        assert state_of(home) == before
    assert told["tables"][0]["rows"] == 1

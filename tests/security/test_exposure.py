"""`bqsync check` tells who else can get at what bqsync depends on, and says nothing where nobody can."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.workbench import run_command

from bqsync.config import load
from bqsync.engine.exposure import Exposure, exposures

TABLES = '[[tables]]\nname = "things"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with everything in it, as it should be."""
    made = tmp_path / "made"
    (made / "state").mkdir(parents=True, mode=0o700)
    for name in ("key.json", ".env", "state/state.db", "state/state.db.lock"):
        (made / name).touch(mode=0o600)
    with closing(sqlite3.connect(made / "app.db")) as db:
        db.execute("CREATE TABLE things (id INTEGER PRIMARY KEY)")
    configure(made)
    yield made
    for path in (made, made / "state"):
        path.chmod(0o700)


def configure(folder: Path, more: str = "") -> None:
    (folder / "config.toml").write_text(
        '[source]\ndb = "app.db"\n[state]\nfile = "state/state.db"\n[bigquery]\nproject = "demo"\ndataset = "d"\n'
        f'credentials_file = "key.json"\n{more}\n{TABLES}', encoding="utf-8")


def found(folder: Path) -> list[Exposure]:
    return list(exposures(load(folder / "config.toml", environ={})))


def test_nothing_is_said_where_nobody_else_can_get_at_anything(folder: Path) -> None:
    assert found(folder) == []


@pytest.mark.parametrize(("name", "mode", "words"), [
    ("key.json", 0o644, "the key file has mode 0644"),
    ("key.json", 0o660, "the key file has mode 0660"),
    (".env", 0o644, "everybody may read it"),
    (".env", 0o666, "everybody may write it"),
    ("state/state.db", 0o644, "the state has mode 0644"),
    ("state/state.db.lock", 0o666, "the state has mode 0666"),
    ("config.toml", 0o646, "everybody may write it"),
    ("state", 0o707, "/made/state, and so put another file in its place"),
])
def test_a_mode_that_lets_others_in_is_told_with_its_remedy(folder: Path, name: str, mode: int, words: str) -> None:
    (folder / name).chmod(mode)
    told = found(folder)
    assert any(words in one.what for one in told), told
    assert all("chmod" in one.fix for one in told)


def test_a_folder_that_everybody_may_write_to_is_told_for_each_file_below_it(folder: Path) -> None:
    folder.chmod(0o777)
    assert {Path(one.subject).name for one in found(folder)} == {"state.db", "config.toml", "key.json"}


def test_a_folder_like_tmp_is_no_danger_for_what_is_in_it(folder: Path) -> None:
    folder.chmod(0o1777)
    assert found(folder) == []


def test_a_key_of_root_may_be_read_by_a_group(folder: Path) -> None:
    (folder / "key.json").chmod(0o640)
    assert bool(found(folder)) == bool(os.geteuid())


def test_a_key_that_systemd_hands_over_is_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "key.json").chmod(0o444)
    assert found(folder)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    assert found(folder) == []


def test_the_folder_behind_a_link_counts(folder: Path) -> None:
    shared = folder / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    (shared / "state.db").touch(mode=0o600)
    (folder / "state" / "state.db").unlink()
    (folder / "state" / "state.db").symlink_to(shared / "state.db")
    (told,) = found(folder)
    assert str(shared) in told.what


@pytest.mark.parametrize(("rest", "grpc", "count"), [
    ("http://127.0.0.1:9050", "127.0.0.1:9060", 0),
    ("http://localhost:9050", "[::1]:9060", 0),
    ("http://bigquery.example:9050", "bigquery.example:9060", 2),
    ("https://bigquery.example", "10.0.0.7:9060", 1),
    ("http://127.0.0.1.example:9050", "localhost.example:9060", 2),
])
def test_rows_in_plain_text_to_another_machine_are_told(folder: Path, rest: str, grpc: str, count: int) -> None:
    configure(folder, f'rest_endpoint = "{rest}"\ngrpc_endpoint = "{grpc}"')
    told = found(folder)
    assert len(told) == count
    assert all("plain text" in one.what for one in told)


def test_check_shows_it_as_a_warning_and_still_ends_well(folder: Path) -> None:
    for path in (folder / "state").iterdir():
        path.unlink()
    (folder / "key.json").chmod(0o644)
    done = run_command("check", "--offline", "--json", folder=folder)
    warnings = [one for one in json.loads(done.stdout)["findings"] if one["level"] == "warning"]
    assert [(Path(one["subject"]).name, one["fix"][:9]) for one in warnings] == [("key.json", "chmod 600")]
    assert done.returncode == 0

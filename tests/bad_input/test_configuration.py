"""What can be wrong with the configuration and the files it names: file, line, nearest name and next step are told."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.bad_input.command import SENTINEL, as_ordinary_user, run
from tests.workbench import ROOT

WHOLE = """\
[source]
db = "app.db"

[bigquery]
project = "demo"
dataset = "mirror"

[[tables]]
name = "things"
"""
KEY = {"type": "service_account", "project_id": "demo", "private_key": "-----BEGIN PRIVATE KEY-----\nS3CRET\n",
       "client_email": "x@demo.iam.gserviceaccount.com", "token_uri": "https://oauth2.googleapis.com/token"}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    file = tmp_path / "app.db"
    with closing(sqlite3.connect(file)) as db:
        db.executescript("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT);"
                         f"INSERT INTO things VALUES (1, '{SENTINEL}')")
    return file


@pytest.mark.parametrize(("old", "new", "words"), [
    ("dataset =", "datset =", ("line 6", "unknown key bigquery.datset", "did you mean dataset?")),
    ("[source]", "[sourec]", ("line 1", "unknown key sourec", "did you mean source?")),
    ('name = "things"', 'name = "things"\nkeys = ["id"]', ("line 10", "tables[0].keys", "did you mean key?")),
    ('project = "demo"', "project = 5", ("line 5", "bigquery.project", "expected a string, found an integer")),
    ("[bigquery]", "[sync]\nbatch_rows = 0\n\n[bigquery]", ("line 5", "sync.batch_rows", "out of range", "from 1 to")),
    ('dataset = "mirror"', 'dataset = "mirror', ("line 6", "not valid TOML")),
    ('db = "app.db"', "db = ", ("line 2", "not valid TOML")),
    ('[[tables]]\nname = "things"\n', "", ("no table is configured", "[[tables]]")),
    ('db = "app.db"', "", ("line 1", "source.db is missing", "DB_FILE")),
    ('name = "things"', 'name = "things"\nmessage = "Things"', ("line 10", "tables[0].message", "[protos]")),
])
def test_a_wrong_line_is_named_with_its_remedy(tmp_path: Path, old: str, new: str, words: tuple[str, ...]) -> None:
    assert old in WHOLE
    config = tmp_path / "config.toml"
    config.write_text(WHOLE.replace(old, new), encoding="utf-8")
    run(tmp_path, "sync").told(78, "E101", str(config), *words)


def test_every_problem_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(WHOLE.replace("dataset", "datset").replace('"demo"', "5"), encoding="utf-8")
    done = run(tmp_path, "check", "--offline")
    done.told(78, "E101", "line 5", "line 6", "bigquery.dataset is missing")


def test_an_empty_file_names_all_that_has_to_be_in_it(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("", encoding="utf-8")
    run(tmp_path, "sync").told(78, "E101", "source.db is missing", "bigquery.project is missing",
                               "bigquery.dataset is missing", "no table is configured")


def test_a_missing_file_is_told_with_the_places_that_were_tried(tmp_path: Path) -> None:
    run(tmp_path, "sync", "-c", "other.toml").told(78, "E102", str(tmp_path / "other.toml"), "--config FILE")
    run(tmp_path, "sync").told(78, "E102", str(tmp_path / "config.toml"), "/etc/bqsync/config.toml")


def test_a_folder_or_an_unreadable_file_is_no_configuration(tmp_path: Path) -> None:
    (tmp_path / "folder.toml").mkdir()
    run(tmp_path, "sync", "-c", "folder.toml").told(78, "E102", "folder.toml", "directory")
    (tmp_path / "config.toml").write_text(WHOLE, encoding="utf-8")
    (tmp_path / "config.toml").chmod(0)
    run(tmp_path, "sync", prefix=as_ordinary_user()).told(78, "E102", "config.toml", "Permission denied")


def test_a_word_that_is_no_command_or_option_is_a_matter_of_usage(tmp_path: Path) -> None:
    for arguments in (["snyc"], ["sync", "--fully"], ["sync", "--log-level", "loud"]):
        done = run(tmp_path, *arguments)
        assert (done.code, done.output) == (2, "")
        assert "Usage:" in done.errors


@pytest.mark.parametrize(("content", "words"), [
    (None, ("No such file", "bqsync protos")),
    (b"\xff\xff\xff no descriptor set", ("descriptor set", "bqsync protos")),
    (b"", ("holds no file", "bqsync protos")),
    ((ROOT / "protos" / "db_schemas.binpb").read_bytes()[:-7], ("descriptor set", "bqsync protos")),
    ((ROOT / "protos" / "db_schemas.binpb").read_bytes(), ("Things", "protos")),
])
def test_a_descriptor_set_without_the_message_is_told_with_the_command_that_makes_it(
    database: Path, content: bytes | None, words: tuple[str, ...],
) -> None:
    file = database.with_name("things.binpb")
    if content is not None:
        file.write_bytes(content)
    protos = '[protos]\nfiles = ["things.proto"]\ndescriptor_set = "things.binpb"'
    database.with_name("config.toml").write_text(f'{WHOLE}message = "Things"\n{protos}\n', encoding="utf-8")
    run(database.parent, "sync").told(78, "E103", str(file), *words)


def test_protos_without_a_descriptor_set_say_how_to_make_one(database: Path) -> None:
    protos = '[protos]\nfiles = ["things.proto"]'
    database.with_name("config.toml").write_text(f'{WHOLE}message = "Things"\n{protos}\n', encoding="utf-8")
    run(database.parent, "sync").told(78, "E103", "Things", "protos.descriptor_set", "bqsync protos")


KEY_FILES = (
    (None, 0o600, "No such file"),
    (json.dumps(KEY), 0, "Permission denied"),
    (json.dumps(KEY), 0o600, "not a key file"),
    ("{ not json: S3CRET", 0o600, "not a key file"),
    ('{"type": "S3CRET"}', 0o600, "not a key file"),
    ('["S3CRET"]', 0o600, "not a key file"),
    ('{"type": "external_account", "audience": 5}', 0o600, "not a key file"),
    ("", 0o600, "not a key file"),
)


@pytest.mark.parametrize(("content", "mode", "word"), KEY_FILES)
def test_a_key_file_that_cannot_be_used_is_named_and_not_quoted(
    database: Path, content: str | None, mode: int, word: str,
) -> None:
    key = database.with_name("key.json")
    if content is not None:
        key.write_text(content, encoding="utf-8")
        key.chmod(mode)
    config = database.with_name("config.toml")
    config.write_text(WHOLE.replace("[bigquery]", '[bigquery]\ncredentials_file = "key.json"'), encoding="utf-8")
    done = run(config.parent, "sync", prefix=as_ordinary_user())
    done.told(77, "E307", str(key), word, "GOOGLE_APPLICATION_CREDENTIALS")
    assert "S3CRET" not in done.output + done.errors


def test_a_key_file_that_the_environment_names_is_judged_alike(database: Path) -> None:
    database.with_name("config.toml").write_text(WHOLE, encoding="utf-8")
    key = database.with_name("key.json")
    run(key.parent, "sync", environment={"GOOGLE_APPLICATION_CREDENTIALS": str(key)}).told(77, "E307", str(key))


def test_no_credentials_at_all_say_where_they_are_looked_for(database: Path) -> None:
    database.with_name("config.toml").write_text(WHOLE, encoding="utf-8")
    done = run(database.parent, "sync", environment={
        "GOOGLE_APPLICATION_CREDENTIALS": "", "HOME": str(database.parent), "CLOUDSDK_CONFIG": str(database.parent),
        "NO_GCE_CHECK": "true"})
    done.told(77, "E307", "GOOGLE_APPLICATION_CREDENTIALS", "gcloud auth application-default login", "embedded")

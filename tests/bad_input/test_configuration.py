"""What can be wrong with the configuration and the files it names: the file, the line, the nearest name, the next step."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.bad_input.command import as_ordinary_user, run
from tests.workbench import ROOT, Workbench

WHOLE = """\
[source]
db = "app.db"

[bigquery]
project = "demo"
dataset = "mirror"

[[tables]]
name = "things"
"""
KEY_FILE = {"type": "service_account", "project_id": "demo", "private_key": "-----BEGIN PRIVATE KEY-----\nS3CRET\n",
            "client_email": "x@demo.iam.gserviceaccount.com", "token_uri": "https://oauth2.googleapis.com/token"}


@pytest.mark.parametrize(("old", "new", "words"), [
    ("dataset =", "datset =", ("line 6", "unknown key bigquery.datset", "did you mean dataset?")),
    ("[source]", "[sourec]", ("line 1", "unknown key sourec", "did you mean source?")),
    ('name = "things"', 'name = "things"\nkeys = ["id"]', ("line 10", "tables[0].keys", "did you mean key?")),
    ('project = "demo"', "project = 5", ("line 5", "bigquery.project", "expected a string, found an integer")),
    ("[bigquery]", "[sync]\nbatch_rows = 0\n\n[bigquery]", ("line 5", "sync.batch_rows", "out of range", "from 1 to")),
    ('dataset = "mirror"', 'dataset = "mirror', ("line 6", "not valid TOML")),
    ('db = "app.db"', 'db = ', ("line 2", "not valid TOML")),
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
    for arguments in (["snyc"], ["sync", "--fully"], ["sync", "--log-level", "loud"], ["sync", "--confirm-deletes", "x"]):
        done = run(tmp_path, *arguments)
        assert (done.code, done.output) == (2, "")
        assert "Usage:" in done.errors


@pytest.mark.parametrize(("content", "words"), [
    (None, ("does not exist", "bqsync protos")),
    (b"\xff\xff\xff no descriptor set", ("descriptor set", "bqsync protos")),
    (b"", ("Things", "bqsync protos")),
    ((ROOT / "protos" / "db_schemas.binpb").read_bytes()[:-7], ("descriptor set", "bqsync protos")),
    ((ROOT / "protos" / "db_schemas.binpb").read_bytes(), ("Things", "protos")),
])
def test_a_descriptor_set_without_the_message_is_told_with_the_command_that_makes_it(
    bench: Workbench, content: bytes | None, words: tuple[str, ...],
) -> None:
    file = bench.folder / "things.binpb"
    if content is not None:
        file.write_bytes(content)
    bench.configure('[[tables]]\nname = "things"\nmessage = "Things"',
                    extra='[protos]\nfiles = ["things.proto"]\ndescriptor_set = "things.binpb"')
    run(bench.folder, "sync").told(78, "E103", str(file), *words)


def test_protos_without_a_descriptor_set_say_how_to_make_one(bench: Workbench) -> None:
    bench.configure('[[tables]]\nname = "things"\nmessage = "Things"', extra='[protos]\nfiles = ["things.proto"]')
    run(bench.folder, "sync").told(78, "E103", "Things", "protos.descriptor_set", "bqsync protos")


@pytest.mark.parametrize(("content", "mode", "word"), [
    (None, 0o600, "No such file"),
    (json.dumps(KEY_FILE), 0, "Permission denied"),
    (json.dumps(KEY_FILE), 0o600, "not a key file"),
    ("{ not json: S3CRET", 0o600, "not a key file"),
    ('{"type": "S3CRET"}', 0o600, "not a key file"),
    ('"service_account"', 0o600, "not a key file"),
    ("", 0o600, "not a key file"),
])
@pytest.mark.parametrize("given", ["file", "environment"])
def test_a_key_file_that_cannot_be_used_is_named_and_not_quoted(
    bench: Workbench, content: str | None, mode: int, word: str, given: str,
) -> None:
    key = bench.folder / "key.json"
    if content is not None:
        key.write_text(content, encoding="utf-8")
        key.chmod(mode)
    named = f'credentials_file = "{key}"' if given == "file" else ""
    bench.config_path.write_text(WHOLE.replace("[bigquery]", f"[bigquery]\n{named}"), encoding="utf-8")
    done = run(bench.folder, "sync", prefix=as_ordinary_user(),
               environment={"GOOGLE_APPLICATION_CREDENTIALS": str(key)} if given == "environment" else {})
    done.told(77, "E307", str(key), word, "GOOGLE_APPLICATION_CREDENTIALS")
    assert "S3CRET" not in done.output + done.errors


def test_no_credentials_at_all_say_where_they_are_looked_for(bench: Workbench) -> None:
    bench.config_path.write_text(WHOLE, encoding="utf-8")
    done = run(bench.folder, "sync", environment={
        "GOOGLE_APPLICATION_CREDENTIALS": "", "HOME": str(bench.folder), "CLOUDSDK_CONFIG": str(bench.folder),
        "NO_GCE_CHECK": "true"})
    done.told(77, "E307", "GOOGLE_APPLICATION_CREDENTIALS", "gcloud auth application-default login", "embedded")

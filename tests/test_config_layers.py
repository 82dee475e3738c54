"""Where values come from: command line over environment over .env over file over default."""

import itertools
import os
from pathlib import Path

import pytest

from bqsync.config import VARIABLES, Config, load
from bqsync.errors import ConfigurationError

ROOT = Path(__file__).parents[1]
TEXT = """\
[source]
db = "file.db"
[bigquery]
project = "file"
dataset = "d"
[[tables]]
name = "jobs"
"""
LAYERS = ("file", "dotenv", "environment", "command")


def read(folder: Path, text: str = TEXT, *, environ: dict[str, str] | None = None, **overrides: object) -> Config:
    (folder / "config.toml").write_text(text, encoding="utf-8")
    dotted = {name.replace("__", "."): value for name, value in overrides.items()}
    return load(folder / "config.toml", environ=environ or {}, overrides=dotted)


@pytest.mark.parametrize(
    "present",
    [chosen for size in range(5) for chosen in itertools.combinations(LAYERS, size)],
    ids=lambda chosen: "+".join(chosen) or "none",
)
def test_the_strongest_layer_wins(tmp_path: Path, present: tuple[str, ...]) -> None:
    if "dotenv" in present:
        (tmp_path / ".env").write_text("BQSYNC_LOG_LEVEL=warning\n", encoding="utf-8")
    text = TEXT + ('[log]\nlevel = "debug"\n' if "file" in present else "")
    environ = {"BQSYNC_LOG_LEVEL": "error"} if "environment" in present else {}
    overrides = {"log__level": "info"} if "command" in present else {}
    config = read(tmp_path, text, environ=environ, **overrides)
    values = {
        "command": ("info", "command line"),
        "environment": ("error", "environment BQSYNC_LOG_LEVEL"),
        "dotenv": ("warning", ".env BQSYNC_LOG_LEVEL"),
        "file": ("debug", "line 9 of config.toml"),
    }
    expected = next((values[layer] for layer in values if layer in present), ("info", "default"))
    assert (config.log.level, config.origins["log.level"]) == expected


@pytest.mark.parametrize("variable", [name for name in VARIABLES if not name.endswith("EMULATOR_HOST")])
@pytest.mark.parametrize("layer", ["environment", "dotenv"])
def test_every_variable_sets_its_key(tmp_path: Path, variable: str, layer: str) -> None:
    value = {"BQSYNC_LOG_LEVEL": "error", "BQSYNC_LOG_FORMAT": "text"}.get(variable, "value")
    if layer == "dotenv":
        (tmp_path / ".env").write_text(f'{variable}="{value}"\n', encoding="utf-8")
    config = read(tmp_path, environ={variable: value} if layer == "environment" else {})
    section, key = VARIABLES[variable].split(".")
    result = getattr(getattr(config, section), key)
    assert (result.name if isinstance(result, Path) else result) == value
    assert config.origins[VARIABLES[variable]] == f"{'.env' if layer == 'dotenv' else layer} {variable}"


def test_a_file_without_source_and_bigquery_is_enough_with_an_environment(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "BIGQUERY_PROJECT_ID=your-gcp-project-id\nBIGQUERY_DATASET_ID=d\nDB_FILE=backend/job_tracker.db  # Path\n",
        encoding="utf-8",
    )
    config = read(tmp_path, '[[tables]]\nname = "jobs"\n')
    assert config.bigquery.project == "your-gcp-project-id"
    assert config.bigquery.staging_dataset == "d"
    assert config.source.db == tmp_path / "backend/job_tracker.db"
    assert config.source.name == "job_tracker"


def test_relative_paths_start_where_they_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert read(tmp_path).source.db == tmp_path / "file.db"
    assert read(tmp_path, environ={"DB_FILE": "x.db"}).source.db == here / "x.db"
    assert read(tmp_path, source__db=Path("x.db")).source.db == here / "x.db"
    (tmp_path / ".env").write_text("DB_FILE=x.db\n", encoding="utf-8")
    assert read(tmp_path).source.db == tmp_path / "x.db"


def test_a_relative_configuration_file_yields_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read(tmp_path)
    monkeypatch.chdir(tmp_path)
    config = load(Path("config.toml"), environ={})
    assert config.path == tmp_path / "config.toml"
    assert config.state.file == tmp_path / ".bqsync/state.db"


def test_home_directory_and_symbolic_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    (tmp_path / "link.db").symlink_to(tmp_path / "real.db")
    assert read(tmp_path, source__db="~/x.db").source.db == Path("/home/somebody/x.db")
    assert read(tmp_path, TEXT.replace("file.db", "link.db")).source.db == tmp_path / "link.db"


def test_endpoints_of_the_environment_switch_embedded_off(tmp_path: Path) -> None:
    text = TEXT.replace("[bigquery]", "[bigquery]\nembedded = true")
    environ = {"BIGQUERY_EMULATOR_HOST": "localhost:9050", "BIGQUERY_STORAGE_EMULATOR_HOST": "localhost:9060"}
    config = read(tmp_path, text, environ=environ)
    assert config.bigquery.embedded is False
    assert config.bigquery.rest_endpoint == "http://localhost:9050"
    assert config.bigquery.grpc_endpoint == "localhost:9060"
    assert config.origins["bigquery.embedded"] == "environment BIGQUERY_STORAGE_EMULATOR_HOST"
    assert read(tmp_path, text).bigquery.embedded is True


def test_embedded_of_the_command_line_does_not_override_an_endpoint_in_silence(tmp_path: Path) -> None:
    environ = {"BIGQUERY_EMULATOR_HOST": "localhost:9050", "BIGQUERY_STORAGE_EMULATOR_HOST": "localhost:9060"}
    with pytest.raises(ConfigurationError, match=r"bigquery\.embedded is on while an endpoint is set"):
        read(tmp_path, environ=environ, bigquery__embedded=True)


def test_what_is_set_to_nothing_is_not_set(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("BIGQUERY_PROJECT_ID=\nBIGQUERY_DATASET_ID\n", encoding="utf-8")
    config = read(tmp_path, environ={"DB_FILE": ""}, log__level=None)
    assert (config.bigquery.project, config.bigquery.dataset) == ("file", "d")
    assert config.source.db.name == "file.db"


def test_dotenv_is_not_exported(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("GOOGLE_APPLICATION_CREDENTIALS=key.json\nOTHER=1\n", encoding="utf-8")
    before = dict(os.environ)
    assert read(tmp_path).bigquery.credentials_file == tmp_path / "key.json"
    assert dict(os.environ) == before


def test_dotenv_that_can_not_be_read_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"DB_FILE=\xff\n")
    with pytest.raises(ConfigurationError, match=r"\.env can't be read"):
        read(tmp_path)


def test_the_first_place_that_exists_is_read(tmp_path: Path) -> None:
    read(tmp_path)
    config = load(None, environ={}, search=[tmp_path / "absent.toml", tmp_path / "config.toml"])
    assert config.path == tmp_path / "config.toml"


def test_the_shipped_configuration_loads() -> None:
    config = load(ROOT / "config.toml", environ={})
    assert config.bigquery.embedded
    assert len(config.tables) == 9
    assert config.protos.files == (ROOT / "protos/db_schemas.proto",)
    watermarks = {table.name: table.watermark for table in config.tables if table.watermark}
    assert watermarks == {
        "job_runs": ("job_run_timestamp",),
        "document_store": ("document_timestamp",),
        "job_quarantine": ("job_quarantine_timestamp",),
        "llm_runs_v2": ("llm_run_end", "llm_run_start"),
    }


def test_the_shipped_configuration_fits_the_shipped_messages() -> None:
    """Every message, key, watermark and timestamp column exists; every time column says its unit."""
    import re

    proto = (ROOT / "protos/db_schemas.proto").read_text(encoding="utf-8")
    bodies = dict(re.findall(r"^message (\w+) \{\n(.*?)^\}", proto, re.MULTILINE | re.DOTALL))
    columns = {name: re.findall(r"optional \w+ (\w+) =", body) for name, body in bodies.items()}
    tables = load(ROOT / "config.toml", environ={}).tables
    assert {table.message for table in tables} == set(columns)
    for table in tables:
        known = columns[table.message or ""]
        assert table.key
        assert {*table.key, *table.watermark} <= set(known)
        times = {name for name in known if name.endswith(("_timestamp", "_at", "_start", "_end"))}
        assert set(table.timestamps) == times

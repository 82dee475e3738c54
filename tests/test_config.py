"""Every key of the configuration: its default, its values, and what it refuses."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import fields

from bqsync.config import Config, load
from bqsync.config.schema import SECTIONS, TableSection
from bqsync.errors import ConfigurationError, Problem
from bqsync.model import TargetType, TimestampFormat

MIB = 1024 * 1024
BASE = {
    "source": 'db = "app.db"',
    "bigquery": 'project = "p-1"\ndataset = "d"',
    "tables": 'name = "jobs"',
}

# Section, key: the attribute, its default ("<folder>/x" is below the file's folder), a value in TOML, what it becomes.
KEYS: list[tuple[str, str, str, Any, str, Any]] = [
    ("source", "db", "db", "<folder>/app.db", '"data/x.sqlite"', "<folder>/data/x.sqlite"),
    ("source", "name", "name", "app", '"main"', "main"),
    ("source", "time_zone", "time_zone", "UTC", '"Europe/Berlin"', "Europe/Berlin"),
    ("source", "busy_timeout", "busy_timeout_s", 5.0, '"200ms"', 0.2),
    ("bigquery", "project", "project", "p-1", '"example.com:p-2"', "example.com:p-2"),
    ("bigquery", "dataset", "dataset", "d", '"D_2"', "D_2"),
    ("bigquery", "location", "location", "US", '"europe-west3"', "europe-west3"),
    ("bigquery", "embedded", "embedded", False, "true", True),
    ("bigquery", "embedded_dir", "embedded_dir", "<folder>/.bqsync/bigquery", '"/var/bq"', "/var/bq"),
    ("bigquery", "credentials_file", "credentials_file", None, '"key.json"', "<folder>/key.json"),
    ("bigquery", "staging_dataset", "staging_dataset", "d", '"staging"', "staging"),
    ("state", "file", "file", "<folder>/.bqsync/state.db", '"/var/lib/s.db"', "/var/lib/s.db"),
    ("protos", "files", "files", (), '["a.proto"]', ("<folder>/a.proto",)),
    ("protos", "descriptor_set", "descriptor_set", None, '"a.binpb"', "<folder>/a.binpb"),
    ("watch", "debounce", "debounce_s", 0.2, '"50 ms"', 0.05),
    ("watch", "max_delay", "max_delay_s", 2.0, '"10 min"', 600.0),
    ("watch", "poll_interval", "poll_interval_s", 2.0, '"100 ms"', 0.1),
    ("sync", "batch_rows", "batch_rows", 500, "50_000", 50_000),
    ("sync", "page_rows", "page_rows", 5000, "1", 1),
    ("sync", "page_bytes", "page_bytes", 8 * MIB, '"64 KiB"', 65_536),
    ("sync", "native", "native", True, "false", False),
    ("sync", "chunk_rows", "chunk_rows", 200_000, "1", 1),
    ("sync", "chunk_bytes", "chunk_bytes", 128 * MIB, '"1.5 GiB"', 1536 * MIB),
    ("sync", "parallel_tables", "parallel_tables", 4, "32", 32),
    ("sync", "max_delete_fraction", "max_delete_fraction", 0.5, "1", 1.0),
    ("sync", "overlap", "overlap_s", 60.0, '"0s"', 0.0),
    ("sync", "sweep_interval", "sweep_interval_s", 3600.0, '"1 s"', 1.0),
    ("sync", "sweep_duty", "sweep_duty", 0.05, "1", 1.0),
    ("sync", "verify_interval", "verify_interval_s", 86_400.0, "0", 0.0),
    ("sync", "merge_interval", "merge_interval_s", 0.0, '"24 h"', 86_400.0),
    ("sync", "daily_bytes_billed_limit", "daily_bytes_billed_limit", None, '"1.5 TiB"', 1536 * 1024 * MIB),
    ("log", "heartbeat_interval", "heartbeat_interval_s", 300.0, '"1 s"', 1.0),
    ("log", "level", "level", "info", '"debug"', "debug"),
    ("log", "format", "format", "auto", '"text"', "text"),
    ("http", "listen", "listen", None, '"[::1]:9188"', "[::1]:9188"),
    ("http", "ready_within", "ready_within_s", 900.0, '"1 min"', 60.0),
    ("tables", "name", "name", "jobs", '"Other jobs"', "Other jobs"),
    ("tables", "target", "target", "jobs", '"Jobs 2"', "Jobs 2"),
    ("tables", "key", "key", (), '["a", "b"]', ("a", "b")),
    ("tables", "mode", "mode", "upsert", '"append"', "append"),
    ("tables", "watermark", "watermark", (), '["a"]', ("a",)),
    ("tables", "deletes", "deletes", "delete", '"mark"', "mark"),
    ("tables", "sweep_interval", "sweep_interval_s", None, '"1 s"', 1.0),
    ("tables", "merge_interval", "merge_interval_s", None, '"0s"', 0.0),
    ("tables", "daily_bytes_billed_limit", "daily_bytes_billed_limit", None, '"2 TB"', 2 * 10**12),
    ("tables", "partition_by", "partition_by", None, '"at"', "at"),
    ("tables", "null_values", "null_values", "null", '"zero"', "zero"),
    ("tables", "types", "types", {}, '{ price = "NUMERIC" }', {"price": TargetType.NUMERIC}),
    ("tables", "timestamps", "timestamps", {}, '{ at = "iso8601" }', {"at": TimestampFormat.ISO8601}),
]
# These need a companion and have tests of their own below.
PAIRED = {("bigquery", "rest_endpoint"), ("bigquery", "grpc_endpoint"), ("tables", "message"), ("tables", "sweep"),
          ("tables", "partition_unit")}

REFUSED: list[tuple[str, str, str, str]] = [
    ("source", "db", "5", "source.db: expected a string, found an integer"),
    ("source", "db", '""', "source.db: is an empty path"),
    ("source", "db", '"a\\u0000b"', "source.db: a path can't hold a NUL character"),
    ("source", "name", '""', "source.name: is an empty string"),
    ("source", "name", "true", "source.name: expected a string, found true or false"),
    ("source", "time_zone", '"Mars/Olympus"', 'source.time_zone: "Mars/Olympus" is no time zone that this system'),
    ("source", "time_zone", '"../../etc/passwd"', '"../../etc/passwd" is no time zone'),
    ("source", "time_zone", "1", "source.time_zone: expected a string, found an integer"),
    ("source", "busy_timeout", "true", "source.busy_timeout: expected a duration, found true or false"),
    ("source", "busy_timeout", '"5"', 'source.busy_timeout: expected a duration, found "5"'),
    ("source", "busy_timeout", '"5 parsecs"', 'source.busy_timeout: expected a duration, found "5 parsecs"'),
    ("source", "busy_timeout", '"2 min"', "source.busy_timeout: 2 min is out of range"),
    ("source", "busy_timeout", "-1", "source.busy_timeout: -1 s is out of range"),
    ("source", "busy_timeout", "nan", "source.busy_timeout: nan s is out of range"),
    ("bigquery", "project", '"My Project"', 'bigquery.project: "My Project" is not allowed'),
    ("bigquery", "project", "1", "bigquery.project: expected a string, found an integer"),
    ("bigquery", "project", '"p\\n"', "bigquery.project: "),
    ("bigquery", "dataset", '"my-dataset"', 'bigquery.dataset: "my-dataset" is not allowed'),
    ("bigquery", "dataset", '["d"]', "bigquery.dataset: expected a string, found a list"),
    ("bigquery", "location", '""', 'bigquery.location: "" is not allowed'),
    ("bigquery", "embedded", '"yes"', "bigquery.embedded: expected true or false, found a string"),
    ("bigquery", "embedded_dir", "true", "bigquery.embedded_dir: expected a string, found true or false"),
    ("bigquery", "credentials_file", "{}", "bigquery.credentials_file: expected a string, found a table"),
    ("bigquery", "staging_dataset", '"a.b"', 'bigquery.staging_dataset: "a.b" is not allowed'),
    ("bigquery", "staging_dataset", "1.5", "bigquery.staging_dataset: expected a string, found a number"),
    ("bigquery", "rest_endpoint", '"ftp://x"', 'bigquery.rest_endpoint: "ftp://x" is no address'),
    ("bigquery", "rest_endpoint", '"localhost:99999"', "bigquery.rest_endpoint: "),
    ("bigquery", "rest_endpoint", "9050", "bigquery.rest_endpoint: expected a string, found an integer"),
    ("bigquery", "grpc_endpoint", '"localhost"', 'bigquery.grpc_endpoint: "localhost" is no address'),
    ("bigquery", "grpc_endpoint", "9060", "bigquery.grpc_endpoint: expected a string, found an integer"),
    ("state", "file", "1979-05-27", "state.file: expected a string, found a date or time"),
    ("protos", "files", '"a.proto"', 'protos.files: expected a list of paths, found "a.proto"'),
    ("protos", "files", "[1]", "protos.files: expected a string, found an integer"),
    ("protos", "descriptor_set", "1", "protos.descriptor_set: expected a string, found an integer"),
    ("watch", "debounce", "-1", "watch.debounce: -1 s is out of range"),
    ("watch", "max_delay", '"11 min"', "watch.max_delay: 11 min is out of range"),
    ("watch", "poll_interval", '"10 ms"', "watch.poll_interval: 10 ms is out of range"),
    ("sync", "batch_rows", "0", "sync.batch_rows: 0 is out of range"),
    ("sync", "batch_rows", "50_001", "sync.batch_rows: 50,001 is out of range"),
    ("sync", "batch_rows", "true", "sync.batch_rows: expected an integer, found true or false"),
    ("sync", "batch_rows", "1.5", "sync.batch_rows: expected an integer, found a number"),
    ("sync", "page_rows", "0", "sync.page_rows: 0 is out of range"),
    ("sync", "page_rows", '"5000"', "sync.page_rows: expected an integer, found a string"),
    ("sync", "page_bytes", '"9 MiB"', "sync.page_bytes: 9 MiB is out of range"),
    ("sync", "page_bytes", "1.5", "sync.page_bytes: expected a size, found a number"),
    ("sync", "page_bytes", '"8 M"', 'sync.page_bytes: expected a size, found "8 M"'),
    ("sync", "native", "0", "sync.native: expected true or false, found an integer"),
    ("sync", "chunk_rows", "10_000_001", "sync.chunk_rows: 10,000,001 is out of range"),
    ("sync", "chunk_rows", "[]", "sync.chunk_rows: expected an integer, found a list"),
    ("sync", "chunk_bytes", '"5 GiB"', "sync.chunk_bytes: 5 GiB is out of range"),
    ("sync", "chunk_bytes", "true", "sync.chunk_bytes: expected a size, found true or false"),
    ("sync", "parallel_tables", "33", "sync.parallel_tables: 33 is out of range"),
    ("sync", "parallel_tables", '"4"', "sync.parallel_tables: expected an integer, found a string"),
    ("sync", "max_delete_fraction", "0", "sync.max_delete_fraction: 0 is out of range"),
    ("sync", "max_delete_fraction", "1.01", "sync.max_delete_fraction: 1.01 is out of range"),
    ("sync", "max_delete_fraction", '"50%"', "sync.max_delete_fraction: expected a number, found a string"),
    ("sync", "overlap", '"a while"', 'sync.overlap: expected a duration, found "a while"'),
    ("sync", "overlap", "-1", "sync.overlap: -1 s is out of range"),
    ("sync", "overlap", "2_592_001", "sync.overlap: 2592001 s is out of range"),
    ("sync", "sweep_interval", "0.5", "sync.sweep_interval: 500 ms is out of range"),
    ("sync", "verify_interval", '"8761 h"', "sync.verify_interval: 8761 h is out of range"),
    ("sync", "sweep_interval", "true", "sync.sweep_interval: expected a duration, found true or false"),
    ("sync", "sweep_duty", "0", "sync.sweep_duty: 0 is out of range"),
    ("sync", "sweep_duty", "1.5", "sync.sweep_duty: 1.5 is out of range"),
    ("sync", "sweep_duty", '"5%"', "sync.sweep_duty: expected a number, found a string"),
    ("sync", "merge_interval", '"25 h"', "sync.merge_interval: 25 h is out of range"),
    ("sync", "daily_bytes_billed_limit", '"9 MiB"', "sync.daily_bytes_billed_limit: 9 MiB is out of range"),
    ("log", "heartbeat_interval", "0", "log.heartbeat_interval: 0 s is out of range"),
    ("log", "level", '"verbose"', 'log.level: "verbose" is not one of its values'),
    ("log", "level", "1", "log.level: expected a string, found an integer"),
    ("log", "format", '"xml"', 'log.format: "xml" is not one of its values'),
    ("log", "format", "true", "log.format: expected a string, found true or false"),
    ("http", "listen", '"0.0.0.0:9188"', 'http.listen: other machines can reach "0.0.0.0:9188"'),
    ("http", "listen", '"192.168.0.4:9188"', 'http.listen: other machines can reach "192.168.0.4:9188"'),
    ("http", "listen", '"[::]:9188"', 'http.listen: other machines can reach "[::]:9188"'),
    ("http", "listen", '"[::ffff:10.0.0.1]:80"', 'http.listen: other machines can reach "[::ffff:10.0.0.1]:80"'),
    ("http", "listen", '"localhost:9188"', 'http.listen: "localhost:9188" is no numeric address with a port'),
    ("http", "listen", '"[127.0.0.1]:9188"', 'http.listen: "[127.0.0.1]:9188" is no numeric address with a port'),
    ("http", "listen", '"127.0.0.1:65536"', 'http.listen: "127.0.0.1:65536" is no numeric address with a port'),
    ("http", "listen", '"127.0.0.1"', 'http.listen: "127.0.0.1" is no numeric address with a port'),
    ("http", "listen", "9188", "http.listen: expected a string, found an integer"),
    ("http", "ready_within", "0", "http.ready_within: 0 s is out of range"),
    ("tables", "name", '""', "tables[0].name: is an empty string"),
    ("tables", "name", "1", "tables[0].name: expected a string, found an integer"),
    ("tables", "target", '"a.b"', "tables[0].target: BigQuery refuses '.' in a table name"),
    ("tables", "target", '""', "tables[0].target: a table name has 1 to 1024 bytes"),
    ("tables", "target", '"_BQSYNC_staging_x"', "tables[0].target: names that start with _bqsync are staging tables"),
    ("tables", "target", "1", "tables[0].target: expected a string, found an integer"),
    ("tables", "message", '"Job-Runs"', 'tables[0].message: "Job-Runs" is not allowed'),
    ("tables", "message", "1", "tables[0].message: expected a string, found an integer"),
    ("tables", "key", '"id"', 'tables[0].key: expected a list of columns, found "id"'),
    ("tables", "key", "[1]", "tables[0].key: expected a string, found an integer"),
    ("tables", "key", '["a", "A"]', "tables[0].key: names a column twice"),
    ("tables", "key", '[""]', "tables[0].key: holds an empty name"),
    ("tables", "watermark", '["a", "a"]', "tables[0].watermark: names a column twice"),
    ("tables", "watermark", "1", "tables[0].watermark: expected a list of columns, found an integer"),
    ("tables", "deletes", '"forget"', 'tables[0].deletes: "forget" is not one of its values'),
    ("tables", "deletes", "false", "tables[0].deletes: expected a string, found true or false"),
    ("tables", "sweep", '"never"', 'tables[0].sweep: "never" is not one of its values'),
    ("tables", "sweep", "false", "tables[0].sweep: expected a string, found true or false"),
    ("tables", "sweep", '"off"', 'tables[0].sweep is "off" and the table has no watermark'),
    ("tables", "sweep_interval", "0.5", "tables[0].sweep_interval: 500 ms is out of range"),
    ("tables", "merge_interval", "true", "tables[0].merge_interval: expected a duration, found true or false"),
    ("tables", "daily_bytes_billed_limit", '"2 PB"',
     'tables[0].daily_bytes_billed_limit: expected a size, found "2 PB"'),
    ("tables", "partition_by", '""', "tables[0].partition_by: is an empty string"),
    ("tables", "partition_by", '["at"]', "tables[0].partition_by: expected a string, found a list"),
    ("tables", "partition_unit", '"week"', 'tables[0].partition_unit: "week" is not one of its values'),
    ("tables", "partition_unit", '"day"', "tables[0].partition_unit is set without partition_by"),
    ("tables", "null_values", '"none"', 'tables[0].null_values: "none" is not one of its values'),
    ("tables", "mode", '"insert"', 'tables[0].mode: "insert" is not one of its values'),
    ("tables", "null_values", "0", "tables[0].null_values: expected a string, found an integer"),
    ("tables", "types", '{ a = "TEXT" }', 'tables[0].types.a: "TEXT" is not one of its values'),
    ("tables", "types", '"INT64"', "tables[0].types: expected a table, found a string"),
    ("tables", "types", '{ a = "INT64", A = "STRING" }', 'tables[0].types: column "A" stands twice'),
    ("tables", "timestamps", '{ a = "seconds" }', 'tables[0].timestamps.a: "seconds" is not one of its values'),
    ("tables", "timestamps", "[]", "tables[0].timestamps: expected a table, found a list"),
]


def document(section: str = "", line: str = "") -> str:
    """A small valid file, with `line` in `section` instead of that key's own."""
    key = line.partition(" ")[0]
    parts = []
    for name in [*SECTIONS, "tables"]:
        lines = [own for own in BASE.get(name, "").splitlines() if name != section or own.partition(" ")[0] != key]
        lines += [line] if name == section else []
        parts.append("\n".join([f"[[{name}]]" if name == "tables" else f"[{name}]", *lines]))
    return "\n".join(parts) + "\n"


def read(folder: Path, text: str) -> Config:
    file = folder / "config.toml"
    file.write_text(text, encoding="utf-8")
    return load(file, environ={})


def problems(folder: Path, text: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigurationError) as caught:
        read(folder, text)
    return caught.value.problems


def in_folder(expected: object, folder: Path) -> object:
    """`expected` with its paths made real."""
    if isinstance(expected, tuple):
        return tuple(in_folder(item, folder) for item in expected)
    if isinstance(expected, str) and expected.startswith(("<folder>", "/")):
        return Path(expected.replace("<folder>", str(folder)))
    return expected


def value_of(config: Config, section: str, attribute: str) -> object:
    return getattr(config.tables[0] if section == "tables" else getattr(config, section), attribute)


def test_no_key_is_forgotten_here() -> None:
    declared = {(section, field.encode_name) for section in SECTIONS for field in fields(SECTIONS[section])}
    declared |= {("tables", field.encode_name) for field in fields(TableSection)}
    assert {(section, key) for section, key, *_ in KEYS} | PAIRED == declared
    assert {(section, key) for section, key, *_ in REFUSED} == declared


@pytest.mark.parametrize(("section", "key", "attribute", "default"), [row[:4] for row in KEYS])
def test_default(tmp_path: Path, section: str, key: str, attribute: str, default: object) -> None:
    config = read(tmp_path, document())
    assert value_of(config, section, attribute) == in_folder(default, tmp_path)
    label = "tables[0]" if section == "tables" else section
    assert (config.origins[f"{label}.{key}"] == "default") == (f"{key} =" not in BASE.get(section, ""))


@pytest.mark.parametrize("row", KEYS, ids=lambda row: f"{row[0]}.{row[1]}")
def test_set(tmp_path: Path, row: tuple[str, str, str, object, str, object]) -> None:
    section, key, attribute, _default, text, value = row
    content = document(section, f"{key} = {text}")
    config = read(tmp_path, content)
    assert value_of(config, section, attribute) == in_folder(value, tmp_path)
    label = "tables[0]" if section == "tables" else section
    line = content.splitlines().index(f"{key} = {text}") + 1
    assert config.origins[f"{label}.{key}"] == f"line {line} of config.toml"


@pytest.mark.parametrize(("section", "key", "text", "message"), REFUSED)
def test_refused(tmp_path: Path, section: str, key: str, text: str, message: str) -> None:
    content = document(section, f"{key} = {text}")
    (problem,) = problems(tmp_path, content)
    assert message in problem.message
    assert problem.fix
    assert problem.line == content.splitlines().index(f"{key} = {text}") + 1


@pytest.mark.parametrize(
    ("rest", "grpc", "expected"),
    [
        ("localhost:9050", "localhost:9060", ("http://localhost:9050", "localhost:9060")),
        ("http://127.0.0.1:9050/", "http://[::1]:9060", ("http://127.0.0.1:9050", "[::1]:9060")),
        ("https://bq.example.com", "bq.example.com:443", ("https://bq.example.com", "bq.example.com:443")),
    ],
)
def test_endpoints(tmp_path: Path, rest: str, grpc: str, expected: tuple[str, str]) -> None:
    text = document("bigquery", f'rest_endpoint = "{rest}"\ngrpc_endpoint = "{grpc}"')
    config = read(tmp_path, text)
    assert (config.bigquery.rest_endpoint, config.bigquery.grpc_endpoint) == expected
    assert read(tmp_path, document()).bigquery.rest_endpoint is None
    assert read(tmp_path, document()).bigquery.grpc_endpoint is None


def test_message(tmp_path: Path) -> None:
    text = document("tables", 'message = "shop.Jobs"')
    assert read(tmp_path, document()).tables[0].message is None
    assert read(tmp_path, text.replace("[protos]", '[protos]\nfiles = ["a.proto"]')).tables[0].message == "shop.Jobs"


def test_sweeps_are_switched_off_beside_a_watermark_alone(tmp_path: Path) -> None:
    assert read(tmp_path, document()).tables[0].sweep.value == "on"
    text = document("tables", 'watermark = ["at"]\nsweep = "off"')
    assert read(tmp_path, text).tables[0].sweep.value == "off"
    (problem,) = problems(tmp_path, document("tables", 'watermark = []\nsweep = "off"'))
    assert "nothing would ever be read" in problem.message


@pytest.mark.parametrize(
    ("name", "target"),
    [("a b", "a_b"), ("a.b/c", "a_b_c"), ("größe-2", "gr__e_2"), ("a😀b\n", "a_b_"), ("`;--", "____")],
)
def test_target_is_the_name_in_plain_letters(tmp_path: Path, name: str, target: str) -> None:
    escaped = name.replace("\n", "\\n")
    assert read(tmp_path, document("tables", f'name = "{escaped}"')).tables[0].target == target


def test_tables_are_found_in_any_case(tmp_path: Path) -> None:
    config = read(tmp_path, document())
    assert config.table("JOBS") is config.tables[0]
    assert config.table("other") is None


def test_a_configuration_can_not_be_changed(tmp_path: Path) -> None:
    with pytest.raises(AttributeError):
        read(tmp_path, document()).sync.batch_rows = 1  # type: ignore[misc] # it is frozen


@pytest.mark.parametrize("deletes", ["delete", "mark"])
def test_where_rows_are_only_added_none_is_deleted(tmp_path: Path, deletes: str) -> None:
    assert read(tmp_path, document("tables", 'mode = "append"')).tables[0].mode.value == "append"
    assert read(tmp_path, document("tables", 'mode = "append"\ndeletes = "ignore"')).tables[0].deletes.value == "ignore"
    (problem,) = problems(tmp_path, document("tables", f'mode = "append"\ndeletes = "{deletes}"'))
    assert f'deletes is "{deletes}" and mode is "append"' in problem.message

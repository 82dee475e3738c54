"""What is refused: everything at once, each with its line and its fix; never a wrong line."""

from pathlib import Path

import pytest

from bqsync.config import load
from bqsync.errors import BqsyncError, ConfigurationError, ErrorKind, ExitCode, Problem

VALID = """\
[source]
db = "app.db"
[bigquery]
project = "p-1"
dataset = "d"
[[tables]]
name = "jobs"
"""


def problems(folder: Path, text: str, **environ: str) -> list[Problem]:
    file = folder / "config.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load(file, environ=environ)
    assert caught.value.rule.exit_code is ExitCode.CONFIGURATION
    return list(caught.value.problems)


def messages(found: list[Problem]) -> list[tuple[int | None, str]]:
    return [(problem.line, problem.message) for problem in found]


@pytest.mark.parametrize(
    ("text", "line", "message", "fix"),
    [
        ("[sources]\n", 8, "unknown key sources", "did you mean source?"),
        ("[table]\n", 8, "unknown key table", "did you mean tables?"),
        ("[xyz]\n", 8, "unknown key xyz", "known here: source, bigquery"),
        ("[sync]\n\nbatch_row = 1\n", 10, "unknown key sync.batch_row", "did you mean batch_rows?"),
        ("[log]\nLEVEL = 1\n", 9, "unknown key log.LEVEL", "did you mean level?"),
        ("[log]\nbusy_timeout = 1\n", 9, "unknown key log.busy_timeout", "belongs under [source]"),
        ('watermarks = ["a"]\n', 8, "unknown key tables[0].watermarks", "did you mean watermark?"),
        ('[[tables]]\nname="b"\n"k.y" = 1\n', 10, "unknown key tables[1].k.y", "did you mean key?"),
        ("primary_color = 1\n", 8, "unknown key tables[0].primary_color", "remove it; known here: name, target"),
    ],
)
def test_unknown_key_has_its_line_and_the_nearest_name(
    tmp_path: Path, text: str, line: int, message: str, fix: str
) -> None:
    (problem,) = problems(tmp_path, VALID + text)
    assert (problem.line, problem.message) == (line, message)
    assert fix in problem.fix


def test_unknown_key_at_the_top(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, 'project = "x"\n' + VALID)
    assert (problem.line, problem.message) == (1, "unknown key project")
    assert "belongs under [bigquery]" in problem.fix


def test_every_problem_is_reported_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = (
        '[source]\ndb = 1\nnam = "x"\n[sync]\nbatch_rows = 0\npage_bytes = "x"\n'
        '[[tables]]\nname = "a"\nkey = "id"\ndeletes = "no"\n[[tables]]\ntypes = { a = "X", b = 2 }\n'
    )
    assert messages(problems(tmp_path, text)) == [
        (None, "bigquery.project is missing"),
        (None, "bigquery.dataset is missing"),
        (2, "source.db: expected a string, found an integer"),
        (3, "unknown key source.nam"),
        (5, "sync.batch_rows: 0 is out of range"),
        (6, 'sync.page_bytes: expected a size, found "x"'),
        (9, 'tables[0].key: expected a list of columns, found "id"'),
        (10, 'tables[0].deletes: "no" is not one of its values'),
        (11, "tables[1].name is missing"),
        (12, 'tables[1].types.a: "X" is not one of its values'),
        (12, "tables[1].types.b: expected a string, found an integer"),
    ]


def test_missing_keys_name_the_way_to_set_them(tmp_path: Path) -> None:
    found = problems(tmp_path, "[bigquery]\n")
    assert messages(found) == [
        (None, "source.db is missing"),
        (None, "no table is configured"),
        (1, "bigquery.project is missing"),
        (1, "bigquery.dataset is missing"),
    ]
    assert found[0].fix == 'add db = "..." to [source], or set DB_FILE'
    assert found[2].fix == 'add project = "..." to [bigquery], or set BIGQUERY_PROJECT_ID'


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ('[source]\ndb = "app.db"', 'source = "app.db"', 1, "source: expected a section, found a string"),
        ("[[tables]]", "[tables]", 6, "tables: expected [[tables]], found a table"),
        ('[[tables]]\nname = "jobs"\n', "[[source]]", None, "not valid TOML"),
    ],
)
def test_sections_of_the_wrong_form(tmp_path: Path, old: str, new: str, line: int | None, message: str) -> None:
    found = problems(tmp_path, VALID.replace(old, new))
    assert len(found) == 1
    assert message in found[0].message
    assert line is None or found[0].line == line


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("[source]\ndb = app.db\n", 2, "not valid TOML at column 6: Invalid value"),
        ("[source]\ndb = 1\ndb = 2\n", 3, "Cannot overwrite a value"),
        ('[source]\ndb = """\n', None, "not valid TOML"),
    ],
)
def test_syntax_error_has_its_line(tmp_path: Path, text: str, line: int | None, message: str) -> None:
    (problem,) = problems(tmp_path, text)
    assert problem.line == line
    assert message in problem.message


@pytest.mark.parametrize(
    ("tables", "line", "message"),
    [
        ('name = "a"\n[[tables]]\nname = "A"\n', 9, 'tables[1].name: table "A" is configured twice'),
        ('name = "a.b"\n[[tables]]\nname = "A_B"\n', 9, "tables[1].target: two tables go to the same target"),
        ('name = "a"\n[[tables]]\nname = "b"\ntarget = "A"\n', 10, 'target "A": "a" is the other'),
        ('name = "a"\nmessage = "A"\n', 8, "there are no .proto files"),
        ('name = "a"\ntypes = { x = "DATE" }\ntimestamps = { X = "iso8601" }\n', 9, 'column "X" is a DATE by types'),
    ],
)
def test_rules_between_tables_and_columns(tmp_path: Path, tables: str, line: int, message: str) -> None:
    (problem,) = problems(tmp_path, VALID.replace('name = "jobs"\n', tables))
    assert problem.line == line
    assert message in problem.message


@pytest.mark.parametrize(
    ("keys", "line", "message"),
    [
        ('rest_endpoint = "h:1"\n', 4, "bigquery.rest_endpoint is set without bigquery.grpc_endpoint"),
        ('grpc_endpoint = "h:1"\n', 4, "bigquery.grpc_endpoint is set without bigquery.rest_endpoint"),
        ('embedded = true\nrest_endpoint = "h:1"\ngrpc_endpoint = "h:2"\n', 4, "bigquery.embedded is on while"),
    ],
)
def test_rows_go_to_one_place_only(tmp_path: Path, keys: str, line: int, message: str) -> None:
    (problem,) = problems(tmp_path, VALID.replace("[bigquery]\n", "[bigquery]\n" + keys))
    assert problem.line == line
    assert message in problem.message


@pytest.mark.parametrize("file", ["app.db", "./link.db", "sub/../app.db"])
def test_the_state_never_goes_into_the_source_database(tmp_path: Path, file: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "link.db").symlink_to(tmp_path / "app.db")
    (problem,) = problems(tmp_path, VALID + f'[state]\nfile = "{file}"\n')
    assert (problem.line, problem.message[:29]) == (9, "state.file is the source data")


def test_a_line_of_the_file_is_not_blamed_for_the_environment(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, VALID, BQSYNC_LOG_LEVEL="loud")
    assert messages([problem]) == [(None, 'log.level (environment BQSYNC_LOG_LEVEL): "loud" is not one of its values')]
    text = VALID + '[state]\nfile = "other.db"\n'
    (problem,) = problems(tmp_path, text, BIGQUERY_EMULATOR_HOST="localhost:1")
    assert problem.line is None
    assert "set BIGQUERY_STORAGE_EMULATOR_HOST" in problem.fix


def test_a_file_that_is_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(VALID.encode() + "# Größe".encode("latin-1"))
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path / "config.toml", environ={})
    assert messages(list(caught.value.problems)) == [(8, "the file is not UTF-8")]


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(VALID, encoding="utf-8-sig")
    assert load(tmp_path / "config.toml", environ={}).source.name == "app"


@pytest.mark.parametrize("name", ["absent.toml", "."])
def test_a_file_that_can_not_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(BqsyncError) as caught:
        load(tmp_path / name, environ={})
    assert caught.value.kind is ErrorKind.CONFIG_MISSING
    assert str(tmp_path) in caught.value.what


def test_without_a_file_both_places_are_named(tmp_path: Path) -> None:
    with pytest.raises(BqsyncError) as caught:
        load(None, environ={}, search=[tmp_path / "one.toml", tmp_path / "two.toml"])
    assert caught.value.kind is ErrorKind.CONFIG_MISSING
    assert f"{tmp_path}/one.toml and {tmp_path}/two.toml" in caught.value.why
    assert "--config" in caught.value.fix


def test_an_override_without_a_key_is_the_callers_fault(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(VALID, encoding="utf-8")
    for name in ("log.colour", "sink.level", "tables.name"):
        with pytest.raises(ValueError, match=name):
            load(tmp_path / "config.toml", environ={}, overrides={name: "x"})

"""The environment variables that set a key, and the `.env` file beside the configuration."""

import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bqsync.errors import Problem
from bqsync.regular_file import MIB, read_regular

MAX_BYTES = MIB
"""A larger file is no environment, and a parser takes its time."""

VARIABLES: Mapping[str, str] = {
    "DB_FILE": "source.db",
    "BIGQUERY_PROJECT_ID": "bigquery.project",
    "BIGQUERY_DATASET_ID": "bigquery.dataset",
    "GOOGLE_APPLICATION_CREDENTIALS": "bigquery.credentials_file",
    "BIGQUERY_EMULATOR_HOST": "bigquery.rest_endpoint",
    "BIGQUERY_STORAGE_EMULATOR_HOST": "bigquery.grpc_endpoint",
    "BQSYNC_LOG_LEVEL": "log.level",
    "BQSYNC_LOG_FORMAT": "log.format",
}
"""Key by variable. A variable that is set to nothing counts as not set."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A value from outside the configuration file."""

    key: str
    """TOML name of the key, such as `bigquery.project`."""
    value: object
    origin: str
    folder: Path
    """What a relative path is relative to."""


def from_environment(environ: Mapping[str, str]) -> Iterator[Setting]:
    """The settings of the process's environment; relative paths start at the working directory."""
    for variable, key in VARIABLES.items():
        if environ.get(variable):
            yield Setting(key, environ[variable], f"environment {variable}", Path.cwd())


def from_dotenv(folder: Path, problems: list[Problem]) -> Iterator[Setting]:
    """
    The settings of `folder/.env`; relative paths start at `folder`.

    Nothing is exported into `os.environ`: a child process or a client library sees what it saw before.
    """
    path = folder / ".env"
    if not os.path.lexists(path) or path.is_dir():  # some keep a virtual environment under that name
        return
    from dotenv import dotenv_values

    try:
        text = read_regular(path, MAX_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        problems.append(Problem(f"{path} can't be read: {why}", f"make {path} a readable UTF-8 text, or remove it"))
        return
    values = dotenv_values(stream=io.StringIO(text, newline=None))
    for variable, key in VARIABLES.items():
        if value := values.get(variable):
            yield Setting(key, value, f".env {variable}", folder)


def from_overrides(overrides: Mapping[str, object]) -> Iterator[Setting]:
    """The settings of the command line; None is an option that was not given."""
    for key, value in overrides.items():
        if value is not None:
            yield Setting(key, value, "command line", Path.cwd())

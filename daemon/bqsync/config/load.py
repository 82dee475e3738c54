"""Reads the configuration: finds the file, layers the sources of values, collects every problem."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from bqsync.config.collect import Collector
from bqsync.config.environment import Setting, from_dotenv, from_environment, from_overrides
from bqsync.config.locate import Locator
from bqsync.config.schema import Config
from bqsync.errors import BqsyncError, ConfigurationError, ErrorKind, Problem

DEFAULT_PATHS = (Path("config.toml"), Path("/etc/bqsync/config.toml"))
"""Where the configuration is looked for when no file is named, in this order."""

_ENDPOINTS = ("bigquery.rest_endpoint", "bigquery.grpc_endpoint")
_NO_OVERRIDES: Mapping[str, object] = MappingProxyType({})


def load(
    path: Path | None,
    *,
    environ: Mapping[str, str],
    overrides: Mapping[str, object] = _NO_OVERRIDES,
    search: Sequence[Path] = DEFAULT_PATHS,
) -> Config:
    """
    Read, layer and check the configuration.

    Args:
        path: the file; None takes the first of `search` that exists.
        environ: the environment, as `os.environ`.
        overrides: values of the command line by TOML name (`"log.level"`); None means that the option was not given.
        search: where to look without a path.

    Raises:
        BqsyncError: of the kind CONFIG_MISSING, when there is no file to read.
        ConfigurationError: with every problem of the file and of the values around it.
    """
    file = (path or _find(search)).absolute()
    text = _read(file)
    collector = Collector(file, Locator(text))
    collector.read_file(_parse(file, text))
    # The strongest comes last: each setting replaces what stands before it.
    outside = [
        *from_dotenv(file.parent, collector.problems),
        *from_environment(environ),
        *from_overrides(overrides),
    ]
    for setting in [*_switch_embedded_off(outside), *outside]:
        collector.read_setting(setting)
    return collector.finish()


def _find(search: Sequence[Path]) -> Path:
    for candidate in search:
        if candidate.exists():
            return candidate
    names = " and ".join(str(candidate.absolute()) for candidate in search)
    raise BqsyncError(
        ErrorKind.CONFIG_MISSING,
        what="there is no configuration file",
        why=f"neither --config nor one of the usual places names one: {names} do not exist",
        fix="write a config.toml (docs/configuration.md lists its keys), or name one with --config FILE",
    )


def _read(file: Path) -> str:
    try:
        # Some editors begin UTF-8 with a mark, which TOML does not know.
        return file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise BqsyncError(
            ErrorKind.CONFIG_MISSING,
            what=f"the configuration file {file} can't be read",
            why=error.strerror or str(error),
            fix="name another file with --config FILE, or make this one readable for the user that runs bqsync",
        ) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        problem = Problem("the file is not UTF-8", "save it as UTF-8", line)
        raise ConfigurationError(str(file), [problem]) from error


def _parse(file: Path, text: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r" \(at line (\d+), column (\d+)\)$", str(error))
        message = str(error)[: place.start()] if place else str(error)
        column = f" at column {place[2]}" if place else ""
        problem = Problem(
            f"not valid TOML{column}: {message}",
            "mend the line; strings need quotes, and each key stands once",
            int(place[1]) if place else None,
        )
        raise ConfigurationError(str(file), [problem]) from error


def _switch_embedded_off(outside: Sequence[Setting]) -> list[Setting]:
    """An endpoint that is set from outside is meant to be used: it outweighs `embedded = true` of the file."""
    endpoint = next((setting for setting in reversed(outside) if setting.key in _ENDPOINTS), None)
    return [Setting("bigquery.embedded", False, endpoint.origin, endpoint.folder)] if endpoint else []

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
from bqsync.regular_file import MIB, read_regular

DEFAULT_PATHS = (Path("config.toml"), Path("/etc/bqsync/config.toml"))
"""Where the configuration is looked for when no file is named, in this order."""

MAX_BYTES = 16 * MIB
"""The configuration of ten thousand tables, as `bqsync init` writes it, has seven."""
_MAX_LINE = 1 << 15
"""The time that a dotted key takes grows with the square of its length."""
_MAX_DEPTH = 50

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
    document = _parse(file, text)
    collector = Collector(file, Locator(text))
    collector.read_file(document)
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
        return read_regular(file, MAX_BYTES).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        if not isinstance(error, UnicodeDecodeError):
            raise _unreadable(file, getattr(error, "strerror", None) or str(error)) from error
        line = error.object[: error.start].count(b"\n") + 1
        problem = Problem("the file is not UTF-8", "save it as UTF-8", line)
        raise ConfigurationError(str(file), [problem]) from error


def _unreadable(file: Path, why: str) -> BqsyncError:
    return BqsyncError(
        ErrorKind.CONFIG_MISSING,
        what=f"the configuration file {file} can't be read",
        why=why,
        fix="name another file with --config FILE, or make this one readable for the user that runs bqsync",
    )


def _parse(file: Path, text: str) -> dict[str, object]:
    lines = text.split("\n")
    long = next((number for number, line in enumerate(lines, 1) if len(line) > _MAX_LINE), None)
    if long is not None:
        problem = Problem(f"a line has more than {_MAX_LINE:,} characters", "break it into several lines", long)
        raise ConfigurationError(str(file), [problem])
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
    except RecursionError as error:
        problem = Problem("lists or tables are nested too deeply", "mend the brackets", _deep_line(lines))
        raise ConfigurationError(str(file), [problem]) from error
    except ValueError as error:
        # Python reads no number of so many digits.
        at = next((number for number, line in enumerate(lines, 1) if re.search("[0-9_]{4000}", line)), None)
        problem = Problem("not valid TOML: a number has too many digits", "mend the number", at)
        raise ConfigurationError(str(file), [problem]) from error


def _deep_line(lines: Sequence[str]) -> int | None:
    """The line in which brackets begin to stand so deep that no configuration means it."""
    depth = 0
    for number, line in enumerate(lines, 1):
        for bracket in re.findall(r"[\[\]{}]", line):
            depth += 1 if bracket in "[{" else -1
            if depth > _MAX_DEPTH:
                return number
    return None


def _switch_embedded_off(outside: Sequence[Setting]) -> list[Setting]:
    """An endpoint that is set from outside is meant to be used: it outweighs `embedded = true` of the file."""
    endpoint = next((setting for setting in reversed(outside) if setting.key in _ENDPOINTS), None)
    return [Setting("bigquery.embedded", False, endpoint.origin, endpoint.folder)] if endpoint else []

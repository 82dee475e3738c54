"""`bqsync service`: the daemon as a service of systemd."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bqsync.cli.options import json_option
from bqsync.cli.output import print_json, say

if TYPE_CHECKING:
    from bqsync.install.placing import Placement
    from bqsync.install.unit import ServiceSettings

_NAME = re.compile(r"[a-z_][a-z0-9_.-]{0,30}", re.ASCII | re.IGNORECASE)
_INSTANCE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,60}", re.ASCII | re.IGNORECASE)


def _named(pattern: re.Pattern[str]) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """A callback that refuses what would not be one word of a unit."""
    def check(_context: click.Context, _parameter: click.Parameter, value: str | tuple[str, ...] | None) -> object:
        for name in (value,) if isinstance(value, str) else value or ():
            if not pattern.fullmatch(name):
                raise click.BadParameter(f"{name!r} is no such name: letters, digits, '_', '.' and '-'")
        return value

    return check


def _absolute(_context: click.Context, _parameter: click.Parameter, value: Path | None) -> str | None:
    """Units know absolute paths alone. Symbolic links are kept as they are named."""
    if value is None:
        return None
    path = str(value.expanduser().absolute())
    # Systemd takes such a path for an executable's with no escape at all, so it is refused for the others as well.
    if not path.isprintable() or set(path) & set("\"'\\"):
        raise click.BadParameter("the path holds characters that a unit can't")
    return path


def _settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What `print` and `install` take alike."""
    path = click.Path(path_type=Path)
    for option in reversed((
        click.option("-c", "--config", type=path, metavar="FILE", callback=_absolute,
                     help="Its configuration, which is not read.  [default: /etc/bqsync/config.toml]"),
        click.option("--user", default="bqsync", show_default=True, callback=_named(_NAME),
                     help="Whom it runs as; only the default is made."),
        click.option("--group", callback=_named(_NAME), help="Its group.  [default: that of the user]"),
        click.option("--app-group", "app_groups", multiple=True, metavar="GROUP", callback=_named(_NAME),
                     help="A group that may read the database; may be given again."),
        click.option("--credentials", type=path, metavar="FILE", callback=_absolute,
                     help="A key file that only root can read: systemd hands it to the service."),
        click.option("--instance", metavar="NAME", callback=_named(_INSTANCE),
                     help="One of several: bqsync@NAME, with /etc/bqsync/NAME and /var/lib/bqsync/NAME."),
        click.option("--executable", type=path, metavar="FILE", callback=_absolute,
                     help="The bqsync that it starts.  [default: this one]"),
    )):
        command = option(command)
    return command


@click.group()
def service() -> None:
    """The daemon as a service of systemd."""


@service.command("print")
@_settings_options
def print_unit(**options: Any) -> None:
    """Print the unit that `install` would write. Nothing is touched."""
    from bqsync.install.placing import unit_of

    settings = _settings(options)
    click.echo(unit_of(settings), nl=False)
    _warn(_warnings(settings))


@service.command()
@_settings_options
@click.option("--root", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
              help="Write into this tree, and leave the machine alone: for packages.")
@click.option("--force", is_flag=True, help="Write over files that were edited.")
@json_option
def install(*, root: Path | None, force: bool, as_json: bool, **options: Any) -> None:
    """Write unit, user and folders, have systemd read them, and say what to do next. Needs root, but for --root."""
    from bqsync.install import system
    from bqsync.install.placing import placements, refuse_edited

    settings = _settings(options)
    if root is None:
        system.require_machine(settings)
    group = system.group_of(settings)
    files = placements(settings, group, root or Path("/"))
    if not force:
        refuse_edited(files)
    system.write(files)
    commands = system.apply(settings) if root is None else []
    _report(settings, group, files, commands, as_json=as_json)


def _settings(options: dict[str, Any]) -> ServiceSettings:
    from bqsync.install.reach import running_executable
    from bqsync.install.unit import ServiceSettings

    return ServiceSettings(**{**options, "executable": options["executable"] or str(running_executable())})


def _warnings(settings: ServiceSettings) -> list[str]:
    from bqsync.install.reach import closed_folders, person, warnings

    who = person(settings.user, (settings.group or settings.user, *settings.app_groups))
    folders = (Path(settings.config_file).parent, Path("/var/lib") / settings.folder)
    return [*warnings(Path(settings.executable), who), *closed_folders(folders, who)]


def _warn(sentences: list[str]) -> None:
    for sentence in sentences:
        say(f"warning: {sentence}", err=True)


def _report(
    settings: ServiceSettings, group: str, files: list[Placement], commands: list[str], *, as_json: bool
) -> None:
    # A package is made on one machine for others: who can execute what is for them to see.
    found = _warnings(settings) if commands else []
    steps = _next_steps(settings, group, is_here=bool(commands))
    if as_json:
        print_json({"unit": settings.unit, "files": {str(file.path): file.found for file in files},
                    "commands": commands, "warnings": found, "next": steps})
        return
    for file in files:
        say(f"{file.found:<11} {file.path}")
        if file.before is not None:
            for line in file.difference():
                say(f"            {line}")
    for command in commands:
        say(f"{'ran':<11} {command}")
    _warn(found)
    click.echo("next:")
    for step in steps:
        say(f"  {step}")


def _as_the_service(settings: ServiceSettings, group: str) -> str:
    """The beginning of a command that root runs as the service's user, in all its groups."""
    if not settings.app_groups and settings.group is None:
        return f"runuser -u {settings.user} --"
    groups = "".join(f" -G {group}" for group in settings.app_groups)
    return f"runuser -u {settings.user} -g {group}{groups} --"


def _next_steps(settings: ServiceSettings, group: str, *, is_here: bool) -> list[str]:
    """What is left to do, as commands of root."""
    config = settings.config_file
    # The key is handed to the service and to nobody else, so a check by hand does without BigQuery.
    check = [settings.executable, "check", *(["--offline"] if settings.credentials is not None else []), "-c", config]
    steps = [] if is_here and Path(config).exists() else [
        f'write {config}, with state.file = "/var/lib/{settings.folder}/state.db"']
    return [*steps,
            f"{_as_the_service(settings, group)} {shlex.join(check)}",
            f"systemctl enable --now {settings.unit}    (restart, if it is running already)",
            f"systemctl status {settings.unit}; journalctl -u {settings.unit} -f -o cat"]

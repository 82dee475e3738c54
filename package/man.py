"""bqsync(1), made of the commands' own help. `python -m package.man` prints it. Pure but for that."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from bqsync import cli
from bqsync.config.environment import VARIABLES

ROOT = Path(__file__).parents[1]
_EXIT_ROW = re.compile(r"^\| (\d+) \| [A-Z]* ?\| (.+) \|$", re.MULTILINE)
_DESCRIPTION = (
    "bqsync watches a SQLite file and keeps Google BigQuery tables equal to it, seconds behind, sending only the rows "
    "that changed. It reads the file as a guest, compares rows with what it has delivered before, and sends what "
    "differs, deletes included, through a staging table and one MERGE. A row that can't be delivered unaltered waits "
    "in quarantine with a reason.")
_FILES = {
    "./config.toml, /etc/bqsync/config.toml": "The configuration; the first of them that is there.",
    ".env": "Beside the configuration: variables of the environment.",
    "/etc/bqsync/env": "Variables of the environment of the service.",
    "/var/lib/bqsync/state.db": "What has been delivered, where the configuration of a service names it.",
    "/usr/share/doc/bqsync/examples/config.toml": "A configuration to begin with.",
}
_ENVIRONMENT = {"NO_COLOR": "Set to anything: no colors."}


def page(moment_s: int, version: str) -> str:
    """
    The manual page.

    Args:
        moment_s: its date, in Unix seconds.
        version: of bqsync.
    """
    date = datetime.fromtimestamp(moment_s, UTC).strftime("%Y-%m-%d")
    lines = [f'.TH BQSYNC 1 "{date}" "bqsync {_escaped(version)}" "User Commands"',
             ".SH NAME", "bqsync \\- keep BigQuery tables equal to a SQLite file",
             ".SH SYNOPSIS", ".B bqsync", ".I COMMAND", r"[\fIOPTION\fR]... [\fIARGUMENT\fR]...", ".br",
             r".B bqsync \-\-version", ".SH DESCRIPTION", _text(_DESCRIPTION), ".SH COMMANDS",
             *_group(cli.commands, "bqsync"),
             ".SH EXIT STATUS", *_terms(dict(_EXIT_ROW.findall((ROOT / "README.md").read_text(encoding="utf-8")))),
             ".SH ENVIRONMENT",
             *_terms({name: f"Sets {key} of the configuration." for name, key in VARIABLES.items()} | _ENVIRONMENT),
             ".SH FILES", *_terms(_FILES),
             ".SH SEE ALSO", ".BR systemctl (1),", ".BR journalctl (1)"]
    return "\n".join(lines) + "\n"


def _group(group: click.Group, before: str) -> Iterator[str]:
    """Every command by what is typed for it, in the order of their names."""
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from _group(command, f"{before} {name}")
        else:
            yield from _command(command, f"{before} {name}")


def _command(command: click.Command, called: str) -> Iterator[str]:
    context = click.Context(command, info_name=called, help_option_names=["-h", "--help"])
    pieces = " ".join(piece for piece in command.collect_usage_pieces(context) if piece != "[OPTIONS]")
    yield f".SS {_escaped(called)} {_escaped(pieces)}".rstrip()
    yield from _paragraphs(inspect.cleandoc(command.help or ""))
    options = [parameter.get_help_record(context) for parameter in command.get_params(context)
               if isinstance(parameter, click.Option)]
    yield from _terms(dict(record for record in options if record is not None))


def _paragraphs(text: str) -> Iterator[str]:
    """Help as click reads it: paragraphs, and behind a backspace one that stays as it is."""
    for index, paragraph in enumerate(re.split(r"\n\s*\n", text.strip())):
        if index:
            yield ".PP"
        if paragraph.lstrip().startswith("\b"):
            lines = paragraph.lstrip("\b\n ").splitlines()
            yield "\n".join([".nf", *(_escaped(line) for line in lines), ".fi"])
        else:
            yield _text(" ".join(paragraph.split()))


def _terms(entries: dict[str, str]) -> Iterator[str]:
    for term, meaning in entries.items():
        yield f".TP\n.B {_escaped(term)}\n{_text(' '.join(meaning.split()))}"


def _text(text: str) -> str:
    """A paragraph, a sentence on each line, as roff likes it."""
    return "\n".join(_escaped(line) for line in re.split(r"(?<=[.;:]) (?=[A-Z])", text.replace("`", "")))


def _escaped(text: str) -> str:
    """For roff: a backslash and a hyphen mean what they are, and no line begins with a control character."""
    plain = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...")
    plain = re.sub(r"[^\x00-\x7f]", lambda found: f"\\[u{ord(found[0]):04X}]", plain)
    return f"\\&{plain}" if plain[:1] in (".", "'") else plain


if __name__ == "__main__":
    from importlib.metadata import version

    sys.stdout.write(page(int((ROOT / "CHANGELOG.md").stat().st_mtime), version("bqsync")))

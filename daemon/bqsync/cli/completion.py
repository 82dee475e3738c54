"""`bqsync completion`: the script that has a shell complete commands, options, files, and the names of tables."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_PROGRAM = "bqsync"
_SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(context: click.Context, *, shell: str) -> None:
    """
    Print the script that completes what is typed in a shell.

    \b
    bash:  eval "$(bqsync completion bash)"                                in ~/.bashrc
    zsh:   eval "$(bqsync completion zsh)"                                 in ~/.zshrc, after compinit
    fish:  bqsync completion fish > ~/.config/fish/completions/bqsync.fish
    """  # noqa: D301 - click's mark for lines that are to stay as they are
    click.echo(script(context.find_root().command, shell))


def script(program: click.Command, shell: str) -> str:
    """The script for a shell, which need not be there: a package is made on another machine."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise ValueError(shell)
    complete = found(program, {}, _PROGRAM, f"_{_PROGRAM.upper()}_COMPLETE")
    # Not its `source()`, which asks the shell for its version.
    return complete.source_template % complete.source_vars()


def table_names(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The tables of the configuration that fit what is typed; none where there is no configuration to be read."""
    from click.shell_completion import CompletionItem

    from bqsync.config import load
    from bqsync.errors import BqsyncError

    chosen = context.params.get("tables") or ()
    with suppress(BqsyncError, OSError):
        config = load(context.params.get("config_file"), environ=os.environ, overrides={})
        return [CompletionItem(table.name) for table in config.tables
                if table.name.startswith(incomplete) and table.name not in chosen]
    return []

"""What the shells offer after a press of Tab, as they themselves tell it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from bqsync.cli import commands

CONFIG = """
[source]
db = "app.db"
[bigquery]
project = "p"
dataset = "d"
[[tables]]
name = "orders"
[[tables]]
name = "order lines"
[[tables]]
name = "customers"
"""
BASH = """
_get_comp_words_by_ref() { :; }
eval "$(bqsync completion bash)"
offer() {
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
    _bqsync_completion bqsync
    printf '%s|' "${COMPREPLY[@]}"; echo
}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a configuration, and a bqsync in the PATH."""
    (tmp_path / "config.toml").write_text(CONFIG, encoding="utf-8")
    program = tmp_path / "bin" / "bqsync"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c '
                       '\'import sys; sys.argv[0] = "bqsync"; from bqsync.cli import main; main()\' "$@"\n')
    program.chmod(0o755)
    return tmp_path


def told(home: Path, shell: str, *arguments: str) -> str:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed")
    environment = {**os.environ, "PATH": f"{home / 'bin'}:{os.environ['PATH']}", "HOME": str(home)}
    done = subprocess.run([found, *arguments], cwd=home, env=environment, capture_output=True, text=True, check=False,
                          timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_bash_completes_commands_options_and_tables(home: Path) -> None:
    (home / "other.toml").write_text(CONFIG.replace("customers", "clients"), encoding="utf-8")
    script = BASH + ("offer bqsync qua\noffer bqsync sync --con\noffer bqsync sync or\n"
                     "offer bqsync verify customers ''\noffer bqsync explain -c other.toml cl\n"
                     "offer bqsync tail --le\n")
    lines = told(home, "bash", "-c", script).splitlines()
    assert lines == ["quarantine|", "--confirm-deletes|--config|", "orders|order lines|", "orders|order lines|",
                     "clients|", "--level|"]


def test_without_a_configuration_no_table_is_offered_and_nothing_is_said(home: Path) -> None:
    (home / "config.toml").write_text("[nonsense", encoding="utf-8")
    assert told(home, "bash", "-c", BASH + "offer bqsync sync or\n") == "|\n"


def test_zsh_takes_the_script(home: Path) -> None:
    script = 'autoload -U compinit; compinit -u; eval "$(bqsync completion zsh)"; print $_comps[bqsync]'
    assert told(home, "zsh", "-fc", script) == "_bqsync_completion\n"


def test_fish_completes_commands_and_tables(home: Path) -> None:
    script = "bqsync completion fish | source; complete -C 'bqsync qua'; complete -C 'bqsync sync ord'"
    lines = [line.partition("\t")[0] for line in told(home, "fish", "-c", script).splitlines()]
    assert lines == ["quarantine", "order lines", "orders"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_needs_no_shell_to_be_printed(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    result = CliRunner().invoke(commands, ["completion", shell], standalone_mode=False)
    assert result.exception is None
    assert f"_BQSYNC_COMPLETE={shell}_complete" in result.stdout

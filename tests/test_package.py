"""The package of Debian, as far as it can be seen without one: `make test-systemd` installs it."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

import click
import pytest
from package.environment import libc_version
from package.lock import needed, normalized
from package.man import page
from package.texts import MAINTAINER, control, license_of
from package.tree import control_files, even_out, files, fill

from bqsync.cli import commands
from bqsync.config import load
from bqsync.errors import ExitCode

ROOT = Path(__file__).parents[1]
MOMENT_S = 1_772_355_600
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONTROL: dict[str, Any] = {"version": "1.2.3", "architecture": "amd64", "maintainer": MAINTAINER, "minor": (3, 11),
                           "libc": "2.28", "size_kib": 7}


def test_what_is_carried_is_all_that_is_needed_and_no_tool_of_development() -> None:
    lock = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")
    text = needed(lock, PROJECT["dependencies"])
    carried = {line.partition("==")[0] for line in text.splitlines() if "==" in line and line[0] != " "}
    assert not carried & {"pytest", "mypy", "ruff", "hypothesis", "duckdb", "bqemulator", "uv", "pip"}
    wanted = {normalized(requirement) for requirement in PROJECT["dependencies"]}
    for name in carried:
        try:
            asked = requires(name) or []
        except PackageNotFoundError:  # for another platform
            continue
        wanted |= {normalized(requirement) for requirement in asked if ";" not in requirement}
    assert wanted <= carried
    assert all("--hash=sha256:" in block for block in text.split("# via")[0:1])
    with pytest.raises(KeyError):
        needed(lock, ["no-such-package"])


def test_modules_are_compiled_for_one_python_and_the_package_asks_for_it() -> None:
    text = control(**CONTROL)
    assert "Depends: python3 (>= 3.11~), python3 (<< 3.12~), libc6 (>= 2.28), " in text
    assert [line for line in text.splitlines() if not line or (line[0] != " " and ": " not in line)] == []


def test_the_libc_is_that_of_the_most_demanding_wheel(tmp_path: Path) -> None:
    for name, tags in {"a": ["manylinux_2_17_x86_64", "manylinux2014_x86_64"], "b": ["manylinux_2_28_x86_64"],
                       "c": ["none-any"], "d": ["manylinux_2_31_x86_64", "manylinux_2_27_x86_64"]}.items():
        noted = tmp_path / f"{name}-1.dist-info" / "WHEEL"
        noted.parent.mkdir()
        noted.write_text("".join(f"Tag: cp311-cp311-{tag}\n" for tag in tags))
    assert libc_version(tmp_path) == "2.28"


@pytest.mark.parametrize(("metadata", "expected"), [
    ("Name: a\nLicense-Expression: MIT\nLicense: x\n\nLicense: body", "MIT"),
    ("Name: a\nLicense: BSD\n", "BSD"),
    ("Name: a\nClassifier: License :: OSI Approved :: MIT License\n", "MIT License"),
    ("Name: a\n", "see its files"),
])
def test_licenses_are_those_of_the_metadata(metadata: str, expected: str) -> None:
    assert license_of(metadata) == expected


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The package without its environment."""
    place = tmp_path / "tree"
    fill(place, tmp_path / "packages", "1.2.3", MAINTAINER, MOMENT_S)
    control_files(place, control(**CONTROL))
    even_out(place, MOMENT_S)
    return place


def test_units_user_and_folders_are_those_of_the_repository(tree: Path) -> None:
    found = {path.relative_to(tree / "usr/lib").as_posix(): path.read_text() for path in files(tree / "usr/lib")}
    expected = {f"systemd/system/{path.name}": path.read_text() for path in (ROOT / "systemd").glob("bqsync*")}
    for folder in ("sysusers.d", "tmpfiles.d"):
        expected[f"{folder}/bqsync.conf"] = (ROOT / "systemd" / folder / "bqsync.conf").read_text()
    assert found == expected
    assert not (tree / "etc").exists(), "the configuration is the operator's"


def test_nothing_in_it_depends_on_who_makes_it_and_when(tree: Path) -> None:
    for path in tree.rglob("*"):
        assert path.lstat().st_mtime == MOMENT_S
        assert path.is_symlink() or path.stat().st_mode & 0o777 in (0o644, 0o755)
    for path in tree.rglob("*.gz"):
        assert path.read_bytes()[4:8] == bytes(4), "a packed file holds no time"
        assert gzip.decompress(path.read_bytes())


def test_the_scripts_of_dpkg_are_shell_and_executable(tree: Path) -> None:
    scripts = sorted(path for path in (tree / "DEBIAN").iterdir() if path.name not in ("control", "md5sums"))
    assert [path.name for path in scripts] == ["postinst", "postrm", "preinst", "prerm"]
    for script in scripts:
        assert script.stat().st_mode & 0o111
        subprocess.run(["/bin/sh", "-n", str(script)], check=True)


def test_the_example_is_a_configuration_that_starts_a_service(tree: Path) -> None:
    config = load(tree / "usr/share/doc/bqsync/examples/config.toml", environ={})
    assert not config.bigquery.embedded
    assert str(config.state.file) == "/var/lib/bqsync/state.db"


def test_the_manual_has_every_command_option_and_exit_code() -> None:
    text = page(MOMENT_S, "1.2.3")
    assert '.TH BQSYNC 1 "2026-03-01" "bqsync 1.2.3"' in text
    plain = text.replace("\\-", "-").replace("\\&", "")
    for path, command in leaves(commands, "bqsync"):
        assert f"\n.SS {path}" in plain
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert all(spelling in plain for spelling in parameter.opts)
    for code in ExitCode:
        assert f"\n.B {int(code)}\n" in plain


@pytest.mark.parametrize("lint", [("man", "--warnings", "-l"), ("mandoc", "-T", "lint", "-W", "warning")])
def test_the_manual_is_well_formed(lint: tuple[str, ...], tmp_path: Path) -> None:
    if shutil.which(lint[0]) is None:
        pytest.skip(f"{lint[0]} is not installed")
    manual = tmp_path / "bqsync.1"
    manual.write_text(page(MOMENT_S, "1.2.3"), encoding="ascii")
    done = subprocess.run([*lint, str(manual)], capture_output=True, text=True, check=False,
                          env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANPAGER": "cat"})
    assert (done.returncode, done.stderr) == (0, "")


def leaves(group: click.Group, before: str) -> list[tuple[str, click.Command]]:
    found: list[tuple[str, click.Command]] = []
    for name, command in group.commands.items():
        found += leaves(command, f"{before} {name}") if isinstance(command, click.Group) \
            else [(f"{before} {name}", command)]
    return found

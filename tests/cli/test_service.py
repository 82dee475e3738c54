"""`bqsync service` as a process of its own."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest
from tests.workbench import run_command

from bqsync.errors import ExitCode

EXECUTABLE = "/opt/bqsync/bin/bqsync"
INSTALL = ("service", "install", "--executable", EXECUTABLE)
UNIT, USER, FOLDERS = "etc/systemd/system/bqsync.service", "etc/sysusers.d/bqsync.conf", "etc/tmpfiles.d/bqsync.conf"


def tree(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text(encoding="utf-8")
            for path in root.rglob("*") if path.is_file()}


def install(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_command(*INSTALL, "--root", str(root), *arguments, folder=root)


def test_print_shows_what_install_writes_and_touches_nothing(tmp_path: Path) -> None:
    options = ("--executable", EXECUTABLE, "--app-group", "app")
    printed = run_command("service", "print", *options, folder=tmp_path)
    assert (printed.returncode, tree(tmp_path)) == (0, {})
    assert install(tmp_path, "--app-group", "app").returncode == 0
    assert tree(tmp_path)[UNIT] == printed.stdout
    assert "\nSupplementaryGroups=app\n" in printed.stdout


def test_print_names_the_bqsync_that_runs(tmp_path: Path) -> None:
    printed = run_command("service", "print", folder=tmp_path)
    [start] = [line for line in printed.stdout.splitlines() if line.startswith("ExecStart=")]
    assert Path(start.removeprefix("ExecStart=").split()[0]).parent == Path(sys.executable).parent


def test_install_writes_three_files_that_all_may_read(tmp_path: Path) -> None:
    done = install(tmp_path)
    assert done.returncode == 0, done.stderr
    assert set(tree(tmp_path)) == {UNIT, USER, FOLDERS}
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in (UNIT, USER, FOLDERS)} == {0o644}
    assert "systemctl enable --now bqsync" in done.stdout
    assert "ran " not in done.stdout


def test_instance_gets_a_unit_and_folders_of_its_own(tmp_path: Path) -> None:
    install(tmp_path)
    done = install(tmp_path, "--instance", "shop", "--json")
    report = json.loads(done.stdout)
    assert report["unit"] == "bqsync@shop"
    assert {name.removeprefix(f"{tmp_path}/"): what for name, what in report["files"].items()} == {
        "etc/systemd/system/bqsync@shop.service": "written", USER: "unchanged",
        "etc/tmpfiles.d/bqsync-shop.conf": "written",
    }


def test_another_user_is_not_made(tmp_path: Path) -> None:
    install(tmp_path, "--user", "app", "--group", "staff")
    assert set(tree(tmp_path)) == {UNIT, FOLDERS}
    assert "d /etc/bqsync 0750 root staff -\nd /var/lib/bqsync 0700 app staff -\n" in tree(tmp_path)[FOLDERS]


def test_again_with_other_options_replaces_the_unit_and_says_what_changed(tmp_path: Path) -> None:
    install(tmp_path, "--app-group", "app")
    done = install(tmp_path)
    assert done.returncode == 0
    assert "-SupplementaryGroups=app" in done.stdout
    assert "\nSupplementaryGroups" not in tree(tmp_path)[UNIT]
    assert [line.split()[0] for line in install(tmp_path).stdout.splitlines()[:3]] == ["unchanged"] * 3


@pytest.mark.parametrize("name", [UNIT, USER, FOLDERS])
def test_an_edited_file_is_not_written_over_without_force(tmp_path: Path, name: str) -> None:
    install(tmp_path)
    with (tmp_path / name).open("a", encoding="utf-8") as file:
        file.write("# mine\n")
    before = tree(tmp_path)
    done = install(tmp_path, "--app-group", "app")
    assert done.returncode == ExitCode.FAILED
    assert "error[E602]" in done.stderr
    assert str(tmp_path / name) in done.stderr
    assert tree(tmp_path) == before
    assert install(tmp_path, "--app-group", "app", "--force").returncode == 0
    assert "# mine" not in tree(tmp_path)[name]


@pytest.mark.parametrize("options", [
    ("--instance", "a/b"), ("--instance", ""), ("--app-group", "a b"), ("--user", "x\ny"), ("--config", "/etc/a\nb"),
    ("--executable", '/opt/"b"'),
])
def test_what_is_no_name_is_refused(tmp_path: Path, options: tuple[str, str]) -> None:
    assert install(tmp_path, *options).returncode == ExitCode.USAGE
    assert tree(tmp_path) == {}


def test_a_tree_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "etc").touch()
    done = install(tmp_path)
    assert done.returncode == ExitCode.FAILED
    assert "error[E603]" in done.stderr
    assert "Traceback" not in done.stderr


def test_only_root_installs_on_the_machine_itself(tmp_path: Path) -> None:
    command = "from bqsync.cli import main; import sys; sys.argv = ['bqsync', 'service', 'install']; main()"
    become = {"user": pwd.getpwnam("nobody").pw_uid} if os.geteuid() == 0 else {}
    # Imported before the user changes: what the suite runs on may lie where nobody else gets.
    program = ("import os, sysconfig, bqsync.cli.service\n"
               "from bqsync.install import placing, reach, system\nsysconfig.get_paths()"
               f"\nif {become}: os.setuid({become.get('user')})\n{command}")
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.PERMISSION
    assert "error[E601]" in done.stderr
    assert "sudo" in done.stderr

"""Whether the service's user can start the program: told before it fails."""

from __future__ import annotations

import grp
from pathlib import Path

import pytest

from bqsync.install.reach import Person, closed_folders, person, warnings

NOBODY = Person("bqsync")


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "bin" / "bqsync"
    path.parent.mkdir()
    path.touch(mode=0o755)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o011 != 0o011:
            folder.chmod(folder.stat().st_mode | 0o011)
    return path


def test_a_program_that_all_can_get_at_is_not_worth_a_word(program: Path) -> None:
    assert warnings(program, NOBODY) == []


def test_a_closed_folder_is_named(program: Path) -> None:
    program.parent.chmod(0o700)
    [told] = warnings(program, NOBODY)
    assert f"{program.parent} is closed to it" in told


def test_the_owner_and_the_group_may_pass(program: Path) -> None:
    program.parent.chmod(0o710)
    status = program.parent.stat()
    assert warnings(program, Person("app", status.st_uid)) == []
    assert warnings(program, Person("app", status.st_uid + 1, (status.st_gid,))) == []
    assert warnings(program, Person("app", status.st_uid + 1)) != []


def test_a_link_into_a_closed_folder_is_followed(program: Path, tmp_path: Path) -> None:
    program.parent.chmod(0o700)
    link = tmp_path / "bqsync"
    link.symlink_to(program)
    [told] = warnings(link, NOBODY)
    assert str(program) in told


def test_a_missing_program_is_told(tmp_path: Path) -> None:
    assert "does not exist" in warnings(tmp_path / "bqsync", NOBODY)[0]


def test_an_instance_below_the_folder_of_another_user_is_told(program: Path) -> None:
    folder = program.parent / "shop"
    folder.mkdir()
    program.parent.chmod(0o700)
    [told] = closed_folders([folder], NOBODY)
    assert f"{program.parent} is closed to it" in told
    assert closed_folders([folder / "not there"], NOBODY) == []


def test_a_user_has_the_groups_of_the_unit() -> None:
    assert person("root", ["daemon"]).gids[-1] == grp.getgrnam("daemon").gr_gid
    assert person("not made yet", ["daemon"]).gids == (grp.getgrnam("daemon").gr_gid,)

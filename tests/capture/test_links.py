"""SQLite keeps the side files of a database beside the file itself, wherever the link to it stands."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from tests.capture.files import application, make
from tests.capture.test_source import SCRIPT, count, counted, traces

from bqsync.capture.source import Source
from bqsync.errors import BqsyncError, ErrorKind

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection


@pytest.fixture
def real(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data" / "real.db"


@pytest.fixture(params=["of the file", "of the folder", "of a link"])
def link(request: pytest.FixtureRequest, tmp_path: Path, real: Path) -> Path:
    """A path that leads to the file, in one of the ways that one can."""
    if request.param == "of the folder":
        (tmp_path / "folder").symlink_to("data")
        return tmp_path / "folder" / real.name
    (tmp_path / "app.db").symlink_to(real)
    if request.param == "of the file":
        return tmp_path / "app.db"
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "app.db").symlink_to("../app.db")
    return tmp_path / "links" / "app.db"


def test_what_stands_in_the_wal_behind_a_link_is_seen(real: Path, link: Path) -> None:
    make(real, SCRIPT, mode="wal")
    with closing(application(real, mode="wal")) as app:
        app.execute("PRAGMA wal_autocheckpoint = 0")
        source = Source(link)
        for rows in (3, 4):
            before = source.file_state()
            app.execute("INSERT INTO t (x) VALUES ('new')")
            assert source.file_state() != before
            assert count(source) == rows
    assert count(source) == 4
    assert set(traces(real.parent)) == {real.name}


def test_a_wal_without_its_shm_is_told_behind_a_link_too(real: Path, link: Path) -> None:
    make(real, SCRIPT, mode="wal")
    with closing(application(real, mode="wal")) as app:
        app.execute("INSERT INTO t (x) VALUES ('new')")
        left = real.with_name("left.db")
        for suffix in ("", "-wal"):
            left.with_name(f"left.db{suffix}").write_bytes(real.with_name(f"{real.name}{suffix}").read_bytes())
    os.replace(left, real)
    os.replace(f"{left}-wal", f"{real}-wal")
    with pytest.raises(BqsyncError) as caught:
        count(Source(link))
    assert caught.value.kind is ErrorKind.SOURCE_BUSY
    assert set(traces(real.parent)) == {real.name, f"{real.name}-wal"}


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_link_that_leads_elsewhere_now_is_followed(tmp_path: Path, mode: str) -> None:
    make(tmp_path / "one.db", SCRIPT, mode=mode)
    make(tmp_path / "two.db", SCRIPT + "INSERT INTO t VALUES (3, 'c');", mode=mode)
    link = tmp_path / "app.db"
    link.symlink_to("one.db")
    source = Source(link)
    assert count(source) == 2
    identity, state = source.identity(), source.file_state()
    (tmp_path / "next").symlink_to("two.db")
    os.replace(tmp_path / "next", link)
    assert count(source) == 3
    assert source.file_state() != state
    assert source.identity().difference_from(identity) == "another file stands in its place"


def test_a_link_that_is_changed_during_an_immutable_read_is_read_again(tmp_path: Path) -> None:
    make(tmp_path / "one.db", SCRIPT, mode="wal")
    make(tmp_path / "two.db", SCRIPT + "INSERT INTO t VALUES (3, 'c');", mode="wal")
    link = tmp_path / "app.db"
    link.symlink_to("one.db")
    counts: list[int] = []

    def read(connection: Connection) -> int:
        counts.append(counted(connection))
        if len(counts) == 1:
            link.unlink()
            link.symlink_to("two.db")
        return counts[-1]

    assert Source(link).read(read) == 3
    assert counts == [2, 3]


def test_a_link_that_dangles_is_a_missing_file(tmp_path: Path) -> None:
    link = tmp_path / "app.db"
    link.symlink_to("nowhere.db")
    missing(Source(link))
    make(tmp_path / "nowhere.db", SCRIPT)
    assert count(Source(link)) == 2


def test_links_that_lead_in_a_circle_are_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "app.db").symlink_to("other.db")
    (tmp_path / "other.db").symlink_to("app.db")
    assert "circle" in missing(Source(tmp_path / "app.db")).why


def test_a_file_in_the_place_of_the_folder_is_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "folder").touch()
    missing(Source(tmp_path / "folder" / "app.db"))


def missing(source: Source) -> BqsyncError:
    for look in (source.file_state, source.identity, source.journal_mode, lambda: count(source)):
        with pytest.raises(BqsyncError) as caught:
            look()
        assert caught.value.kind is ErrorKind.SOURCE_MISSING
    return caught.value

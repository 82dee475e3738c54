"""Which events concern a database."""

from __future__ import annotations

import pytest
from watchdog.observers.inotify_c import InotifyConstants as Bits

from bqsync.watch.relevance import WANTED, DatabaseFiles, Relevance

FILES = DatabaseFiles("app.db")


@pytest.mark.parametrize("name", [b"app.db", b"app.db-wal", b"app.db-journal"])
@pytest.mark.parametrize("bits", [Bits.IN_MODIFY, Bits.IN_CREATE, Bits.IN_DELETE, Bits.IN_MOVED_FROM, Bits.IN_MOVED_TO])
def test_every_write_to_a_file_of_the_database_concerns_it(name: bytes, bits: int) -> None:
    assert FILES.relevance(bits, name) is Relevance.FILES
    assert WANTED & bits


@pytest.mark.parametrize("name", [
    b"app.db-shm", b"app.db2", b"xapp.db", b"app", b"APP.DB", b"app.db-wal2", b"app.db-mj0A1B2C", b"other.db-wal",
])
def test_other_files_do_not(name: bytes) -> None:
    assert FILES.relevance(Bits.IN_MODIFY, name) is Relevance.NONE


@pytest.mark.parametrize("bits", [
    Bits.IN_OPEN, Bits.IN_ACCESS, Bits.IN_ATTRIB, Bits.IN_CLOSE_WRITE, Bits.IN_CLOSE_NOWRITE,
])
def test_what_a_reader_does_concerns_nobody(bits: int) -> None:
    assert FILES.relevance(bits, b"app.db") is Relevance.NONE
    assert FILES.relevance(bits, b"app.db-wal") is Relevance.NONE
    assert FILES.relevance(bits, b"") is Relevance.NONE
    assert not WANTED & bits


@pytest.mark.parametrize("bits", [Bits.IN_DELETE_SELF, Bits.IN_MOVE_SELF])
def test_the_folder_itself_concerns_the_database(bits: int) -> None:
    assert FILES.relevance(bits, b"") is Relevance.FOLDER
    assert WANTED & bits


def test_names_that_are_no_utf_8_are_told_apart() -> None:
    assert DatabaseFiles("a\udcff").relevance(Bits.IN_MODIFY, b"a\xff-wal") is Relevance.FILES
    assert DatabaseFiles("a\udcff").relevance(Bits.IN_MODIFY, b"a\xfe-wal") is Relevance.NONE

"""A damaged state is moved aside and made anew, or told; it is never half trusted."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from tests.state.entries import EVERY_SLOT
from tests.state.test_store import failure, fill

from bqsync.errors import BqsyncError, ErrorKind
from bqsync.state.ledger import Ledger
from bqsync.state.store import Store
from bqsync.state.tables import TableState

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("length", [15, 99, 511, 512, 1024, 4095, 4096, 4097, 8192, 20000, 65536, -4096])
def test_a_state_cut_short_is_moved_aside_and_made_anew(state_path: Path, length: int) -> None:
    instance = fill(state_path)
    whole = state_path.read_bytes()
    damaged = whole[:length]
    state_path.write_bytes(damaged)
    store = Store(state_path)
    assert store.rebuilt_from is not None
    assert store.rebuilt_from.parent == state_path.parent
    assert store.rebuilt_from.read_bytes() == damaged
    assert store.instance != instance
    assert Ledger(store, TableState(store, store.source_id("app"), "things").table_id).count() == 0
    store.close()
    again = Store(state_path)
    assert again.rebuilt_from is None
    again.close()


@pytest.mark.parametrize("offset", [0, 15, 16, 21, 22, 23])
def test_a_state_with_a_flipped_header_is_moved_aside(state_path: Path, offset: int) -> None:
    fill(state_path)
    content = bytearray(state_path.read_bytes())
    content[offset] ^= 0xFF
    state_path.write_bytes(content)
    store = Store(state_path)
    assert store.rebuilt_from is not None
    assert store.rebuilt_from.read_bytes() == content
    store.close()


def test_a_state_of_another_kind_of_file_is_moved_aside(state_path: Path) -> None:
    state_path.write_bytes(b"not a database " * 1000)
    store = Store(state_path)
    assert store.rebuilt_from is not None
    assert "damaged" in store.rebuilt_from.name
    store.close()


def test_a_state_of_no_bytes_is_a_new_one(state_path: Path) -> None:
    state_path.touch()
    store = Store(state_path)
    assert store.rebuilt_from is None
    store.close()


def test_a_damaged_state_is_not_moved_by_one_who_only_looks(state_path: Path) -> None:
    fill(state_path)
    state_path.write_bytes(b"\xff" * 8192)
    failure(state_path, ErrorKind.STATE_DAMAGED, read_only=True)
    assert state_path.read_bytes() == b"\xff" * 8192


def test_damage_that_shows_later_is_told_and_nothing_is_lost_in_silence(state_path: Path) -> None:
    fill(state_path)
    content = bytearray(state_path.read_bytes())
    content[-5 * 4096:] = b"\xee" * (5 * 4096)
    state_path.write_bytes(content)
    store = Store(state_path)
    with pytest.raises(BqsyncError) as caught:
        list(Ledger(store, 1).scan(EVERY_SLOT))
    assert caught.value.kind is ErrorKind.STATE_DAMAGED
    assert "is damaged" in caught.value.what
    assert "bqsync sync" in caught.value.fix
    store.close()
    assert store.rebuilt_from is not None
    assert store.rebuilt_from.read_bytes()[-5 * 4096:] == b"\xee" * (5 * 4096)
    assert not state_path.exists()


def test_a_state_that_has_lost_its_instance_page_is_moved_aside(state_path: Path) -> None:
    fill(state_path)
    with closing(sqlite3.connect(state_path)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'meta'").fetchone()
    content = bytearray(state_path.read_bytes())
    content[(page - 1) * 4096 : page * 4096] = b"\xee" * 4096
    state_path.write_bytes(content)
    store = Store(state_path)
    assert store.rebuilt_from is not None
    store.close()

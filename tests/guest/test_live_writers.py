"""Beside a writer that never rests: each read is one state of the database, and every commit is seen in the end."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.guest.person import Person
from tests.guest.places import ACCOUNTS, given_to_the_application

SECONDS = 1.0


@pytest.fixture
def path(world: Path) -> Path:
    return given_to_the_application(world / "data", 0o755) / "app.db"


@pytest.mark.parametrize("mode", ["delete", "truncate", "persist", "memory", "off", "wal", "mixed"])
def test_no_half_of_a_transaction_is_read(path: Path, application: Person, stranger: Person, mode: str) -> None:
    application.do("create", str(path), "wal" if mode == "mixed" else mode, ACCOUNTS)
    application.begin("write_balanced", str(path), mode)
    stranger.begin("watch_balance", str(path))
    time.sleep(SECONDS)
    application.tell()
    wrote = application.end()
    stranger.tell()
    seen = stranger.end()
    assert seen["errors"] == []
    assert seen["sums"] == [0]
    assert seen["in_order"]
    assert seen["different"] > 10
    assert wrote["done"] > 10
    assert dict(stranger.do("rows", str(path), "accounts")["rows"])[1000] == wrote["done"]
    if mode == "wal":
        assert wrote["busy"] == 0, "a reader never keeps a writer out"


@pytest.mark.parametrize("mode", ["delete", "truncate"])
def test_a_writer_that_waits_for_us_to_go_does_not_wait_for_one_of_us_that_waits(
    path: Path, application: Person, guests: dict[str, Person], mode: str,
) -> None:
    """While a writer waits for the readers to go, no new one gets in: who has one lock of two has to let go of it."""
    application.do("create", str(path), mode, ACCOUNTS)
    readers = [guests[name] for name in ("stranger", "member", "superuser")]
    application.begin("write_balanced", str(path), mode, 2)
    for reader in readers:
        reader.begin("watch_balance", str(path))
    time.sleep(2 * SECONDS)
    application.tell()
    wrote = application.end()
    for reader in readers:
        reader.tell()
    seen = [reader.end() for reader in readers]
    assert wrote["busy"] == 0
    assert [found["errors"] for found in seen] == [[], [], []]
    assert [found["sums"] for found in seen] == [[0], [0], [0]]

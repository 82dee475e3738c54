"""Beside a writer that never rests: each read is one state of the database, and every commit is seen in the end."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.guest.person import Person
from tests.guest.places import ACCOUNTS, given_to_the_application

SECONDS = 1.0
"""For so long at least: it takes a moment until the two meet in every way."""
STATES = 10
"""So many states of the database have to be seen at least."""


@pytest.fixture
def path(world: Path) -> Path:
    return given_to_the_application(world / "data", 0o755) / "app.db"


@pytest.mark.parametrize("mode", ["delete", "truncate", "persist", "memory", "off", "wal", "mixed"])
def test_no_half_of_a_transaction_is_read(path: Path, application: Person, stranger: Person, mode: str) -> None:
    application.do("create", str(path), "wal" if mode == "mixed" else mode, ACCOUNTS)
    application.begin("write_balanced", str(path), mode)
    seen = stranger.do("watch_balance", str(path), STATES, SECONDS)
    application.tell()
    wrote = application.end()
    assert seen == {"sums": [0], "in_order": True, "errors": []}
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
    application.begin("write_balanced", str(path), mode, 20)
    for reader in readers:
        reader.begin("watch_balance", str(path), STATES, 2 * SECONDS)
    seen = [reader.end() for reader in readers]
    application.tell()
    wrote = application.end()
    assert wrote["busy"] == 0
    assert seen == [{"sums": [0], "in_order": True, "errors": []}] * 3

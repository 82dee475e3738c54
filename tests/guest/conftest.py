from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.guest.person import APPLICATION, MEMBER, OWNER, STRANGER, SUPERUSER, Person

if TYPE_CHECKING:
    from collections.abc import Iterator

USERS = {"stranger": STRANGER, "member": MEMBER, "owner": OWNER, "superuser": SUPERUSER}


@pytest.fixture(autouse=True)
def _as_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can start processes as other users")


@pytest.fixture
def world() -> Iterator[Path]:
    """A folder that everybody can enter; that of pytest can be entered by its own user alone."""
    with tempfile.TemporaryDirectory(prefix="guest_") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture
def application() -> Iterator[Person]:
    with Person("tests.guest.applications", APPLICATION) as person:
        yield person


@pytest.fixture(scope="session")
def guests() -> Iterator[dict[str, Person]]:
    """A process takes a second to load bqsync, so each user has one for all tests."""
    if os.geteuid() != 0:
        pytest.skip("only root can start processes as other users")
    people = {name: Person("tests.guest.guests", user) for name, user in USERS.items()}
    yield people
    for person in people.values():
        person.kill()


@pytest.fixture
def stranger(guests: dict[str, Person]) -> Person:
    """A guest who may read, and write nothing."""
    return guests["stranger"]


@pytest.fixture(params=list(USERS))
def guest(request: pytest.FixtureRequest, guests: dict[str, Person]) -> Person:
    """Each user that bqsync may run as."""
    return guests[str(request.param)]

"""The page about the architecture has every module of its rooms, and names none that there is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import bqsync
from tests.named_tests import page_text

PACKAGE = Path(bqsync.__file__).parent
PAGE = page_text("architecture.md")
ROW = re.compile(r"^\| `(?P<room>[a-z]+)/.*\|$", re.MULTILINE)
ROOMS = sorted({match["room"] for match in ROW.finditer(PAGE)})


def modules(room: str) -> set[str]:
    """Its modules, and the folders in it."""
    found = [*(PACKAGE / room).rglob("*.py"), *(path for path in (PACKAGE / room).rglob("*") if path.is_dir())]
    return {path.stem for path in found} - {"__init__", "__pycache__"}


def named(room: str) -> set[str]:
    """What the rows of a room name."""
    rows = (match[0] for match in ROW.finditer(PAGE) if match["room"] == room)
    return {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)}


def test_the_rooms_of_the_journey_have_their_rows() -> None:
    assert {"watch", "capture", "encode", "deliver", "state", "observe", "engine"} <= set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_every_module_of_a_room_is_named(room: str) -> None:
    assert modules(room) - {"page", "proposal"} - named(room) == set()


@pytest.mark.parametrize("room", ROOMS)
def test_what_a_row_names_is_a_module_of_its_room(room: str) -> None:
    commands = {path.stem for path in (PACKAGE / "cli").glob("*.py")}
    assert named(room) - modules(room) - commands == set()


def test_every_file_that_the_page_names_exists() -> None:
    paths = re.findall(r"`([a-z_]+/[a-z_/]+\.py)`", PAGE)
    assert paths
    assert [path for path in paths if not (PACKAGE / path).is_file()] == []

"""Something that happens at a named place of a cycle."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from bqsync import failpoints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def at_place(place: str, action: Callable[[], object], *, time: int = 1) -> Iterator[None]:
    """Run the action when a cycle comes to that place for the so-manieth time; it has to come there."""
    assert place in failpoints.NAMES
    visits = 0

    def reach(name: str) -> None:
        nonlocal visits
        visits += name == place
        if name == place and visits == time:
            action()

    failpoints.on_reached = reach
    try:
        yield
    finally:
        failpoints.on_reached = None
    assert visits >= time, f"{place} was reached {visits} times"


@contextmanager
def at_every_place(place: str, action: Callable[[], object]) -> Iterator[None]:
    """Run the action whenever a cycle comes to that place."""
    assert place in failpoints.NAMES

    def reach(name: str) -> None:
        if name == place:
            action()

    failpoints.on_reached = reach
    try:
        yield
    finally:
        failpoints.on_reached = None

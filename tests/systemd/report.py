"""One line for each check, and the verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Found = TypeVar("Found")
_LOOK_S = 0.2


class Report:
    """Collects what was found. A check that fails does not end the run: the others may tell why."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed: list[str] = []

    def check(self, law: str, holds: object, found: object = "") -> None:
        """
        State a law.

        Args:
            law: what should be so.
            holds: whether it is.
            found: what was seen instead.
        """
        if holds:
            self.passed += 1
            print(f"ok      {law}", flush=True)
        else:
            self.failed.append(law)
            print(f"FAILED  {law}: {str(found).strip() or holds!r}", flush=True)

    def equal(self, law: str, found: object, expected: object) -> None:
        """State that two values are the same."""
        self.check(law, found == expected, f"{found!r}, expected {expected!r}")

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """A part of the run; what it raises is a failure of the part, and the next one begins."""
        begun_s = time.monotonic()
        print(f"-- {name}", flush=True)
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, the machine must be shut down in order
            self.check(f"{name}: can be looked at", holds=False, found=f"{type(error).__name__}: {error}")
        print(f"   {time.monotonic() - begun_s:.1f} s", flush=True)


def eventually(seconds: float, look: Callable[[], Found]) -> Found:
    """Look until what is seen is true, or the time is over; returns what was seen last."""
    deadline = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(_LOOK_S)
    return found

"""What happens to the state file between two lives: copied, damaged, lost, put back."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from tests.soak.faults import Faults
from tests.soak.report import Report
from tests.soak.site import Site

_SUFFIXES = ("", "-wal", "-shm")
_HARMS = ("cut short", "another header", "a page of rubbish", "no database", "lost", "lost", "put back", "put back")
_PAGE_BYTES = 4096


class StateFile:
    """
    The state of a daemon that is not alive.

    Args:
        site: where it lies.
        rng: decides about everything.
        report: what happens is told and counted there.
        faults: are ended before a state is lost or put back: what a state has begun that nobody remembers is no
            promise of the daemon.
    """

    def __init__(self, site: Site, rng: random.Random, report: Report, faults: Faults) -> None:
        self._path = site.state_path
        self._copies = site.folder / "state-copy"
        self._rng = rng
        self._report = report
        self._faults = faults

    @property
    def size_bytes(self) -> int:
        """Of the largest of its files."""
        return max((path.stat().st_size for path in self._files()), default=0)

    def happen(self, *, may_harm: bool) -> None:
        """Let something happen to it, or nothing."""
        dice = self._rng.random()
        if dice < 0.3:
            shutil.rmtree(self._copies, ignore_errors=True)
            self._copies.mkdir()
            for path in self._files():
                shutil.copyfile(path, self._copies / path.name)
        elif dice < 0.5 and may_harm:
            self._harm(self._rng.choice(_HARMS))

    def move_away(self) -> None:
        """As the error for a damaged state asks an operator to do."""
        self._faults.calm()
        self._remove()
        self._report.deeds["state moved away"] += 1
        self._report.say("the state is told to be damaged (E404), and is moved away")

    def _files(self) -> list[Path]:
        paths = [Path(f"{self._path}{suffix}") for suffix in _SUFFIXES]
        return [path for path in paths if path.exists()]

    def _remove(self) -> None:
        for path in self._files():
            path.unlink()

    def _harm(self, harm: str) -> None:
        if not self._path.exists() or (harm == "put back" and not self._copies.exists()):
            return
        self._faults.calm()
        if harm in {"lost", "put back"}:
            self._remove()
        else:
            self._path.write_bytes(self._damaged(bytearray(self._path.read_bytes()), harm))
        if harm == "put back":
            for path in self._copies.iterdir():
                shutil.copyfile(path, self._path.with_name(path.name))
        self._report.deeds[f"state {harm}"] += 1
        self._report.say(f"the state: {harm}")

    def _damaged(self, content: bytearray, harm: str) -> bytes:
        if harm == "cut short":
            return bytes(content[:self._rng.randrange(len(content) + 1)])
        if harm == "no database":
            return b"\xff" * (2 * _PAGE_BYTES)
        if harm == "another header":
            # Elsewhere SQLite can't tell a bit that was flipped from one that was written.
            if content:
                content[self._rng.randrange(16)] ^= 1 << self._rng.randrange(8)
            return bytes(content)
        at = self._rng.randrange(max(1, len(content) // _PAGE_BYTES)) * _PAGE_BYTES
        content[at:at + _PAGE_BYTES] = b"\xee" * _PAGE_BYTES
        return bytes(content)

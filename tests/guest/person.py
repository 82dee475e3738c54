"""
Somebody with a user of their own: a process that does what it is told, one line of JSON for each thing.

The process starts as root, imports what it needs, and only then becomes the other user for good: the interpreter of a
test may stand in a folder that nobody else can enter.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import subprocess
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class User:
    """By number: none of them has to be known to the machine."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


APPLICATION = User(54001, 54001)
OWNER = APPLICATION
STRANGER = User(54002, 54002)
MEMBER = User(54003, 54003, groups=(APPLICATION.gid,))
"""Of the application's group, as `usermod -aG app bqsync` makes it."""
SUPERUSER = User(0, 0)


class Person:
    """
    A process of a user.

    Args:
        part: the module whose functions it may be asked for.
        user: whom it becomes.
    """

    def __init__(self, part: str, user: User) -> None:
        program = f"from tests.guest.person import serve; serve({part!r}, {user.uid}, {user.gid}, {list(user.groups)})"
        self._process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.kill()

    def do(self, name: str, *arguments: object) -> Any:
        """Ask for a function, and wait for what it returns."""
        self.begin(name, *arguments)
        return self.end()

    def begin(self, name: str, *arguments: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([name, arguments]) + "\n")
        self._process.stdin.flush()

    def end(self) -> Any:
        """What the function returned that was begun. A function that goes on until it is told ends by `tell`."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process has died"
        answer = json.loads(line)
        assert "trace" not in answer, answer["trace"]
        return answer["result"]

    def tell(self) -> None:
        """That it is enough; see `is_told`."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        """By SIGKILL, in the middle of whatever it does."""
        self._process.kill()
        self._process.communicate()


def is_told() -> bool:
    """Whether the one who asked has had enough."""
    ready, _, _ = select.select([0], [], [], 0)
    if ready:
        os.read(0, 1)
    return bool(ready)


def serve(part: str, uid: int, gid: int, groups: Sequence[int]) -> None:
    """Become a user, then do what the lines of the standard input ask for."""
    module = importlib.import_module(part)
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    os.umask(0o022)
    os.chdir("/")
    while line := _line():
        name, arguments = json.loads(line)
        try:
            answer = {"result": getattr(module, name)(*arguments)}
        except Exception:  # noqa: BLE001 - told to the one who asked, as it is
            answer = {"trace": traceback.format_exc()}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _line() -> bytes:
    """Byte by byte: what a buffer holds back, `is_told` would not see."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            return b""
        line += byte
    return line

"""The daemon's hold on the process that reads columns."""

from __future__ import annotations

import subprocess
import sys
from collections import deque
from contextlib import suppress
from dataclasses import replace
from multiprocessing import Pipe
from typing import TYPE_CHECKING, Self, cast

from bqsync.columnar.messages import Answer, Assignment, Closed, PageRead, PageWanted, Ready, Unfit

if TYPE_CHECKING:
    from types import TracebackType

_END_S = 5.0
READ_S = 10.0
"""A read that takes longer is given up: meanwhile the application's file is locked, and a process may be stopped."""
_ENCODE_S = 120.0


class ReaderGoneError(Exception):
    """The process has ended, or can't be started. The text says how."""


class ColumnarReader:
    """
    A process that reads the pages of one table, for one thread.

    Args:
        assignment: the table.
        read_s: how long a read may take.

    Raises:
        ReaderGoneError: it can't be started.
    """

    def __init__(self, assignment: Assignment, *, read_s: float = READ_S) -> None:
        self._read_s = read_s
        self._pipe, theirs = Pipe()
        self._is_ready = False
        self._owed = deque[bool]()
        """Of each page that was asked for and not taken yet: is it wanted?"""
        self._pages = deque[PageRead | Unfit]()
        try:
            # Its errors are none of the log's lines: they come as answers, or as its end.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "bqsync.columnar.serve", str(theirs.fileno())],
                pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except OSError as exc:
            self._pipe.close()
            raise ReaderGoneError(f"it can't be started: {type(exc).__name__}") from exc
        finally:
            theirs.close()
        self._tell(assignment)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None,
    ) -> None:
        self.close()

    def is_ready(self, timeout_s: float = 0.0) -> bool:
        """
        Whether it has begun, or does within that time: before, nothing may be asked.

        Raises:
            ReaderGoneError: it has ended.
        """
        if not self._is_ready and self._pipe.poll(timeout_s):
            self._is_ready = isinstance(self._hear(_ENCODE_S), Ready)
        return self._is_ready

    @property
    def owed(self) -> int:
        """How many pages were asked for and not taken yet."""
        return sum(self._owed)

    def ask(self, wanted: PageWanted, *, again: bool = False) -> Closed:
        """
        Have a page read; returns as soon as the file is closed again.

        Args:
            wanted: which one.
            again: in the place of the one that was asked for last: that answer is not wanted any more.

        Raises:
            ReaderGoneError: it has ended, or was ended because it took too long.
        """
        if again:
            self._owed[-1] = False
        self._tell(wanted)
        self._owed.append(True)
        while not isinstance(answer := self._hear(self._read_s), Closed):
            self._pages.append(_page(answer))  # one that was asked for before
        return answer

    def page(self) -> PageRead | Unfit:
        """
        The page that was asked for first, of those that were not taken yet.

        Raises:
            ReaderGoneError: it has ended.
        """
        while True:
            found = self._pages.popleft() if self._pages else _page(self._hear(_ENCODE_S))
            if self._owed.popleft():
                return found

    def end(self) -> None:
        """End it, whatever it does. Whoever waits for an answer, in another thread, hears that it is gone."""
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)

    def close(self) -> None:
        """End it and let go. Nobody may wait for an answer any more: the pipe's number is free for others."""
        self.end()
        self._pipe.close()

    def _tell(self, message: Assignment | PageWanted) -> None:
        try:
            self._pipe.send(message)
        except OSError as exc:
            raise self._gone() from exc

    def _hear(self, patience_s: float) -> Answer:
        try:
            if not self._pipe.poll(patience_s):
                self.end()
                raise ReaderGoneError(f"it gave no answer for {patience_s:g} s")
            answer = cast("Answer", self._pipe.recv())
            if isinstance(answer, PageRead) and answer.page is not None:
                answer = PageRead(replace(answer.page, body=self._pipe.recv_bytes()))
        except (EOFError, OSError) as exc:
            raise self._gone() from exc
        return answer

    def _gone(self) -> ReaderGoneError:
        try:
            return ReaderGoneError(f"it ended with {self._process.wait(_END_S)}")
        except subprocess.TimeoutExpired:
            return ReaderGoneError("it closed its end")


def _page(answer: Answer) -> PageRead | Unfit:
    if not isinstance(answer, PageRead | Unfit):
        raise ReaderGoneError(f"it answered {type(answer).__name__}")
    return answer

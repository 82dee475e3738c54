"""
Where the lines of a log come from: a file that is followed through its rotations, a pipe, the journal.

Each source gives batches of lines, and an empty batch now and then while nothing comes.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import subprocess
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path

from bqsync.errors import BqsyncError, ErrorKind
from bqsync.observe.lines import LineCutter

_CHUNK_BYTES = 256 << 10
_LOOK_S = 0.2
"""Between two looks at a file that does not grow. A person does not see the difference, and a look is one `stat`."""
_IDLE_S = 0.5
_TOOL_S = 30


def follow_file(path: Path, *, last: int | None, follow: bool) -> Generator[list[bytes], None, None]:
    """
    The lines of a file, as `tail -F` gives them: another file in its place, or a truncated one, is read anew.

    Args:
        path: of the file; a pipe is read to its end.
        last: begin with so many lines of its end; None for all of it.
        follow: wait for more, and for the file.

    Raises:
        BqsyncError: LOG_UNREADABLE.
    """
    descriptor = _open(path, wait=follow)
    while descriptor is None:
        yield []
        time.sleep(_LOOK_S)
        descriptor = _open(path, wait=True)
        last = None  # it is new, so all of it is
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            yield from read_stream(descriptor)
            return
        if last is not None:
            os.lseek(descriptor, _start_of_last(descriptor, last), os.SEEK_SET)
        cutter = LineCutter()
        yield from _to_the_end(descriptor, cutter)
        while follow:
            yield []
            time.sleep(_LOOK_S)
            fresh = _successor(path, descriptor)
            # With another file there: what was written between the last look and the rotation.
            yield from _to_the_end(descriptor, cutter)
            if fresh is not None:
                yield cutter.end()
                os.close(descriptor)
                descriptor = fresh
            elif _is_truncated(descriptor):
                yield cutter.end()
                os.lseek(descriptor, 0, os.SEEK_SET)
        yield cutter.end()
    finally:
        os.close(descriptor)


def read_stream(descriptor: int) -> Iterator[list[bytes]]:
    """The lines of a pipe, as they come, to its end."""
    cutter = LineCutter()
    while True:
        if not select.select([descriptor], [], [], _IDLE_S)[0]:
            yield []
            continue
        chunk = os.read(descriptor, _CHUNK_BYTES)
        if not chunk:
            break
        yield cutter.feed(chunk)
    yield cutter.end()


def read_journal(unit: str, *, last: int | None, follow: bool) -> Iterator[list[bytes]]:
    """
    What the journal has of a unit.

    Args:
        unit: its name.
        last: begin with so many lines; None for all that is kept.
        follow: wait for more.

    Raises:
        BqsyncError: LOG_UNREADABLE: there is no journal, or nothing of such a unit.
    """
    _require_journal(unit)
    command = ["journalctl", "--no-pager", "-q", "-o", "cat", "-u", unit, "-n", "all" if last is None else str(last)]
    with subprocess.Popen([*command, "-f"] if follow else command, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE) as process:
        try:
            if process.stdout is not None:
                yield from read_stream(process.stdout.fileno())
        finally:
            process.terminate()


def _require_journal(unit: str) -> None:
    """A unit that is not there would be waited for in vain."""
    try:
        found = _output("journalctl", "--no-pager", "-q", "-o", "cat", "-u", unit, "-n", "1")
    except FileNotFoundError:
        raise _unreadable(
            "there is no journal to read", "this machine has no journalctl",
            "name a file (`bqsync tail FILE`), or pipe the log into it: `bqsync run 2>&1 | bqsync tail`") from None
    if found.stdout:
        return
    with suppress(FileNotFoundError):
        if _output("systemctl", "show", "--property=LoadState", "--value", unit).stdout.strip() == b"loaded":
            return
    said = found.stderr.decode("utf-8", "replace").strip().replace("\n", "; ")
    raise _unreadable(
        f"the journal has nothing of a unit {unit}", said or f"there is no unit {unit}, or you may not read its lines",
        "name the unit (--unit NAME) or a file; the group systemd-journal may read all of the journal")


def _output(*command: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_TOOL_S)
    except subprocess.TimeoutExpired as error:
        raise _unreadable(f"`{' '.join(command)}` does not answer", f"it was given {_TOOL_S} s",
                          "look at the journal: `journalctl --verify`") from error


def _open(path: Path, *, wait: bool) -> int | None:
    """A descriptor; None for a file that is to be waited for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    except FileNotFoundError as error:
        if wait:
            return None
        raise _unreadable(f"{path} does not exist", "there is no such file",
                          "name another; without --no-follow, it is waited for") from error
    except OSError as error:
        raise _unreadable(f"{path} can't be read: {error.strerror}", "the file system refused it",
                          "name a file that you may read") from error
    return descriptor


def _successor(path: Path, descriptor: int) -> int | None:
    """The file that has taken the place of the one that is open; None if none has."""
    try:
        found = path.stat()
    except OSError:  # in the middle of a rotation, or gone: what is open may still grow
        return None
    if os.path.samestat(found, os.fstat(descriptor)):
        return None
    with suppress(BqsyncError):  # until whoever rotates has set its owner and mode
        return _open(path, wait=True)
    return None


def _is_truncated(descriptor: int) -> bool:
    return os.fstat(descriptor).st_size < os.lseek(descriptor, 0, os.SEEK_CUR)


def _to_the_end(descriptor: int, cutter: LineCutter) -> Iterator[list[bytes]]:
    while chunk := os.read(descriptor, _CHUNK_BYTES):
        yield cutter.feed(chunk)


def _start_of_last(descriptor: int, last: int) -> int:
    """Where the last lines of a file begin. Only these are read."""
    position = size = os.fstat(descriptor).st_size
    left = last
    while position > 0 and last > 0:
        begin = max(0, position - _CHUNK_BYTES)
        block = os.pread(descriptor, position - begin, begin)
        found = len(block)
        while (found := block.rfind(b"\n", 0, found)) >= 0:
            # That at the very end ends the last line, and begins none.
            left -= begin + found != size - 1
            if left == 0:
                return begin + found + 1
        position = begin
    return 0 if last else size


def _unreadable(what: str, why: str, fix: str) -> BqsyncError:
    return BqsyncError(ErrorKind.LOG_UNREADABLE, what=what, why=why, fix=fix)

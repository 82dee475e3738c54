"""
Files that a person names, opened so that nothing else under that name can hang or flood the program.

To open a pipe waits for whoever is at its other end, to read a device may never end, and to open one may even move it.
So a name is looked at first, opened without waiting, and looked at once more. The database of the application is not
opened here, nor anywhere but in `capture/`: closing any descriptor of it drops SQLite's locks.

Sources: https://man7.org/linux/man-pages/man7/fifo.7.html, https://man7.org/linux/man-pages/man2/open.2.html
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from pathlib import Path

MIB = 1 << 20
_READ_BYTES = MIB


class UnfitFileError(OSError):
    """What stands under that name is no file to be read; `strerror` says why, as the file system's own errors do."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(errno.EINVAL, why, str(path))


def require_regular(path: Path, found: os.stat_result) -> None:
    """
    See that it is a file.

    Args:
        path: as it was named.
        found: what `stat` tells of it.

    Raises:
        OSError: it is a directory, or (UnfitFileError) a pipe, a socket or a device.
    """
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(found.st_mode):
        raise UnfitFileError(path, "it is a pipe, a socket or a device, and no regular file")


def require_regular_if_there(path: Path) -> None:
    """
    The same for a file that may be missing.

    Raises:
        OSError: as above, or it can't be looked at.
    """
    with contextlib.suppress(FileNotFoundError):
        require_regular(path, path.stat())


def open_regular(path: Path, flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
    """
    A descriptor of a regular file; nothing is waited for.

    Args:
        path: links are followed, unless `flags` say otherwise.
        flags: as of `os.open`.
        mode: of a file that is made.

    Raises:
        OSError: it can't be opened, or is no regular file.
    """
    require_regular_if_there(path)  # `flags` decide whether it is made
    # Whatever takes its place between the two looks is neither waited for nor becomes the terminal of the process.
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, mode)
    try:
        require_regular(path, os.fstat(descriptor))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def read_regular(path: Path, max_bytes: int) -> bytes:
    """
    All that a file holds.

    Args:
        path: links are followed.
        max_bytes: a larger file is not read.

    Raises:
        OSError: it can't be read, is no regular file, or (UnfitFileError) is larger.
    """
    with os.fdopen(open_regular(path), "rb", buffering=0) as file:
        # Some file systems know no sizes, and a file may grow while it is read: what is read counts as well.
        parts, left_bytes = [], max_bytes + 1
        if os.fstat(file.fileno()).st_size <= max_bytes:
            while part := file.read(min(left_bytes, _READ_BYTES)):
                parts.append(part)
                left_bytes -= len(part)
            if left_bytes > 0:
                return b"".join(parts)
    raise UnfitFileError(path, f"it is larger than {max_bytes / MIB:g} MiB")


def replace_file(path: Path, content: bytes) -> None:
    """
    Put a file in its place, whole or not at all.

    A new file is made under a name that nobody can know before, and takes the place of whatever has that name: a
    symbolic link that somebody has planted there is replaced, and what it leads to stays as it is.

    Raises:
        OSError: it can't be written; nothing is left behind.
    """
    draft = path.with_name(f".bqsync-{secrets.token_hex(8)}.tmp")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)  # less what umask takes
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise

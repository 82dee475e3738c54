"""A file that a command writes for its user alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from bqsync.errors import BqsyncError, ErrorKind


@contextmanager
def private_file(path: Path) -> Iterator[TextIO]:
    """
    Write a file of mode 0600, whole or not at all: until the block has ended well, what stood there stands there.

    Raises:
        BqsyncError: CONFIG_INVALID, where something other than a file stands there, or it can't be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        if path.exists() and not path.is_file():
            raise _unwritable(path, "what stands there is no regular file")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                yield file
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as exc:
        raise _unwritable(path, exc.strerror or str(exc)) from exc


def _unwritable(path: Path, why: str) -> BqsyncError:
    return BqsyncError(ErrorKind.CONFIG_INVALID, what=f"{path} can't be written", why=why,
                       fix="name another file with --out FILE")

"""
The `.proto` files that a compilation reads, looked at before the compiler reads them.

It would wait for ever at a pipe, and never come to the end of a device, imported ones included.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from bqsync.errors import BqsyncError, ErrorKind
from bqsync.regular_file import MIB, read_regular

_MAX_BYTES = 16 * MIB
_IMPORT = re.compile(rb"""\bimport\s+(?:public\s+|weak\s+|option\s+)?(?:"([^"\n]+)"|'([^'\n]+)')""")
"""
Source: https://protobuf.dev/reference/protobuf/proto3-spec#import_statement

What stands in a comment is found as well; it does no harm to look at one file more.
"""


def require_sources(files: Sequence[Path], folders: Sequence[Path]) -> None:
    """
    See that the files, and all that they import, are texts that have an end.

    Args:
        files: absolute.
        folders: where imports are looked for, in this order. What is in none of them is left to the compiler.

    Raises:
        BqsyncError: PROTO_INVALID, naming the file.
    """
    seen: set[Path] = set()
    waiting = list(files)
    while waiting:
        file = waiting.pop()
        if file not in seen:
            seen.add(file)
            waiting.extend(_imports(_read(file), folders))


def _imports(text: bytes, folders: Sequence[Path]) -> Iterator[Path]:
    for match in _IMPORT.finditer(text):
        name = os.fsdecode(match[1] or match[2])
        found = next((path for folder in folders if os.path.exists(path := folder / name)), None)  # noqa: PTH110 - never raises
        if found is not None:
            yield found


def _read(file: Path) -> bytes:
    try:
        return read_regular(file, _MAX_BYTES)
    except OSError as error:
        raise BqsyncError(ErrorKind.PROTO_INVALID, what=f"{file} can't be read", why=error.strerror or str(error),
                          fix="name an existing, readable .proto file") from error

"""
A database whose last page is there in part, as while it is copied, or after a copy that broke off.

SQLite takes what is missing for zeros. The rows that stood there would be read as others, or count as deleted.
"""

from __future__ import annotations

from pathlib import Path

from bqsync.errors import BqsyncError, ErrorKind

HEADER_BYTES = 100
_MAGIC = b"SQLite format 3\0"


def require_whole(path: Path, header: bytes, size_bytes: int) -> None:
    """
    See that the file is as long as its header says; only where no `-wal` and no journal has newer pages.

    Args:
        path: the name to tell.
        header: the first 100 bytes.
        size_bytes: of the file. More than the header says is as SQLite may leave it.

    Raises:
        BqsyncError: SOURCE_CORRUPT.

    Source: https://www.sqlite.org/fileformat.html#the_database_header (page size, change counter, size in pages, and
    the change counter at which that size was noted; it counts only while the two counters are equal)
    """
    if len(header) < HEADER_BYTES or not header.startswith(_MAGIC) or header[24:28] != header[92:96]:
        return
    page_bytes = int.from_bytes(header[16:18], "big")
    wanted_bytes = int.from_bytes(header[28:32], "big") * (65_536 if page_bytes == 1 else page_bytes)
    if size_bytes < wanted_bytes:
        raise BqsyncError(
            ErrorKind.SOURCE_CORRUPT, what=f"{path} is cut off: it has {size_bytes:,} of {wanted_bytes:,} bytes",
            why="it is being copied just now, or a copy has broken off; SQLite would take what is missing for zeros",
            fix="wait for the end of the copy, or restore the file; nothing is deleted in BigQuery meanwhile",
        )

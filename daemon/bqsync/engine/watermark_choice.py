"""Which of the configured columns may be watermarks, by what the source and the target are. Pure."""

from __future__ import annotations

from bqsync.capture.pages import TableReader
from bqsync.config import TableSection
from bqsync.engine.contents import ContentReader
from bqsync.engine.watermarks import WatermarkBook
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import TableSpec, folded


def usable(section: TableSection, reader: TableReader, spec: TableSpec) -> tuple[str, ...]:
    """The configured columns that can be tried as watermarks."""
    # Two rows of one key can't be told apart by a pass, which may read one of them alone.
    names = section.watermark if reader.key_is_unique else ()
    unknown = _unknown(section, reader, spec)
    return tuple(name for name in names if name not in unknown)


def late(section: TableSection, reader: TableReader, spec: TableSpec) -> list[str]:
    """In words, which of them came after the target of a table without a key."""
    return [f"{name} can't be a watermark: it came after the target, whose rows are known without it"
            for name in _unknown(section, reader, spec)]


def require(section: TableSection, reader: TableReader, spec: TableSpec, book: WatermarkBook) -> None:
    """
    See that a table which is not swept has a watermark: else it would never be read again.

    Raises:
        BqsyncError: SOURCE_TABLE_INVALID.
    """
    reasons = [f"{name} can't be a watermark: {why}" for name, why in book.unfit().items()]
    reasons += late(section, reader, spec)
    if not reader.key_is_unique:
        key = ", ".join(spec.key)
        reasons.append(f"SQLite does not keep the key ({key}) unique, and a pass could meet one of two rows")
    if reasons and not book.tracked():
        raise BqsyncError(
            ErrorKind.SOURCE_TABLE_INVALID, what=f"table {section.name} has no way to find its changes",
            why=f'sweep = "off", and {"; ".join(reasons)}',
            fix=f"mend that, or remove `sweep` from the [[tables]] entry of {section.name}",
        )


def _unknown(section: TableSection, reader: TableReader, spec: TableSpec) -> list[str]:
    """Columns by which rows are not known: a range of one may hold one of two rows that are alike."""
    if not isinstance(reader, ContentReader):
        return []
    known = {folded(column.source_name) for column in spec.columns[: reader.known_by]}
    return [name for name in section.watermark if folded(name) not in known]

"""A column that tells by its values which rows are new: what they mean, and where a pass begins and ends. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo
from enum import Enum

from bqsync.capture.page_sql import Range
from bqsync.encode.instants import form_of, look_of, value_from, value_until
from bqsync.encode.rejection import Rejected
from bqsync.model import SqlValue, TimestampFormat, Watermark

_MAX_INT64 = (1 << 63) - 1


class Form(Enum):
    """How a value of a column of texts is written."""

    ITS_OWN = "its own"
    ANOTHER = "another"
    """It names an instant, and does not sort among the others as that instant."""
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """A column that tells by its values which rows are new."""

    column: str
    position: int
    """Of its cell in a row."""
    timestamp_format: TimestampFormat
    form: str | None
    is_indexed: bool
    reached: Watermark | None
    zone: tzinfo
    convert: Callable[[SqlValue], int]

    @property
    def look(self) -> str | None:
        """The GLOB pattern of the texts that count."""
        return None if self.form is None else look_of(self.form)

    def overlap_us(self, configured_us: int) -> int:
        """How far before the watermark a pass begins: rows of earlier instants may be committed later."""
        return configured_us

    def limit_us(self, now_us: int) -> int:
        """The greatest instant that counts: what lies in the future is not dealt with yet."""
        return now_us

    def value_until(self, instant_us: int) -> SqlValue:
        """A value that none of an earlier instant is greater than."""
        return value_until(self.timestamp_format, self.form, instant_us, self.zone)

    def instant_us(self, value: SqlValue) -> int | None:
        """The instant of a value; None where the value never counts: of another class, another form, or no instant."""
        if self.form is None:
            if type(value) not in (int, float):
                return None
        elif type(value) is not str or form_of(value) != self.form:
            return None
        try:
            return self.convert(value)
        except Rejected:
            return None

    def form_of(self, value: SqlValue) -> Form:
        """How a value is written."""
        if self.form is None or not isinstance(value, str):
            return Form.NONE
        found = form_of(value)
        if found is None:
            return Form.NONE
        return Form.ITS_OWN if found == self.form else Form.ANOTHER

    def rows_from(self, instant_us: int | None) -> Range:
        """The rows from an instant onward; all of them for None."""
        least = None if instant_us is None else value_from(self.timestamp_format, self.form, instant_us, self.zone)
        return Range(column=self.column, is_text=self.form is not None, least=least, is_indexed=self.is_indexed)


class Counted(Tracked):
    """A column of numbers that SQLite gives in the order of the commits: a number has no clock, and comes once."""

    def overlap_us(self, configured_us: int) -> int:  # noqa: ARG002 - of instants
        """None: whoever writes next gets a greater number."""
        return 0

    def limit_us(self, now_us: int) -> int:  # noqa: ARG002 - of instants
        """Every number counts."""
        return _MAX_INT64

    def value_until(self, instant_us: int) -> SqlValue:
        """The number."""
        return instant_us

    def instant_us(self, value: SqlValue) -> int | None:
        """The number."""
        return value if type(value) is int else None

    def rows_from(self, instant_us: int | None) -> Range:
        """The rows from a number onward; all of them for None."""
        return Range(column=self.column, is_text=False, least=instant_us, is_indexed=self.is_indexed)

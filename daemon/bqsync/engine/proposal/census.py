"""Counts what the values of a table are, page by page, in a memory that does not grow with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import tzinfo

from bqsync.capture.probe import kind_of
from bqsync.encode.instants import form_of
from bqsync.encode.rejection import Rejected
from bqsync.encode.rows import MAX_ROW_BYTES
from bqsync.encode.target_keys import check_key
from bqsync.encode.values import PASSED_UNCHANGED, converter
from bqsync.engine.proposal.column_types import candidates, may_be_instant
from bqsync.engine.proposal.facts import Candidate, ColumnFacts
from bqsync.model import ColumnSpec, Reason, SourceColumn, SourceTable, SqlValue, TimestampFormat

Row = Sequence[SqlValue]

_CLASSES: dict[type, str] = {int: "integer", float: "real", str: "text", bytes: "blob"}
_CELL_BYTES = 8
_MAX_FORMS = 100
"""More are counted as this many: two are too many already."""


class Trial:
    """How many values of one column a type takes, and why it refuses the others: the encoder says."""

    def __init__(self, candidate: Candidate, zone: tzinfo, *, in_key: bool) -> None:
        spec = ColumnSpec(source_name="", target_name="", target_type=candidate.target_type, field_number=0,
                          timestamp_format=candidate.timestamp_format)
        self._convert = converter(spec, zone)
        self._plain = PASSED_UNCHANGED.get(candidate.target_type)
        self._in_key = in_key
        self.rejected: Counter[Reason] = Counter()

    def add(self, values: Sequence[SqlValue], kinds: Iterable[type]) -> None:
        """Count values that are not NULL, of these Python types."""
        if set(kinds) == {self._plain} and (self._plain is not str or self._all_valid(values)):
            return
        for value in values:
            try:
                wire = self._convert(value)
                if self._in_key:
                    check_key((wire,))
            except Rejected as rejected:
                self.rejected[rejected.reason] += 1

    def _all_valid(self, values: Sequence[SqlValue]) -> bool:
        """All texts at once: the usual case, and a good deal faster than one by one."""
        try:
            joined = "".join(map(str, values))
            joined.encode("utf-8")
        except UnicodeEncodeError:
            return False
        return not (self._in_key and "\0" in joined)


class ColumnCensus:
    """The values of one column."""

    def __init__(self, column: SourceColumn, zone: tzinfo, *, in_key: bool) -> None:
        self._column = column
        self._in_key = in_key
        self._options = candidates(column, in_key=in_key)
        # A unit of numbers is chosen only where all values lie in its range: it refuses none then.
        self._trials = {item: Trial(item, zone, in_key=in_key) for item in self._options
                        if item.timestamp_format in {None, TimestampFormat.ISO8601}}
        self._as_instant = may_be_instant(column)
        self._nulls = 0
        self._classes: Counter[type] = Counter()
        self._kinds: Counter[str] = Counter()
        self._forms: set[str | None] = set()

    def add(self, cells: Sequence[SqlValue]) -> int:
        """Count the cells of a page; returns about how many bytes they have."""
        values = [cell for cell in cells if cell is not None]
        self._nulls += len(cells) - len(values)
        kinds = Counter(map(type, values))
        self._classes.update(kinds)
        if values:
            for trial in self._trials.values():
                trial.add(values, kinds)
        if self._as_instant:
            self._kinds.update(map(kind_of, values))
            if len(self._forms) < _MAX_FORMS:
                self._forms.update(form_of(value) for value in values if isinstance(value, str))
        return sum(len(value) if isinstance(value, str | bytes) else _CELL_BYTES for value in values)

    def facts(self) -> ColumnFacts:
        """What was counted."""
        classes = {_CLASSES[kind]: count for kind, count in self._classes.most_common()}
        return ColumnFacts(
            column=self._column, in_key=self._in_key, nulls=self._nulls, classes=classes,
            kinds=dict(self._kinds.most_common()), forms=len(self._forms), form=next(iter(self._forms), None),
            rejected={item: dict(self._trials[item].rejected) if item in self._trials else {}
                      for item in self._options},
        )


class TableCensus:
    """The rows of one table."""

    def __init__(
        self, table: SourceTable, key: Sequence[str], pairs: Sequence[tuple[str, str]], zone: tzinfo
    ) -> None:
        self._columns = [ColumnCensus(column, zone, in_key=column.name in key) for column in table.columns]
        names = [column.name for column in table.columns]
        self._pairs = {pair: (names.index(pair[0]), names.index(pair[1])) for pair in pairs}
        self.differing: Counter[tuple[str, str]] = Counter()
        self.rows = self.size_bytes = self.oversized = 0

    def add(self, rows: Sequence[Row]) -> None:
        """Count the rows of a page."""
        self.rows += len(rows)
        columns = zip(self._columns, zip(*rows, strict=True), strict=True)
        page_bytes = sum(census.add(cells) for census, cells in columns)
        self.size_bytes += page_bytes
        if page_bytes > MAX_ROW_BYTES // 4:  # letters have up to four bytes
            self.oversized += sum(_size_bytes(row) > MAX_ROW_BYTES for row in rows)
        for pair, (one, other) in self._pairs.items():
            self.differing[pair] += sum(row[one] != row[other] for row in rows)

    def facts(self) -> tuple[ColumnFacts, ...]:
        """What was counted of each column."""
        return tuple(census.facts() for census in self._columns)


def _size_bytes(row: Row) -> int:
    return sum(len(value.encode("utf-8", "surrogateescape")) if isinstance(value, str)
               else len(value) if isinstance(value, bytes) else 0 for value in row)

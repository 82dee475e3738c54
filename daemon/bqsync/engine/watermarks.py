"""
The watermark columns of one table: decided once, watched in every cycle.

A column is decided about from all its values, and the verdict stays: what its values are, or why it can't be a
watermark. In every cycle its newest value and the clock are looked at: where one of them went back, rows may have
older timestamps than the watermark, and only a sweep finds them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import tzinfo

from bqsync.capture.page_sql import Range
from bqsync.capture.pages import TableReader
from bqsync.capture.source import Source
from bqsync.encode.instants import value_from
from bqsync.encode.timestamps import timestamp_converter
from bqsync.engine.tracked import Counted, Tracked
from bqsync.engine.watermark_verdict import judge_column
from bqsync.model import TableMode, TableSpec, TimestampFormat, Watermark, folded
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger
from bqsync.state.tables import TableState
from bqsync.state.watermarks import WatermarkColumn, Watermarks

_log = get_logger()


class WatermarkBook:
    """
    The watermark columns of a table and what the state knows of them.

    Args:
        source: the file.
        spec: the mapping of the table.
        names: the watermark columns, as they are configured.
        reader: of the table.
        state: of the table.
        zone: meaning of ISO texts without an offset.
        overlap_us: how far a clock may go back unnoticed: what the overlap covers.
    """

    def __init__(
        self, source: Source, spec: TableSpec, names: tuple[str, ...], reader: TableReader, state: TableState,
        *, zone: tzinfo, overlap_us: int,
    ) -> None:
        self._source = source
        self._spec = spec
        self._names = names
        self._reader = reader
        self._state = state
        self._zone = zone
        self._overlap_us = overlap_us
        self._store = Watermarks(state.store, state.table_id)

    def tracked(self) -> list[Tracked]:
        """The columns that can be used now, each with what was dealt with."""
        known = self._known()
        found = []
        for position, column in enumerate(self._spec.columns):
            decided = known.get(column.source_name)
            if decided is None or decided.unfit is not None or not self._is_named(column.source_name):
                continue
            # Numbers that are counted are no instants; the format stands for "as they are".
            fmt = decided.timestamp_format or TimestampFormat.UNIX_MICROS
            found.append((Counted if decided.is_counted else Tracked)(
                column=column.source_name, position=position, timestamp_format=fmt, form=decided.form,
                reached=decided.reached, zone=self._zone, convert=timestamp_converter(fmt, self._zone),
                is_indexed=self._is_indexed(column.source_name, is_text=decided.form is not None),
            ))
        return found

    def decide(self, now_us: int, *, from_newest: bool) -> None:
        """
        Decide about the columns that nothing was decided about, and once more about those that were unfit.

        Args:
            now_us: Unix microseconds; later values don't count.
            from_newest: passes begin at the newest value that is there now, since a sweep follows and reads the rest.
        """
        known = self._known()
        for name in self._undecided(known):
            verdict = judge_column(self._source, self._spec, name, self._zone)
            if verdict is None or verdict == known.get(name):
                continue
            if verdict.unfit is not None:
                _log.warning(Event.SCHEMA_WARNING, table=self._spec.source_name, column=name,
                             what=f"{name} can't be a watermark: {verdict.unfit}; its changes are found by sweeps")
            self._store.decide(verdict)
            if from_newest and verdict.unfit is None:
                tracked = next(item for item in self.tracked() if item.column == name)
                newest = self._newest(tracked, tracked.limit_us(now_us))
                if newest is not None:
                    self._store.decide(replace(verdict, reached=newest))

    def unfit(self) -> dict[str, str]:
        """The columns that can't be watermarks, with the reason of each."""
        return {name: decided.unfit for name, decided in self._known().items()
                if decided.unfit is not None and self._is_named(name)}

    def forget(self) -> None:
        """Decide anew, and begin anew."""
        self._store.forget()

    def decide_anew(self, columns: Collection[str]) -> None:
        """The values of some columns have changed their form: the next sweep decides what they are now."""
        for column in columns:
            self._store.forget(column)
            self._anomaly(f"the texts of {column} have another form than before", column=column)

    def watch(self, now_us: int, last_seen_us: int | None) -> None:
        """
        Look whether the clock or a column went back; where one did, a sweep is asked for.

        Args:
            now_us: Unix microseconds.
            last_seen_us: the same at the end of the last cycle.
        """
        if last_seen_us is not None and now_us < last_seen_us - self._overlap_us:
            self._anomaly("the clock went back", column=None)
            # It is seen by the last note, which may be long in coming: every cycle until then would see it again.
            self._state.note_clock(now_us)
        for item in self.tracked():
            if item.reached is None:
                continue
            limit_us = item.limit_us(now_us)
            if item.reached.instant_us > limit_us + self._overlap_us:
                value = value_from(item.timestamp_format, item.form, now_us, self._zone)
                self._store.set_back(Watermark(column=item.column, source_value=value, instant_us=now_us))
                self._anomaly("the clock went back", column=item.column)
            elif item.is_indexed:
                # A clock that wavers within the overlap must not hide the value that was reached.
                self._watch_newest(item, max(limit_us, item.reached.instant_us))

    def _watch_newest(self, item: Tracked, until_us: int) -> None:
        newest = self._newest(item, until_us)
        if newest is None or item.reached is None or newest.instant_us >= item.reached.instant_us:
            return
        self._store.set_back(newest)
        self._anomaly(f"the largest {item.column} went back", column=item.column,
                      suspicion=f"the largest {item.column} of table {self._spec.source_name} went back")

    def _anomaly(self, what: str, *, column: str | None, suspicion: str | None = None) -> None:
        _log.warning(Event.WATERMARK_ANOMALY, table=self._spec.source_name, column=column, what=what)
        self._state.ask_sweep(what, suspicion=suspicion)

    def _newest(self, item: Tracked, now_us: int) -> Watermark | None:
        value = self._reader.newest(item.rows_from(None), item.value_until(now_us), item.look)
        instant_us = None if value is None else item.instant_us(value)
        if instant_us is None:
            return None
        return Watermark(column=item.column, source_value=value, instant_us=min(instant_us, now_us))

    def _known(self) -> dict[str, WatermarkColumn]:
        """What was decided, but for columns whose values mean something else by now."""
        formats = {column.source_name: column.timestamp_format for column in self._spec.columns}
        return {
            name: decided for name, decided in self._store.columns().items()
            if self._spec.mode is TableMode.APPEND or not decided.is_counted
            if formats.get(name) is None or decided.unfit or formats[name] is decided.timestamp_format
        }

    def _undecided(self, known: dict[str, WatermarkColumn]) -> Iterator[str]:
        for column in self._spec.columns:
            decided = known.get(column.source_name)
            if self._is_named(column.source_name) and (decided is None or decided.unfit is not None):
                yield column.source_name

    def _is_named(self, column: str) -> bool:
        return folded(column) in {folded(name) for name in self._names}

    def _is_indexed(self, column: str, *, is_text: bool) -> bool:
        return self._reader.is_indexed(
            Range(column=column, is_text=is_text, least="" if is_text else 0, is_indexed=True))

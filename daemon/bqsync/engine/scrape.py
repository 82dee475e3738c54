"""
What a scrape finds: what was counted, how the loop stands, and what the state has noted.

Asked from any thread at any time. It touches neither network nor source, counts no rows, and waits for no cycle:
the state is read beside the connection that writes to it.
"""

from __future__ import annotations

import platform
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from http import HTTPStatus
from importlib.metadata import version
from typing import TYPE_CHECKING

from bqsync.engine.agenda import Standing
from bqsync.engine.counting import DELETED, UNCHANGED, UPSERTED
from bqsync.engine.loop import Loop
from bqsync.engine.paced import APART_S, Paced
from bqsync.engine.session import Session
from bqsync.errors import RULES, BqsyncError, ErrorKind, Retry
from bqsync.observe.exposition import CONTENT_TYPE, INSTALL, MISSING, Family, can_expose, expose
from bqsync.observe.metrics import METRICS, Metric, MetricType
from bqsync.observe.tally import Distribution, LabelValues, Tally
from bqsync.state.marks import TableMarks, table_marks
from bqsync.state.store import Store
from bqsync.watch.signals import Signal

if TYPE_CHECKING:
    from bqsync.observe.http_server import Answer

Numbers = Mapping[LabelValues, float]

_ZEROS: Mapping[Metric, Sequence[LabelValues]] = {
    Metric.FS_EVENTS: [(signal.value,) for signal in Signal],
    Metric.RETRIES: [(kind.value,) for kind in ErrorKind if RULES[kind].retry is not Retry.NEVER],
}
"""What has not happened yet stands at 0, so that the first time shows as a growth. Of tables, see `_counted`."""
_OF_TABLES = (Metric.PENDING_ROWS, Metric.ROWS_QUARANTINED, Metric.BYTES_SENT, Metric.BYTES_BILLED, Metric.MERGES)


class Scrape:
    """
    Gathers the metrics of one daemon.

    Args:
        tally: of its whole life.
    """

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._looked_at: tuple[Session, Loop] | None = None
        self._marks: Mapping[str, TableMarks] = {}
        self._exposition = self._begun()

    def look_at(self, session: Session, loop: Loop) -> None:
        """From now on these are in force."""
        self._looked_at = session, loop
        self._exposition = self._begun()

    def answer(self) -> Answer:
        """What `/metrics` is answered: 501 with the fix where the extra `metrics` is not installed."""
        from bqsync.observe.http_server import BUSY, Answer, text_answer

        if not can_expose():
            return text_answer(HTTPStatus.NOT_IMPLEMENTED, f"{MISSING}.", f"fix: {INSTALL}")
        exposition = self._exposition.take()
        return BUSY if exposition is None else Answer(HTTPStatus.OK, CONTENT_TYPE, exposition)

    def families(self) -> Iterator[Family]:
        """Every metric with its samples, in the order of `METRICS`."""
        looked_at = self._looked_at
        found: dict[Metric, Numbers] = {
            Metric.UP: {(): float(looked_at is not None and _can_deliver(looked_at[1]))},
            Metric.BUILD_INFO: {(version("bqsync"), sqlite3.sqlite_version, platform.python_version()): 1.0},
        }
        tables: Sequence[str] = ()
        if looked_at is not None:
            session, loop = looked_at
            tables = [section.name for section in session.config.tables]
            found |= _standings(loop, session.now_us())
            found |= _noted(self._noted(session), tables)
            in_hand, held = self._counted(Metric.PENDING_ROWS, tables), found[Metric.DELETES_HELD_ROWS]
            found[Metric.PENDING_ROWS] = {key: rows + held.get(key, 0.0) for key, rows in in_hand.items()}
        for metric, specification in METRICS.items():
            if specification.type is MetricType.HISTOGRAM:
                yield Family(metric, distributions=self._observed(metric))
            else:
                yield Family(metric, found[metric] if metric in found else self._counted(metric, tables))

    def _begun(self) -> Paced[bytes]:
        return Paced(lambda: expose(self.families()), APART_S)

    def _observed(self, metric: Metric) -> Mapping[LabelValues, Distribution]:
        specification = METRICS[metric]
        nothing = Distribution((0,) * (len(specification.buckets) + 1), 0.0)
        zeros = {} if specification.labels else {(): nothing}
        return zeros | dict(self._tally.distributions(metric))

    def _noted(self, session: Session) -> Mapping[str, TableMarks]:
        """What the state says; what it said last, where it can't be read: the cycles will tell of that."""
        with suppress(BqsyncError), closing(Store(session.config.state.file, read_only=True)) as store:
            self._marks = table_marks(store, session.config.source.name)
        return self._marks

    def _counted(self, metric: Metric, tables: Sequence[str]) -> Numbers:
        """What the tally has; of tables, of those alone that are configured now."""
        zeros = _ZEROS.get(metric, ())
        if metric is Metric.ROWS:
            zeros = [(table, op) for table in tables for op in (UPSERTED, DELETED, UNCHANGED)]
        elif metric in _OF_TABLES:
            zeros = [(table,) for table in tables]
        known, names = {"", *tables}, METRICS[metric].labels
        counted = self._tally.numbers(metric)
        return dict.fromkeys(zeros, 0.0) | {
            values: number for values, number in counted.items() if "table" not in names or values[0] in known}


def _can_deliver(loop: Loop) -> bool:
    return loop.has_arrived and loop.lookout.lost is None and loop.setbacks.outage is None


def _standings(loop: Loop, now_us: int) -> dict[Metric, Numbers]:
    """What the loop knows."""
    standings = {(name,): one for (_, name), one in loop.agenda.standings().items()}
    return {
        Metric.LAG: {key: _lag_s(one, now_us) for key, one in standings.items()},
        Metric.CONSECUTIVE_FAILURES: {key: float(one.failures) for key, one in standings.items()},
        Metric.MERGE_INTERVAL: {key: one.interval_s for key, one in standings.items()},
    }


def _lag_s(standing: Standing, now_us: int) -> float:
    return 0.0 if standing.changed_us is None else max(0, now_us - standing.changed_us) / 1_000_000


def _noted(marks: Mapping[str, TableMarks], tables: Collection[str]) -> dict[Metric, Numbers]:
    """What the state has noted; a time that has not come yet has no sample."""
    known = {name: marks[name] for name in tables if name in marks}
    waiting = {name for name, one in known.items() if one.error_kind == ErrorKind.DAILY_LIMIT_REACHED}
    return {
        Metric.LAST_SUCCESS_TIMESTAMP: _instants({name: one.last_success_us for name, one in known.items()}),
        Metric.LAST_SWEEP_TIMESTAMP: _instants({name: one.last_sweep_us for name, one in known.items()}),
        Metric.LAST_VERIFY_TIMESTAMP: _instants({name: one.last_verify_us for name, one in known.items()}),
        Metric.DELETES_HELD_ROWS: {(name,): float(known[name].deletes_held) if name in known else 0.0
                                   for name in tables},
        Metric.DAILY_LIMIT_REACHED: {(name,): float(name in waiting) for name in tables},
    }


def _instants(moments_us: Mapping[str, int | None]) -> Numbers:
    return {(name,): moment_us / 1_000_000 for name, moment_us in moments_us.items() if moment_us is not None}

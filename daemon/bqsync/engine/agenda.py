"""
Which table has its turn, and when. Pure: the clocks are passed in, nothing is run here.

Two clocks: the wall clock (`now_us`, Unix microseconds) for what the state has noted, and a monotonic one (`now_s`) for
pauses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from bqsync.engine.schedule import Outlook

TableKey = tuple[str, str]
"""Name of the source, name of the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A cycle that is to begin."""

    key: TableKey
    changed_us: int | None
    """When the first change was written that it is to deliver."""
    is_alone: bool
    """No other table has lost more rows than the guard lets pass unasked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a table stands, for those who look on."""

    is_running: bool
    changed_us: int | None
    """When the oldest change was written that is not known to be delivered."""
    failures: int
    has_ended: bool
    """A cycle of it has ended well since the session began."""
    earliest_s: float
    """The monotonic instant before which no cycle begins."""
    interval_s: float


@dataclass(slots=True)
class _Table:
    interval_s: float
    outlook: Outlook | None = None
    """None: nothing is known, a cycle is to begin as soon as it may."""
    look: object = None
    """How the file was when the table's last cycle looked."""
    is_changed: bool = False
    changed_us: int | None = None
    is_running: bool = False
    running_us: int | None = None
    """`changed_us` of the cycle that is running."""
    is_alone: bool = False
    earliest_s: float = 0.0
    begun_s: float = -math.inf
    """When its last cycle began."""
    failures: int = 0
    has_ended: bool = False


class Agenda:
    """
    What is known of each table between its cycles.

    Args:
        intervals_s: of each table, the seconds at least between the beginnings of two cycles.
    """

    def __init__(self, intervals_s: Mapping[TableKey, float]) -> None:
        self._tables = {key: _Table(interval_s) for key, interval_s in intervals_s.items()}

    def take_over(self, before: Agenda) -> None:
        """What was not known to be delivered when the session before ended waits still."""
        for key in self._tables.keys() & before._tables.keys():
            known = before._tables[key]
            self._tables[key].changed_us = _older(known.changed_us, known.running_us)

    def look(self, source: str, found: object, changed_us: int | None) -> None:
        """
        A look was taken at the file of a source.

        Args:
            source: its name.
            found: how the file is.
            changed_us: when the first change since the last look was written.
        """
        for (name, _), table in self._tables.items():
            if name == source and table.look != found:
                table.is_changed = True
                table.changed_us = _older(table.changed_us, changed_us)

    def ready(self, now_us: int, now_s: float) -> list[TableKey]:
        """Tables with work that may begin now; those whose change waits longest come first."""
        found = [key for key, table in self._tables.items() if _is_ready(table, now_us) and now_s >= table.earliest_s]
        return sorted(found, key=lambda key: self._tables[key].changed_us or now_us)

    def start(self, key: TableKey, now_s: float, waiting_us: int | None = None) -> Start:
        """
        A cycle of the table begins.

        Args:
            key: of the table.
            now_s: the monotonic clock.
            waiting_us: since when an event waits for its look: what it tells of may be delivered, too.
        """
        table = self._tables[key]
        start = Start(key=key, changed_us=_older(table.changed_us, waiting_us), is_alone=table.is_alone)
        table.is_running, table.running_us = True, table.changed_us
        table.is_changed, table.changed_us, table.is_alone = False, None, False
        table.begun_s, table.earliest_s = now_s, now_s + table.interval_s
        return start

    def changed_us(self, key: TableKey, waiting_us: int | None) -> int | None:
        """When the first change was written that came up since a cycle of the table began; `waiting_us` as above."""
        return _older(self._tables[key].changed_us, waiting_us)

    def skip(self, key: TableKey) -> None:
        """The change was delivered by a cycle that began after it."""
        self._tables[key].is_changed, self._tables[key].changed_us = False, None

    def succeed(
        self, key: TableKey, outlook: Outlook | None, look: object, *, is_done: bool, has_read: bool = True
    ) -> int:
        """
        A cycle has ended well. Returns how many had failed before it.

        Args:
            key: of the table.
            outlook: when the next one finds work.
            look: how the file was when the cycle looked.
            is_done: what it was for; if not, what has failed before may fail again.
            has_read: it has read anything; if not, the change that it was to deliver waits still.
        """
        table = self._tables[key]
        if not has_read:
            table.changed_us = _older(table.changed_us, table.running_us)
        table.is_running, table.running_us = False, None
        table.outlook, table.look, table.has_ended = outlook, look, True
        failures = table.failures
        if is_done:
            table.failures = 0
        return failures

    def fail(self, key: TableKey, *, counts: bool = True) -> int:
        """
        A cycle has failed, or could not begin: it is to run again. Returns how many have failed in a row.

        Args:
            key: of the table.
            counts: it was the table's own failure.
        """
        table = self._tables[key]
        table.is_running = False
        table.outlook = table.look = None
        # What it has not delivered must not wait for the next turn of a long interval.
        table.earliest_s = 0.0
        table.changed_us = _older(table.changed_us, table.running_us)
        table.running_us = None
        table.failures += counts
        return table.failures

    def set_interval(self, key: TableKey, interval_s: float) -> None:
        """From now on so many seconds at least lie between the beginnings of two cycles, the last one counted."""
        table = self._tables[key]
        table.interval_s = interval_s
        table.earliest_s = table.begun_s + interval_s

    def pause(self, key: TableKey, until_s: float) -> None:
        """No cycle of the table begins before."""
        self._tables[key].earliest_s = max(self._tables[key].earliest_s, until_s)

    def wait(self, key: TableKey, now_us: int, until_us: int) -> None:
        """Nothing of the table may be delivered before that instant of the wall clock; whatever comes, comes then."""
        self._tables[key].outlook = Outlook(as_of_us=now_us, due_us=until_us, change_us=until_us)

    def release(self, key: TableKey) -> None:
        """No other has lost as much: the table is to run again, and its deletes pass."""
        table = self._tables[key]
        table.is_alone, table.outlook, table.earliest_s = True, None, 0.0

    def ask(self, key: TableKey) -> None:
        """Somebody wants a cycle of the table, whatever is known of it; a pause that it is in goes on."""
        self._tables[key].outlook = None

    def look_of(self, key: TableKey) -> object:
        """How the file was when the table's last cycle looked; None where that tells nothing."""
        table = self._tables[key]
        return None if table.outlook is None else table.look

    def is_due(self, key: TableKey, now_us: int) -> bool:
        """Whether there is work though the file may be as it was."""
        table = self._tables[key]
        return table.outlook is None or table.outlook.is_due(now_us, is_changed=False)

    def reconsider(self, key: TableKey) -> bool:
        """What was known of the table's next work counts no more; False while a cycle runs, which knows better."""
        table = self._tables[key]
        if not table.is_running:
            table.outlook = None
        return not table.is_running

    def standings(self) -> dict[TableKey, Standing]:
        """How every table stands."""
        return {key: Standing(
            is_running=table.is_running, changed_us=_older(table.changed_us, table.running_us),
            failures=table.failures, has_ended=table.has_ended, earliest_s=table.earliest_s,
            interval_s=table.interval_s,
        ) for key, table in self._tables.items()}

    def running(self) -> list[TableKey]:
        """Tables whose cycle is running."""
        return [key for key, table in self._tables.items() if table.is_running]

    def busy(self, now_us: int) -> set[TableKey]:
        """Tables that are running or have work."""
        return {key for key, table in self._tables.items() if table.is_running or _is_ready(table, now_us)}

    def failing(self) -> list[TableKey]:
        """Tables whose last cycle failed."""
        return [key for key, table in self._tables.items() if table.failures]

    def oldest_change_us(self) -> int | None:
        """When the oldest change was written that is not known to be delivered; None where there is none."""
        waiting = [_older(table.changed_us, table.running_us) for table in self._tables.values()]
        return min((changed_us for changed_us in waiting if changed_us is not None), default=None)

    def wake_s(self, now_us: int, now_s: float) -> float | None:
        """The monotonic instant at which the next cycle may begin, if nothing else happens; None: never."""
        instants = []
        for table in self._tables.values():
            if table.is_running:
                continue
            if _is_ready(table, now_us):  # as after a clock that went back
                next_us: int | None = 0
            else:
                next_us = None if table.outlook is None else table.outlook.next_us(is_changed=table.is_changed)
            if next_us is not None:
                instants.append(max(table.earliest_s, now_s + max(0, next_us - now_us) / 1_000_000))
        return min(instants, default=None)


def _is_ready(table: _Table, now_us: int) -> bool:
    if table.is_running:
        return False
    return table.outlook is None or table.outlook.is_due(now_us, is_changed=table.is_changed)


def _older(one_us: int | None, other_us: int | None) -> int | None:
    return min((instant_us for instant_us in (one_us, other_us) if instant_us is not None), default=None)

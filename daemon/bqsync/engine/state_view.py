"""What the state says of the tables of a daemon, for those who ask often: the rows are counted seldom."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing, suppress

from bqsync.config import Config
from bqsync.engine.paced import DUTY
from bqsync.engine.status import health_of
from bqsync.errors import BqsyncError
from bqsync.state.health import NOTHING_COUNTED, RowCounts, TableHealth, count_rows
from bqsync.state.store import Store


class StateView:
    """
    Looks at the state whenever it is asked to. For one thread at a time.

    Args:
        config: whose tables.
        counts: also count their rows.
        before: what was known of them before a reload.

    Attributes:
        source: whose tables they are.
        known: what was last read, by name; None where nothing ever was.
        read_us: when that was, in Unix microseconds.
    """

    def __init__(self, config: Config, *, counts: bool, before: StateView | None = None) -> None:
        self._config = config
        self._counts = counts
        self._counted: RowCounts | None = None if counts else NOTHING_COUNTED
        self._count_s = 0.0
        """The monotonic instant from which on the rows may be counted again."""
        self.source = config.source.name
        self.known: Mapping[str, TableHealth] | None = None
        self.read_us: int | None = None
        if before is not None and before.source == self.source:
            self.known, self.read_us = before.known, before.read_us

    def look(self, now_us: int) -> None:
        """Read it. Where that can't be done at the moment, everything stays as it was last read."""
        with suppress(BqsyncError), closing(Store(self._config.state.file, read_only=True)) as store:
            begun_s = time.monotonic()
            if self._counts and (self._counted is None or begun_s >= self._count_s):
                self._counted = count_rows(store)
                ended_s = time.monotonic()
                # Of a large ledger, it takes seconds.
                self._count_s = ended_s + (ended_s - begun_s) / DUTY
            self.known, self.read_us = health_of(self._config, store, self._counted), now_us

"""A session beside the bqsync that holds the lock on the state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Event as StopEvent
from zoneinfo import ZoneInfo

from bqsync.capture.schema import table_names
from bqsync.capture.source import Source
from bqsync.config import Config
from bqsync.engine.arrival import see_dataset
from bqsync.engine.effects import Delivering
from bqsync.engine.opening import connected, open_session, wanted_messages
from bqsync.engine.session import Session
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.state.store import Store


@contextmanager
def open_alone_or_beside(config: Config, stop: StopEvent) -> Iterator[tuple[Session, bool]]:
    """
    Open a session that delivers nothing; whoever holds the lock goes on.

    Args:
        config: checked configuration.
        stop: ends waits early once it is set.

    Yields:
        The session, and whether somebody else holds the lock.

    Raises:
        BqsyncError: whatever keeps it from being opened.
    """
    with ExitStack() as stack:
        try:
            session = stack.enter_context(open_session(config, stop=stop))
        except BqsyncError as failure:
            if failure.kind is not ErrorKind.STATE_LOCKED:
                raise
            yield stack.enter_context(_open_beside(config, stop)), True
        else:
            yield session, False


@contextmanager
def _open_beside(config: Config, stop: StopEvent) -> Iterator[Session]:
    """All writes to the state are short transactions: two processes may. A damaged one is left to who has the lock."""
    with ExitStack() as stack:
        messages = wanted_messages(config)
        source = Source(config.source.db, busy_timeout_s=config.source.busy_timeout_s)
        source.read(table_names)
        store = Store(config.state.file, rebuild=False)
        stack.callback(store.close)
        destination = stack.enter_context(connected(config, stop))
        see_dataset(config, destination)
        yield Session(config=config, source=source, store=store, source_id=store.source_id(config.source.name),
                      destination=destination, effects=Delivering(destination), messages=messages,
                      zone=ZoneInfo(config.source.time_zone), stop=stop)

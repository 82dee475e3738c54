"""Whether the database file is still the one that it was."""

from __future__ import annotations

import threading

from bqsync.engine.session import Session
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger
from bqsync.state.sources import note_identity

_log = get_logger()

_LOOK = ("", "identity")
"""Under this name the session keeps how the file was."""


def watch_identity(session: Session) -> int:
    """
    Another file under the same name, or an older state of the same one: every table is to be swept.

    One thread at a time looks and notes: a look that was noted after a newer one would pass for a file that went back.

    Returns:
        The schema cookie of the source.
    """
    with session.identity_lock:
        now = session.source.identity()
        why = note_identity(session.store, session.source_id, now)
    if why is not None:
        # Another file may count its changes of the schema to the same number.
        session.planned.clear()
        _log.warning(Event.SOURCE_REPLACED, file=str(session.source.path), why=why)
    return now.schema_cookie


class IdentityWatch:
    """
    The same for many threads: the file is read for it once, and again when it has changed.

    Args:
        session: open source and state.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._schema_cookie = 0

    def look(self) -> int:
        """
        See whether it is the same file still; returns when the state knows.

        Returns:
            The schema cookie of the source.

        Raises:
            BqsyncError: one of the SOURCE_… or STATE_… kinds.
        """
        with self._lock:
            found = self._session.source.file_state()
            if self._session.looks.get(_LOOK) != found:
                self._schema_cookie = watch_identity(self._session)
                self._session.note_look(*_LOOK, found)
            return self._schema_cookie

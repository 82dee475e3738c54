"""Whether the database file is still the one that it was."""

from __future__ import annotations

from bqsync.engine.session import Session
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger
from bqsync.state.sources import note_identity

_log = get_logger()


def watch_identity(session: Session) -> None:
    """Another file under the same name, or an older state of the same one: every table is to be swept."""
    why = note_identity(session.store, session.source_id, session.source.identity())
    if why is not None:
        _log.warning(Event.SOURCE_REPLACED, file=str(session.source.path), why=why)

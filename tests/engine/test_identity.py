"""Which file it is, noted by many cycles at once: never an older look over a newer one."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from structlog.testing import capture_logs

from bqsync.capture.source import Source
from bqsync.engine.identity import watch_identity
from bqsync.engine.session import Session
from bqsync.model import SourceIdentity
from bqsync.state.store import Store

_PATIENCE_S = 10.0


class _SlowSource:
    """A source whose first look is told late: the thread that took it is held up."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.path = source.path
        self.looked, self.goes_on = threading.Event(), threading.Event()

    def identity(self) -> SourceIdentity:
        found = self._source.identity()
        if not self.looked.is_set():
            self.looked.set()
            self.goes_on.wait(_PATIENCE_S)
        return found


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """What a look at the identity needs of a session."""
    with closing(sqlite3.connect(tmp_path / "app.db")) as db:
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    with closing(Store(tmp_path / "state.db")) as store:
        yield cast("Session", SimpleNamespace(
            source=_SlowSource(Source(tmp_path / "app.db")), store=store, source_id=store.source_id("app"),
            identity_lock=threading.Lock(), planned={},
        ))


def test_a_look_that_is_told_late_makes_no_older_file_of_it(session: Session) -> None:
    source = cast("_SlowSource", session.source)
    with capture_logs() as lines:
        first = threading.Thread(target=watch_identity, args=(session,))
        first.start()
        assert source.looked.wait(_PATIENCE_S)
        with closing(sqlite3.connect(source.path, isolation_level=None)) as db:
            db.execute("INSERT INTO t VALUES (1)")
        second = threading.Thread(target=watch_identity, args=(session,))
        second.start()
        second.join(0.3)
        source.goes_on.set()
        first.join()
        second.join()
    assert [line for line in lines if line["event"] == "source.replaced"] == []

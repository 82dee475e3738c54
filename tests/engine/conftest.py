"""A session and a loop of which nothing is begun."""

from __future__ import annotations

import queue
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Event as StopEvent

import pytest

from bqsync.config import load
from bqsync.engine.loop import Loop
from bqsync.engine.opening import locked_state, open_rooms
from bqsync.engine.session import Session


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """Two tables, and a BigQuery where nobody listens."""
    with closing(sqlite3.connect(tmp_path / "app.db")) as db:
        db.executescript("CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (id INTEGER PRIMARY KEY);")
    file = tmp_path / "config.toml"
    file.write_text('[source]\ndb = "app.db"\n[bigquery]\nproject = "demo"\ndataset = "d"\n'
                    'rest_endpoint = "127.0.0.1:9"\ngrpc_endpoint = "127.0.0.1:9"\n[sync]\nverify_interval = 0\n'
                    '[[tables]]\nname = "a"\n[[tables]]\nname = "b"\n', encoding="utf-8")
    config = load(file, environ={})
    with locked_state(config) as held, open_rooms(config, {}, held=held, stop=StopEvent()) as opened:
        yield opened


@pytest.fixture
def loop(session: Session) -> Iterator[Loop]:
    one = Loop(session, queue.SimpleQueue())
    yield one
    one.begin_end()

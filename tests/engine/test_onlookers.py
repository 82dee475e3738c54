"""Who looks on from outside must not end the daemon: what can't be served is told, and tried again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import cast

import pytest

from bqsync.config import load
from bqsync.engine.live import LiveView
from bqsync.engine.loop import Loop
from bqsync.engine.onlookers import Onlookers
from bqsync.observe.http_server import text_answer

NOBODY = cast("Loop", None)
"""A loop that nobody asks about."""


def test_code_that_is_gone_since_the_start_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    """As while an upgrade replaces the files of a daemon that reloads."""
    (tmp_path / "config.toml").write_text(
        '[source]\ndb = "app.db"\n[bigquery]\nproject = "p"\ndataset = "d"\n[state]\nfile = "state.db"\n'
        '[[tables]]\nname = "things"\n[http]\nlisten = "127.0.0.1:0"\n', encoding="utf-8")
    config = load(tmp_path / "config.toml", environ={})
    onlookers = Onlookers(LiveView(config.state.file, lambda: 0), lambda: 0, lambda: text_answer(200, "ok"))
    monkeypatch.setitem(sys.modules, "bqsync.observe.http_server", None)
    try:
        onlookers.follow(config, NOBODY)
    finally:
        onlookers.close()
    told = capsys.readouterr().out
    assert "http.unavailable" in told
    assert "restart the daemon" in told

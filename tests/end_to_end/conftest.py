from __future__ import annotations

from pathlib import Path

import pytest

from bqsync.demo.workspace import prepare


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The shipped configuration (`embedded = true`), the protos, and a filled database: what a user starts with."""
    folder = tmp_path / "home"
    prepare(folder, jobs=25, overrides={})
    return folder

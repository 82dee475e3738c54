from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.security.impostor import Impostor


@pytest.fixture
def impostor(tmp_path: Path) -> Iterator[Impostor]:
    folder = tmp_path / "impostor"
    folder.mkdir()
    one = Impostor(folder)
    yield one
    one.close()

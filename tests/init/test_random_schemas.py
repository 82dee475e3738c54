"""
Whatever database somebody arrives with: init, check, sync and verify find no difference, and rows that will be in
quarantine were foreseen. `SCHEMAS=500 python -m pytest tests/init/test_random_schemas.py` tries more of them.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.init.round_trip import copied, foreseen
from tests.init.schemas import RandomTable, databases, write

if TYPE_CHECKING:
    from pathlib import Path

    from bqsync.embedded import Endpoints

SCHEMAS = int(os.environ.get("SCHEMAS", "10"))
PHASES = [Phase.generate, Phase.shrink] if os.environ.get("SHRINK") else [Phase.generate]


@settings(max_examples=SCHEMAS, deadline=None, derandomize="SCHEMAS" not in os.environ, database=None, phases=PHASES,
          suppress_health_check=list(HealthCheck))
@given(made=databases(), encoding=st.sampled_from(["UTF-8", "UTF-8", "UTF-16le"]))
def test_any_database_becomes_a_verified_copy(
    tmp_path: Path, emulator: Endpoints, made: list[RandomTable], encoding: str
) -> None:
    write(tmp_path / "app.db", made, encoding=encoding)
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    proposal, quarantine = copied(tmp_path / "app.db", tmp_path / "out", emulator)
    assert {name for name, rows in quarantine.items() if rows} == foreseen(proposal)

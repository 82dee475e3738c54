"""Databases of other people: each becomes a verified copy, with no row left behind. See `tests/samples/README.md`."""

from __future__ import annotations

import lzma
from pathlib import Path
from typing import TYPE_CHECKING

from tests.init.databases import make
from tests.init.round_trip import copied

if TYPE_CHECKING:
    from bqsync.embedded import Endpoints
    from bqsync.engine.proposal.facts import Proposal

SAMPLES = Path(__file__).parents[1] / "samples"


def copy(folder: Path, name: str, endpoints: Endpoints) -> Proposal:
    script = lzma.decompress((SAMPLES / f"{name}.sql.xz").read_bytes()).decode("utf-8")
    proposal, quarantine = copied(make(folder / f"{name}.db", script), folder / "out", endpoints)
    assert {table: rows for table, rows in quarantine.items() if rows} == {}
    return proposal


def types_of(proposal: Proposal, table: str) -> dict[str, str]:
    [found] = [item for item in proposal.accepted if item.name == table]
    return {column.name: str(column.choice) for column in found.columns}


def test_chinook(tmp_path: Path, emulator: Endpoints) -> None:
    proposal = copy(tmp_path, "chinook", emulator)
    assert len(proposal.accepted) == len(proposal.tables) == 11
    invoice = types_of(proposal, "Invoice")
    assert (invoice["InvoiceDate"], invoice["Total"]) == ("DATETIME", "NUMERIC")
    assert types_of(proposal, "InvoiceLine")["UnitPrice"] == "NUMERIC"
    [playlist_track] = [table for table in proposal.accepted if table.name == "PlaylistTrack"]
    assert playlist_track.key == ("PlaylistId", "TrackId")


def test_an_application_of_django(tmp_path: Path, emulator: Endpoints) -> None:
    proposal = copy(tmp_path, "django", emulator)
    assert len(proposal.accepted) == len(proposal.tables)
    user = types_of(proposal, "auth_user")
    assert (user["is_staff"], user["date_joined"], user["last_login"]) == ("BOOL", "DATETIME", "DATETIME")
    assert types_of(proposal, "django_session")["expire_date"] == "DATETIME"


def test_the_database_of_proj(tmp_path: Path, emulator: Endpoints) -> None:
    proposal = copy(tmp_path, "proj", emulator)
    assert len(proposal.accepted) > 30
    refusals = {table.name: table.refused for table in proposal.tables if table.refused and not table.wants_key}
    # Its key is declared over columns that are empty.
    assert list(refusals) == ["usage"]
    assert "60 of 60 rows have a NULL in the key" in refusals["usage"]

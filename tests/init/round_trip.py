"""From a database that nobody prepared to a copy that is verified, with nothing changed by hand in between."""

from __future__ import annotations

import secrets
from threading import Event
from typing import TYPE_CHECKING

from tests.workbench import PROJECT

from bqsync.config import load
from bqsync.engine.arrival import sweep_orphans
from bqsync.engine.check import run_checks
from bqsync.engine.cycle_options import CycleOptions
from bqsync.engine.opening import open_session
from bqsync.engine.proposal.files import write_proposal
from bqsync.engine.proposal.propose import propose
from bqsync.engine.sync import sync_tables
from bqsync.engine.verify import verify_table

if TYPE_CHECKING:
    from pathlib import Path

    from bqsync.embedded import Endpoints
    from bqsync.engine.proposal.facts import Proposal


def variables(endpoints: Endpoints) -> dict[str, str]:
    """What leads the commands to the BigQuery of the tests."""
    return {"BIGQUERY_EMULATOR_HOST": endpoints.rest, "BIGQUERY_STORAGE_EMULATOR_HOST": endpoints.grpc}


def copied(db: Path, out: Path, endpoints: Endpoints) -> tuple[Proposal, dict[str, int]]:
    """
    Init, check, sync and verify.

    Returns:
        The proposal, and the rows in quarantine by table.
    """
    proposal = propose(db, project=PROJECT, dataset=f"test_{secrets.token_hex(6)}", progress=lambda *_: None)
    path, _, _ = write_proposal(proposal, out)
    config = load(path, environ=variables(endpoints))
    assert [finding for finding in run_checks(config, offline=False) if finding.level == "error"] == []
    with open_session(config, stop=Event()) as session:
        sweep_orphans(session)
        outcomes = {outcome.table: outcome for outcome in sync_tables(session, (), CycleOptions())}
        assert {name: outcome.error for name, outcome in outcomes.items() if outcome.error} == {}
        for section in config.tables:
            compared = verify_table(session, section)
            assert compared.rows_different == 0, section.name
    return proposal, {name: outcome.quarantine_total for name, outcome in outcomes.items()}


def foreseen(proposal: Proposal) -> set[str]:
    """The tables of which the proposal says that rows will be in quarantine."""
    return {table.name for table in proposal.accepted
            if any(column.misfits for column in table.columns)
            or any(remark.startswith("quarantine") for remark in table.remarks)}

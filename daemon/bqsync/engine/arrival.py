"""The first calls to BigQuery, before any table is touched."""

from __future__ import annotations

from collections.abc import Sequence

from bqsync.config import Config, TableSection
from bqsync.deliver import staging
from bqsync.deliver.clients import Destination
from bqsync.deliver.history import PastMerge, merges_since, target_mark
from bqsync.deliver.target import check_dataset
from bqsync.engine.session import Session
from bqsync.errors import BqsyncError
from bqsync.model import TargetRef
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger
from bqsync.state.job_history import distrust_tables, newest_known_job_us
from bqsync.state.tables import TableState

_log = get_logger()


def see_dataset(config: Config, destination: Destination) -> None:
    """
    The first call to BigQuery: it answers, and the dataset is there.

    Raises:
        BqsyncError: BIGQUERY_UNREACHABLE and its like; BIGQUERY_DATASET_MISSING.
    """
    # A local BigQuery starts empty; in a real project a missing dataset is more likely a wrong name.
    is_local = config.bigquery.embedded or config.bigquery.rest_endpoint is not None
    check_dataset(destination, create=is_local)


def distrust_what_is_older(session: Session, merges: Sequence[PastMerge] | None = None) -> None:
    """
    See whether BigQuery has run MERGEs that the state knows nothing of: then the state file is an older copy.

    A state file is old as a whole: one unknown MERGE of its own makes all its tables reconcile. A MERGE of another
    state concerns its target alone.

    Args:
        session: open state and destination.
        merges: that BigQuery was known to have run when the state was read; None asks now, which is no question beside
            a daemon whose state moves on.
    """
    known_us = newest_known_job_us(session.store, session.source_id)
    if known_us is None:
        return
    states = {table.name: TableState(session.store, session.source_id, table.name) for table in session.config.tables}
    intended = {intent.job_id for intent in (state.intent() for state in states.values()) if intent is not None}
    merges = merges_since(session.destination, known_us) if merges is None else merges
    unknown = [merge for merge in merges if merge.created_us > known_us and merge.job_id not in intended]
    if any(merge.instance == session.store.instance for merge in unknown):
        outdated = set(states)
    else:
        marks = {merge.target_mark for merge in unknown}
        outdated = {table.name for table in session.config.tables if target_mark(_target(session, table)) in marks}
    if not outdated:
        return
    distrust_tables(session.store, session.source_id, outdated, max(merge.created_us for merge in unknown))
    for name in sorted(outdated):
        _log.warning(Event.STATE_OUTDATED, table=name, why="BigQuery has run a MERGE that this state knows nothing of; "
                     "the table is reconciled")


def _target(session: Session, table: TableSection) -> TargetRef:
    return TargetRef(project=session.destination.project, dataset=session.destination.dataset, table=table.target)


def sweep_orphans(session: Session) -> None:
    """Drop the staging tables that a crash left behind; where they can't be listed, they expire by themselves."""
    intents = [TableState(session.store, session.source_id, table.name).intent() for table in session.config.tables]
    keep = {intent.staging_table for intent in intents if intent is not None}
    try:
        dropped = staging.sweep_orphans(session.destination, session.store.instance, keep)
    except BqsyncError as failure:
        _log.warning(Event.STAGING_LEFT, **failure.as_dict())
        return
    if dropped:
        dataset = TargetRef(project=session.destination.project, dataset=session.destination.staging_dataset, table="")
        _log.info(Event.STAGING_SWEPT, dataset=f"{dataset.project}.{dataset.dataset}", tables=len(dropped))

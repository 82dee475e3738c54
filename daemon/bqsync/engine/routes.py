"""What the HTTP server of the daemon answers, by route. Called from its threads."""

from __future__ import annotations

import time
from http import HTTPStatus

from bqsync.engine.loop import Loop
from bqsync.errors import one_line
from bqsync.observe.http_server import BUSY, Answer, text_answer
from bqsync.observe.page.style import POLICY
from bqsync.observe.readiness import what_is_late
from bqsync.observe.snapshot import Snapshot

_TURN_S = 180.0
"""The loop turns at least once a minute; one that has not for so long hangs."""


def health(loop: Loop, turned_s: float) -> Answer:
    """Whether the daemon makes progress: its loop, which last turned at that monotonic instant, and every cycle."""
    if time.monotonic() >= turned_s + _TURN_S:
        return text_answer(HTTPStatus.SERVICE_UNAVAILABLE, "The daemon's loop does not turn.")
    hanging = sorted(table for _, table in loop.silent_s())
    if hanging:
        return text_answer(HTTPStatus.SERVICE_UNAVAILABLE, f"No progress: {', '.join(map(one_line, hanging))}.")
    return text_answer(HTTPStatus.OK, "ok")


def readiness(snapshot: Snapshot | None, *, has_arrived: bool, within_s: float) -> Answer:
    """Whether what was written longer ago than that can be queried; `has_arrived`: BigQuery has answered."""
    if snapshot is None:
        return BUSY
    reasons = list(what_is_late(snapshot.report, within_s=within_s, now_us=snapshot.taken_us))
    if not has_arrived:
        reasons.insert(0, "BigQuery has not answered since the start, or since the last reload")
    if reasons:
        return text_answer(HTTPStatus.SERVICE_UNAVAILABLE, *reasons)
    return text_answer(HTTPStatus.OK, "ok")


def status_page(document: bytes | None) -> Answer:
    """For people."""
    return BUSY if document is None else Answer(HTTPStatus.OK, "text/html; charset=utf-8", document, POLICY)


def status_document(document: bytes | None) -> Answer:
    """For programs."""
    return BUSY if document is None else Answer(HTTPStatus.OK, "application/json", document)

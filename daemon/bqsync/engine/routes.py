"""What the HTTP server of the daemon answers, by route. Called from its threads."""

from __future__ import annotations

import time
from http import HTTPStatus

from bqsync.engine.loop import Loop
from bqsync.observe.http_server import Answer, text_answer

_TURN_S = 180.0
"""The loop turns at least once a minute; one that has not for so long hangs."""


def health(loop: Loop | None, turned_s: float) -> Answer:
    """Whether the daemon makes progress: its loop, which last turned at that monotonic instant, and every cycle."""
    if time.monotonic() >= turned_s + _TURN_S:
        return text_answer(HTTPStatus.SERVICE_UNAVAILABLE, "The daemon's loop does not turn.")
    hanging = [] if loop is None else sorted(table for _, table in loop.silent_s())
    if hanging:
        return text_answer(HTTPStatus.SERVICE_UNAVAILABLE, f"No progress: {', '.join(hanging)}.")
    return text_answer(HTTPStatus.OK, "ok")

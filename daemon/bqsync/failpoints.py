"""
Named places between the steps of a cycle where a test can have the process die.

`BQSYNC_FAILPOINT=name` kills the process by SIGKILL when it comes to that place, `name:3` when it comes there for the
third time. Nothing else is ever done here, and without the variable a place costs the call of an empty function.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

NAMES = (
    "watermark.noted",
    "pass.page_read", "sweep.page_read",
    "chunk.staging_created", "chunk.appended", "chunk.finished",
    "merge.intended", "merge.submitted", "merge.ended",
    "commit.begun", "commit.half", "commit.written", "commit.done",
    "chunk.cleaned",
    "sweep.walked", "deletes.looked_up", "sweep.noted",
    "reconcile.portion", "reconcile.done",
    "intent.settled", "doubt.noted",
)
"""Every place, in about the order in which a cycle comes to them."""

on_reached: Callable[[str], None] | None = None
"""What a test in the same process wants to happen at a place."""

_name, _, _count = os.environ.get("BQSYNC_FAILPOINT", "").partition(":")
_left = int(_count or 1)


def reached(name: str) -> None:
    """Die here, if that was asked for."""
    global _left  # noqa: PLW0603 - it counts down, once in the life of a process
    if on_reached is not None:
        on_reached(name)
    if name == _name:
        _left -= 1
        if not _left:
            os.kill(os.getpid(), signal.SIGKILL)

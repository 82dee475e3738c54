"""A glance at a daemon from outside: by its socket while it runs, and else by what the state and its live file say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bqsync.config import Config
from bqsync.engine.status import read_status
from bqsync.observe.control import ask, control_socket
from bqsync.observe.lag_trace import STEP_S
from bqsync.observe.snapshot import VERSION, History, Snapshot
from bqsync.state.clock import now_us


@dataclass(frozen=True, slots=True)
class Glance:
    """What was seen."""

    snapshot: Snapshot
    is_told: bool
    """The daemon itself has told it, with its last hour; else the state file has, which knows of no history."""


def glance(config: Config, clock: Callable[[], int] = now_us) -> Glance:
    """
    Look now. Nothing is written, and neither the database nor BigQuery is touched.

    Args:
        config: checked configuration.
        clock: the wall clock, in Unix microseconds.

    Raises:
        BqsyncError: no daemon answers, and the state can't be read: STATE_NEWER, STATE_DAMAGED, STATE_UNWRITABLE.
    """
    told = ask(control_socket(config.state.file))
    if told is not None:
        return Glance(told, is_told=True)
    history = History(step_s=STEP_S, tables={}, failures=())
    report, taken_us = read_status(config, clock), clock()
    return Glance(Snapshot(version=VERSION, taken_us=taken_us, read_us=taken_us, report=report, history=history),
                  is_told=False)

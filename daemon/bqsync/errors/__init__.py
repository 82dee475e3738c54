"""
Every failure that bqsync can report: one kind each, one rule for each kind.

An error says what happened, why, and how to fix it. Its code is stable: scripts and alerts may rely on it.
Failures of the outside world are translated into a kind where they occur (capture for SQLite, deliver for
BigQuery, state for the state file); everything above looks only at the kind.

    kinds.py      what can go wrong, and the ways to react
    rules.py      the one table: kind to code, exit code, retry, scope, pause, and the operator's sentence
    failures.py   the exceptions:
                  BqsyncError            one failure, of one kind
                    ConfigurationError   carries every problem of a configuration at once
    texts.py     what others have written, made fit for a line of ours
"""

from __future__ import annotations

from bqsync.errors.failures import (
    BqsyncError,
    ConfigurationError,
    Problem,
    internal_error,
    noted_error,
    render_error,
)
from bqsync.errors.kinds import ErrorKind, ExitCode, Pause, Retry, Scope
from bqsync.errors.rules import RULES, ErrorRule
from bqsync.errors.texts import one_line, utf8

__all__ = [
    "RULES",
    "BqsyncError",
    "ConfigurationError",
    "ErrorKind",
    "ErrorRule",
    "ExitCode",
    "Pause",
    "Problem",
    "Retry",
    "Scope",
    "internal_error",
    "noted_error",
    "one_line",
    "render_error",
    "utf8",
]

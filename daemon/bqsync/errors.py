"""
Every failure that bqsync can report: one kind each, one rule for each kind.

An error says what happened, why, and how to fix it. Its code is stable: scripts and alerts may rely on it.
Failures of the outside world are translated into a kind where they occur (capture for SQLite, deliver for
BigQuery, state for the state file); everything above looks only at the kind.

The tree:

    BqsyncError            one failure, of one kind
      ConfigurationError   carries every problem of a configuration at once
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class ExitCode(IntEnum):
    """Exit codes of every command (after BSD's sysexits)."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNAVAILABLE = 69
    IO = 74
    LOCKED = 75
    PERMISSION = 77
    CONFIGURATION = 78


class Scope(StrEnum):
    """How much stops when an error of a kind occurs."""

    TABLE = "table"
    """The table; the others go on."""
    SOURCE = "source"
    """Every table of the database would meet it, and it may be over at any moment: what is read is on this machine."""
    PROCESS = "process"
    """Every table would meet it: those that have not begun are not tried."""


class Retry(StrEnum):
    """How a failed call is tried again. The waits stand in `bqsync.deliver.retry`."""

    NEVER = "never"
    SOON = "soon"
    """A passing fault: exponential back-off from a fraction of a second."""
    CONNECT = "connect"
    """Nothing answers at the other end: few tries, so that a one-shot command says so at once."""
    SLOWLY = "slowly"
    """A quota or a rate limit: back-off from seconds."""


class ErrorKind(StrEnum):
    """What went wrong, as far as the reaction to it differs."""

    CONFIG_INVALID = "config_invalid"
    CONFIG_MISSING = "config_missing"
    PROTO_INVALID = "proto_invalid"
    SOURCE_TABLE_INVALID = "source_table_invalid"
    TIMESTAMP_UNIT_UNCLEAR = "timestamp_unit_unclear"

    SOURCE_MISSING = "source_missing"
    SOURCE_UNREADABLE = "source_unreadable"
    SOURCE_NOT_A_DATABASE = "source_not_a_database"
    SOURCE_EMPTY = "source_empty"
    SOURCE_BUSY = "source_busy"
    SOURCE_CORRUPT = "source_corrupt"
    SOURCE_CHANGED = "source_changed"

    BIGQUERY_UNREACHABLE = "bigquery_unreachable"
    BIGQUERY_TRANSIENT = "bigquery_transient"
    BIGQUERY_RATE_LIMITED = "bigquery_rate_limited"
    BIGQUERY_QUOTA_EXCEEDED = "bigquery_quota_exceeded"
    BIGQUERY_CONFLICT = "bigquery_conflict"
    BIGQUERY_PERMISSION = "bigquery_permission"
    BIGQUERY_CREDENTIALS = "bigquery_credentials"
    BIGQUERY_NOT_FOUND = "bigquery_not_found"
    BIGQUERY_DATASET_MISSING = "bigquery_dataset_missing"
    BIGQUERY_STREAM_LOST = "bigquery_stream_lost"
    BIGQUERY_ROWS_REFUSED = "bigquery_rows_refused"
    BIGQUERY_JOB_FAILED = "bigquery_job_failed"
    BIGQUERY_JOB_UNSETTLED = "bigquery_job_unsettled"
    TARGET_INCOMPATIBLE = "target_incompatible"
    TARGET_FOREIGN = "target_foreign"
    EMBEDDED_FAILED = "embedded_failed"

    STATE_LOCKED = "state_locked"
    STATE_NEWER = "state_newer"
    STATE_UNWRITABLE = "state_unwritable"
    STATE_DAMAGED = "state_damaged"
    STATE_MISSING = "state_missing"

    SERVICE_NOT_PERMITTED = "service_not_permitted"
    SERVICE_EDITED = "service_edited"
    SERVICE_FAILED = "service_failed"

    DELETES_HELD_BACK = "deletes_held_back"
    QUARANTINE_FLOOD = "quarantine_flood"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """What a kind means for scripts (code, exit code) and for the engine (retry, scope)."""

    code: str
    exit_code: ExitCode
    retry: Retry = Retry.NEVER
    scope: Scope = Scope.PROCESS


RULES: dict[ErrorKind, ErrorRule] = {
    ErrorKind.CONFIG_INVALID: ErrorRule("E101", ExitCode.CONFIGURATION),
    ErrorKind.CONFIG_MISSING: ErrorRule("E102", ExitCode.CONFIGURATION),
    ErrorKind.PROTO_INVALID: ErrorRule("E103", ExitCode.CONFIGURATION),
    ErrorKind.SOURCE_TABLE_INVALID: ErrorRule("E104", ExitCode.CONFIGURATION, scope=Scope.TABLE),
    ErrorKind.TIMESTAMP_UNIT_UNCLEAR: ErrorRule("E105", ExitCode.CONFIGURATION, scope=Scope.TABLE),
    ErrorKind.SOURCE_MISSING: ErrorRule("E201", ExitCode.IO, scope=Scope.SOURCE),
    ErrorKind.SOURCE_UNREADABLE: ErrorRule("E202", ExitCode.PERMISSION, scope=Scope.SOURCE),
    ErrorKind.SOURCE_NOT_A_DATABASE: ErrorRule("E203", ExitCode.IO, scope=Scope.SOURCE),
    ErrorKind.SOURCE_EMPTY: ErrorRule("E204", ExitCode.IO, scope=Scope.SOURCE),
    ErrorKind.SOURCE_BUSY: ErrorRule("E205", ExitCode.IO, scope=Scope.SOURCE),
    ErrorKind.SOURCE_CORRUPT: ErrorRule("E206", ExitCode.IO, scope=Scope.TABLE),
    ErrorKind.SOURCE_CHANGED: ErrorRule("E207", ExitCode.FAILED, scope=Scope.TABLE),
    ErrorKind.BIGQUERY_UNREACHABLE: ErrorRule("E301", ExitCode.UNAVAILABLE, Retry.CONNECT),
    ErrorKind.BIGQUERY_TRANSIENT: ErrorRule("E302", ExitCode.UNAVAILABLE, Retry.SOON, Scope.TABLE),
    ErrorKind.BIGQUERY_RATE_LIMITED: ErrorRule("E303", ExitCode.UNAVAILABLE, Retry.SLOWLY, Scope.TABLE),
    ErrorKind.BIGQUERY_QUOTA_EXCEEDED: ErrorRule("E304", ExitCode.UNAVAILABLE, scope=Scope.TABLE),
    ErrorKind.BIGQUERY_CONFLICT: ErrorRule("E305", ExitCode.UNAVAILABLE, Retry.SLOWLY, Scope.TABLE),
    ErrorKind.BIGQUERY_PERMISSION: ErrorRule("E306", ExitCode.PERMISSION, scope=Scope.TABLE),
    ErrorKind.BIGQUERY_CREDENTIALS: ErrorRule("E307", ExitCode.PERMISSION),
    ErrorKind.BIGQUERY_NOT_FOUND: ErrorRule("E308", ExitCode.FAILED, scope=Scope.TABLE),
    ErrorKind.BIGQUERY_DATASET_MISSING: ErrorRule("E309", ExitCode.CONFIGURATION),
    ErrorKind.BIGQUERY_STREAM_LOST: ErrorRule("E310", ExitCode.FAILED, scope=Scope.TABLE),
    ErrorKind.BIGQUERY_ROWS_REFUSED: ErrorRule("E311", ExitCode.FAILED, scope=Scope.TABLE),
    ErrorKind.BIGQUERY_JOB_FAILED: ErrorRule("E312", ExitCode.FAILED, scope=Scope.TABLE),
    ErrorKind.BIGQUERY_JOB_UNSETTLED: ErrorRule("E313", ExitCode.UNAVAILABLE, scope=Scope.TABLE),
    ErrorKind.TARGET_INCOMPATIBLE: ErrorRule("E314", ExitCode.FAILED, scope=Scope.TABLE),
    ErrorKind.TARGET_FOREIGN: ErrorRule("E315", ExitCode.FAILED, scope=Scope.TABLE),
    ErrorKind.EMBEDDED_FAILED: ErrorRule("E316", ExitCode.UNAVAILABLE),
    ErrorKind.STATE_LOCKED: ErrorRule("E401", ExitCode.LOCKED),
    ErrorKind.STATE_NEWER: ErrorRule("E402", ExitCode.CONFIGURATION),
    ErrorKind.STATE_UNWRITABLE: ErrorRule("E403", ExitCode.IO),
    ErrorKind.STATE_DAMAGED: ErrorRule("E404", ExitCode.IO),
    ErrorKind.STATE_MISSING: ErrorRule("E405", ExitCode.IO),
    ErrorKind.DELETES_HELD_BACK: ErrorRule("E501", ExitCode.FAILED, scope=Scope.TABLE),
    ErrorKind.QUARANTINE_FLOOD: ErrorRule("E502", ExitCode.FAILED, scope=Scope.TABLE),
    ErrorKind.SERVICE_NOT_PERMITTED: ErrorRule("E601", ExitCode.PERMISSION),
    ErrorKind.SERVICE_EDITED: ErrorRule("E602", ExitCode.FAILED),
    ErrorKind.SERVICE_FAILED: ErrorRule("E603", ExitCode.FAILED),
    ErrorKind.INTERNAL: ErrorRule("E901", ExitCode.FAILED, scope=Scope.TABLE),
}


class BqsyncError(Exception):
    """
    One failure as an operator reads it.

    Args:
        kind: decides code, exit code, retry and scope through `RULES`.
        what: what happened, one sentence, naming the file, table, line or object. Never a cell value.
        why: the reason as far as it is known.
        fix: the next step for the operator.
    """

    def __init__(self, kind: ErrorKind, *, what: str, why: str, fix: str) -> None:
        super().__init__(what)
        self.kind = kind
        self.what = what
        self.why = why
        self.fix = fix

    @property
    def rule(self) -> ErrorRule:
        """The rule of this error's kind."""
        return RULES[self.kind]

    def as_dict(self) -> dict[str, str]:
        """The same for `--json` and for log lines."""
        return {"code": self.rule.code, "kind": self.kind.value, "what": self.what, "why": self.why, "fix": self.fix}

    def render(self) -> str:
        """The same for a terminal, four lines."""
        return f"error[{self.rule.code}]: {self.what}\n  why   {self.why}\n  fix   {self.fix}"


def internal_error(failure: BaseException) -> BqsyncError:
    """A fault of bqsync's own, told without a traceback; the log has it."""
    return BqsyncError(
        ErrorKind.INTERNAL, what=f"bqsync failed unexpectedly: {type(failure).__name__}",
        why="this is a fault of bqsync, not of your data; nothing that was delivered is lost",
        fix="run it again with --log-level debug and report the traceback",
    )


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a file of the operator's."""

    message: str
    """What is wrong, naming the field."""
    fix: str
    line: int | None = None
    """Line in the file, counted from 1, where it is known."""


class ConfigurationError(BqsyncError):
    """A configuration that can't be used: all its problems at once, so that they are mended in one go."""

    def __init__(self, path: str, problems: Sequence[Problem], kind: ErrorKind = ErrorKind.CONFIG_INVALID) -> None:
        first = problems[0]
        where = path if first.line is None else f"{path}, line {first.line}"
        more = "" if len(problems) == 1 else f" ({len(problems)} problems in all)"
        super().__init__(kind, what=f"{where}: {first.message}{more}", why="the configuration is refused as a whole",
                         fix=first.fix)
        self.path = path
        self.problems = tuple(problems)

    def as_dict(self) -> dict[str, str]:
        """As for every error; `problems` holds them all, one a line."""
        lines = (f"line {p.line}: {p.message}" if p.line else p.message for p in self.problems)
        return {**super().as_dict(), "problems": "\n".join(lines)}

    def render(self) -> str:
        """Every problem with its line and its fix."""
        lines = [f"error[{self.rule.code}]: {self.path} can't be used"]
        for problem in self.problems:
            where = f"line {problem.line}: " if problem.line is not None else ""
            lines += [f"  {where}{problem.message}", f"    fix   {problem.fix}"]
        return "\n".join(lines)

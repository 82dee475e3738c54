"""The one table: what each kind of failure means for scripts, for the engine, and for an operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bqsync.errors.kinds import ErrorKind, ExitCode, Pause, Retry, Scope


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """
    What a kind means: for scripts (code, exit code), for the engine (retry, scope, pause), for an operator (fix).

    `fix` is the general sentence; the place where a failure occurs often knows a better one.
    """

    code: str
    exit_code: ExitCode
    fix: str
    retry: Retry = Retry.NEVER
    scope: Scope = Scope.PROCESS
    pause: Pause = Pause.OUTAGE

    @property
    def concerns_all(self) -> bool:
        """Every table would meet it."""
        return self.scope in {Scope.SOURCE, Scope.PROCESS}

    @property
    def asks_for_fewer_calls(self) -> bool:
        """A quota or a rate limit: each MERGE is to carry more."""
        return self.pause is Pause.QUOTA


_TABLE = (Scope.TABLE, Pause.TABLE)
_SOURCE = (Scope.SOURCE, Pause.SHORT)
_QUOTA = (Scope.TABLE, Pause.QUOTA)
_NEVER, _SOON, _SLOWLY, _CONNECT = Retry.NEVER, Retry.SOON, Retry.SLOWLY, Retry.CONNECT

RULES: Mapping[ErrorKind, ErrorRule] = MappingProxyType({
    ErrorKind.CONFIG_INVALID: ErrorRule(
        "E101", ExitCode.CONFIGURATION, "Correct the lines that are named."),
    ErrorKind.CONFIG_MISSING: ErrorRule(
        "E102", ExitCode.CONFIGURATION, "Write config.toml, or name one with --config."),
    ErrorKind.PROTO_INVALID: ErrorRule(
        "E103", ExitCode.CONFIGURATION, "Correct the .proto file, and run `bqsync protos`."),
    ErrorKind.SOURCE_TABLE_INVALID: ErrorRule(
        "E104", ExitCode.CONFIGURATION, "Correct the [[tables]] entry, or the table.", _NEVER, *_TABLE),
    ErrorKind.TIMESTAMP_UNIT_UNCLEAR: ErrorRule(
        "E105", ExitCode.CONFIGURATION, "Name the unit under `timestamps`, or another type under `types`.",
        _NEVER, *_TABLE),

    ErrorKind.SOURCE_MISSING: ErrorRule(
        "E201", ExitCode.IO, "Start the application that creates it, or correct `source.db`.", _NEVER, *_SOURCE),
    ErrorKind.SOURCE_UNREADABLE: ErrorRule(
        "E202", ExitCode.PERMISSION, "Run bqsync as a user that may read it.", _NEVER, *_SOURCE),
    ErrorKind.SOURCE_NOT_A_DATABASE: ErrorRule(
        "E203", ExitCode.IO, "Correct `source.db`.", _NEVER, *_SOURCE),
    ErrorKind.SOURCE_EMPTY: ErrorRule(
        "E204", ExitCode.IO, "Restore the file.", _NEVER, *_SOURCE),
    ErrorKind.SOURCE_BUSY: ErrorRule(
        "E205", ExitCode.IO, "Nothing to do if it passes; else raise `source.busy_timeout`.", _NEVER, *_SOURCE),
    ErrorKind.SOURCE_CORRUPT: ErrorRule(
        "E206", ExitCode.IO, "Run PRAGMA integrity_check, and look into the kernel's log.", _NEVER, *_TABLE),
    ErrorKind.SOURCE_CHANGED: ErrorRule(
        "E207", ExitCode.FAILED, "Nothing to do if it passes; else run `bqsync check`.", _NEVER, *_TABLE),

    ErrorKind.BIGQUERY_UNREACHABLE: ErrorRule(
        "E301", ExitCode.UNAVAILABLE, "Check the network, the proxy and the endpoints under [bigquery].", _CONNECT),
    ErrorKind.BIGQUERY_TRANSIENT: ErrorRule(
        "E302", ExitCode.UNAVAILABLE,
        "Nothing to do if it passes; see https://status.cloud.google.com if it does not.", _SOON, *_TABLE),
    ErrorKind.BIGQUERY_RATE_LIMITED: ErrorRule(
        "E303", ExitCode.UNAVAILABLE,
        "Nothing to do if it passes; else raise `sync.merge_interval`, or sync fewer tables at a time.",
        _SLOWLY, *_QUOTA),
    ErrorKind.BIGQUERY_QUOTA_EXCEEDED: ErrorRule(
        "E304", ExitCode.UNAVAILABLE,
        "Wait until the quota is renewed, or ask for more: IAM & Admin, Quotas.", _NEVER, *_QUOTA),
    ErrorKind.BIGQUERY_CONFLICT: ErrorRule(
        "E305", ExitCode.UNAVAILABLE, "Nothing to do if it passes; else find what else modifies the table.",
        _SLOWLY, *_TABLE),
    ErrorKind.BIGQUERY_PERMISSION: ErrorRule(
        "E306", ExitCode.PERMISSION,
        "Grant roles/bigquery.jobUser on the project and roles/bigquery.dataEditor on the dataset to the account that "
        "bqsync runs as, and check that billing is enabled.", _NEVER, *_TABLE),
    ErrorKind.BIGQUERY_CREDENTIALS: ErrorRule(
        "E307", ExitCode.PERMISSION,
        "Point GOOGLE_APPLICATION_CREDENTIALS at a valid key file, or run `gcloud auth application-default login`."),
    ErrorKind.BIGQUERY_NOT_FOUND: ErrorRule(
        "E308", ExitCode.FAILED,
        "Check project, dataset, table and location: what lies in another location is not found either.",
        _NEVER, *_TABLE),
    ErrorKind.BIGQUERY_DATASET_MISSING: ErrorRule(
        "E309", ExitCode.CONFIGURATION,
        "Create the dataset, or correct `bigquery.dataset` and `bigquery.location`: a dataset is found only in its own "
        "location."),
    ErrorKind.BIGQUERY_STREAM_LOST: ErrorRule(
        "E310", ExitCode.FAILED, "Nothing to do: the next cycle sends the rows to a new staging table.",
        _NEVER, Scope.BATCH, Pause.SHORT),
    ErrorKind.BIGQUERY_ROWS_REFUSED: ErrorRule(
        "E311", ExitCode.FAILED, "Run `bqsync check`; if it finds nothing, report this with the log.",
        _NEVER, Scope.ROW, Pause.TABLE),
    ErrorKind.BIGQUERY_JOB_FAILED: ErrorRule(
        "E312", ExitCode.FAILED, "Read the reason; the job's page in the BigQuery console shows the statement.",
        _NEVER, *_TABLE),
    ErrorKind.BIGQUERY_JOB_UNSETTLED: ErrorRule(
        "E313", ExitCode.UNAVAILABLE, "Nothing to do: the job is looked up before anything else touches the table.",
        _NEVER, *_TABLE),
    ErrorKind.TARGET_INCOMPATIBLE: ErrorRule(
        "E314", ExitCode.FAILED, "Run `bqsync check` to compare the table with its mapping.", _NEVER, *_TABLE),
    ErrorKind.TARGET_FOREIGN: ErrorRule(
        "E315", ExitCode.FAILED, "Run `bqsync sync TABLE --adopt` if it is meant to become a copy.", _NEVER, *_TABLE),
    ErrorKind.EMBEDDED_FAILED: ErrorRule(
        "E316", ExitCode.UNAVAILABLE, "Look into its bigquery.log; bqsync[embedded] brings its packages."),

    ErrorKind.STATE_LOCKED: ErrorRule(
        "E401", ExitCode.LOCKED, "Wait for the other bqsync, or stop it."),
    ErrorKind.STATE_NEWER: ErrorRule(
        "E402", ExitCode.CONFIGURATION, "Upgrade bqsync; or move the file away, and every row is compared anew."),
    ErrorKind.STATE_UNWRITABLE: ErrorRule(
        "E403", ExitCode.IO, "Free space on its disk, and check its permissions."),
    ErrorKind.STATE_DAMAGED: ErrorRule(
        "E404", ExitCode.IO, "Move it away, or run `bqsync sync`."),
    ErrorKind.STATE_MISSING: ErrorRule(
        "E405", ExitCode.IO, "Run `bqsync sync`."),

    ErrorKind.DELETES_HELD_BACK: ErrorRule(
        "E501", ExitCode.FAILED, "If they were meant to go: `bqsync sync TABLE --confirm-deletes N`.",
        _NEVER, Scope.TABLE, Pause.HELD),
    ErrorKind.QUARANTINE_FLOOD: ErrorRule(
        "E502", ExitCode.FAILED, "Look at `bqsync quarantine`, and correct the mapping.", _NEVER, *_TABLE),
    ErrorKind.DAILY_LIMIT_REACHED: ErrorRule(
        "E503", ExitCode.UNAVAILABLE, "Wait for midnight UTC, or raise `daily_bytes_billed_limit`.", _NEVER, *_TABLE),
    ErrorKind.SERVICE_NOT_PERMITTED: ErrorRule(
        "E601", ExitCode.PERMISSION, "Run it with sudo, or with --root DIR."),
    ErrorKind.SERVICE_EDITED: ErrorRule(
        "E602", ExitCode.FAILED, "Keep the change in a drop-in (`systemctl edit`), and use --force."),
    ErrorKind.SERVICE_FAILED: ErrorRule(
        "E603", ExitCode.FAILED, "Mend what the message names."),
    ErrorKind.LOG_UNREADABLE: ErrorRule(
        "E611", ExitCode.IO, "Name a file, or pipe the log into the command."),
    ErrorKind.INTERNAL: ErrorRule(
        "E901", ExitCode.FAILED, "Run it again with --log-level debug, and report the traceback.", _NEVER, *_TABLE),
})

"""What can be found wrong before the first row travels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Event as StopEvent
from typing import Literal
from zoneinfo import ZoneInfo

from bqsync.capture.order import is_rowid, read_orders
from bqsync.capture.probe import probe_instants, rounded_rows
from bqsync.capture.schema import index_starting_with, table_names
from bqsync.capture.source import Source
from bqsync.config import Config, TableSection
from bqsync.deliver import target
from bqsync.deliver.clients import Destination
from bqsync.deliver.widening import judge, refusal, unasked
from bqsync.encode.drafts import TableDraft
from bqsync.encode.mapping import finish
from bqsync.engine.exposure import exposures
from bqsync.engine.opening import open_destination, wanted_messages
from bqsync.engine.plan import draft_table, probe_column
from bqsync.engine.prepare import unwanted_partitioning
from bqsync.engine.session import Messages
from bqsync.engine.watermark_verdict import judge_column
from bqsync.errors import RULES, BqsyncError, ErrorKind, ExitCode
from bqsync.model import TableSpec, folded
from bqsync.native import offer
from bqsync.observe.exposition import INSTALL, MISSING, can_expose
from bqsync.state.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    level: Literal["ok", "warning", "error"]
    subject: str
    """The file, table or service."""
    what: str
    fix: str = ""
    code: str = ""
    """Of an error."""


def run_checks(config: Config, *, offline: bool) -> list[Finding]:
    """
    Look at everything, whatever is found on the way. Nothing is written to the source, the state or a target.

    Args:
        config: checked configuration.
        offline: leave out BigQuery, and what reads whole tables: what a service checks each time it starts.
    """
    findings = [Finding(level="ok", subject=str(config.path), what=f"{len(config.tables)} tables")]
    messages: Messages = {}
    with _caught(findings, "protos"):
        messages = wanted_messages(config)
        if messages:
            findings.append(Finding(level="ok", subject="protos", what=f"{len(messages)} messages"))
    source = Source(config.source.db, busy_timeout_s=config.source.busy_timeout_s)
    with _caught(findings, str(config.source.db)):
        tables = source.read(table_names)
        findings.append(Finding(level="ok", subject=str(config.source.db), what=f"readable, {len(tables)} tables, "
                                f"journal mode {source.journal_mode()}"))
    specs = _check_tables(config, source, messages, findings, values=not offline)
    _check_state(config, findings)
    findings.append(_compiled_part(config))
    findings.extend(Finding(level="warning", subject=subject, what=what, fix=fix)
                    for subject, what, fix in exposures(config))
    if config.http.listen is not None and not can_expose():
        findings.append(Finding(level="warning", subject="/metrics", what=MISSING, fix=INSTALL))
    if not offline:
        _check_bigquery(config, specs, findings)
    return findings


def _compiled_part(config: Config) -> Finding:
    """What large tables are read by: without it everything works, and takes longer."""
    if not config.sync.native:
        what, fix = "read by rows, as sync.native says", ""
    elif offer.is_there():
        what, fix = "read by compiled code", ""
    else:
        what, fix = "read by rows: there is no compiled part", "for more speed, install a C compiler, then bqsync again"
    return Finding(level="ok", subject="large tables", what=what, fix=fix)


def exit_code(findings: list[Finding]) -> ExitCode:
    """The exit code of the first error; 0 where there are only warnings."""
    by_code = {rule.code: rule.exit_code for rule in RULES.values()}
    return next((by_code[finding.code] for finding in findings if finding.level == "error"), ExitCode.OK)


class _caught:  # noqa: N801 - reads as a clause
    """Turns an error into a finding, and goes on."""

    def __init__(self, findings: list[Finding], subject: str) -> None:
        self._findings = findings
        self._subject = subject

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if not isinstance(error, BqsyncError):
            return False
        finding = Finding(level="error", subject=self._subject, what=f"{error.what}: {error.why}", fix=error.fix,
                          code=error.rule.code)
        # A missing database would be found again at each of its tables.
        if all((finding.what, finding.fix) != (known.what, known.fix) for known in self._findings):
            self._findings.append(finding)
        return True


def _check_tables(
    config: Config, source: Source, messages: Messages, findings: list[Finding], *, values: bool
) -> list[TableSpec]:
    specs: list[TableSpec] = []
    for section in config.tables:
        with _caught(findings, f"table {section.name}"):
            if section.message is not None and section.message not in messages:
                continue
            specs.append(_check_table(config, source, section, messages, findings, values=values))
    return specs


def _check_table(
    config: Config, source: Source, section: TableSection, messages: Messages, findings: list[Finding], *, values: bool
) -> TableSpec:
    subject = f"table {section.name}"
    table = draft_table(source, section, messages)
    formats = {column.source.name: probe_column(source, table.source.name, column)
               for column in table.columns if values and column.needs_probe}
    spec = finish(table, formats, lambda columns: list(range(16, 16 + len(columns))))
    findings.extend(Finding(level="warning", subject=subject, what=warning) for warning in table.warnings)
    if section.watermark:
        findings.extend(_watermarks(source, section, spec, ZoneInfo(config.source.time_zone), values=values))
    if values:
        findings.extend(_rounded(source, spec, subject))
        findings.extend(_undecided(source, table, subject))
    known = f"{len(spec.contents)} columns, no key: rows are known by their contents" if spec.contents else (
        f"{len(spec.columns)} columns, key ({', '.join(spec.key)})")
    findings.append(Finding(level="ok", subject=subject, what=known))
    return spec


def _watermarks(
    source: Source, section: TableSection, spec: TableSpec, zone: ZoneInfo, *, values: bool
) -> Iterator[Finding]:
    """What keeps a watermark from being used, or makes it dear."""
    subject, sweeps_help = f"table {spec.source_name}", "until then, sweeps find what changed"
    if not spec.contents and not source.read(
        lambda connection: read_orders(connection, spec.source_name, spec.key)
    ).key_is_unique:
        yield Finding(level="warning", subject=subject, what="its watermark is not used: SQLite does not keep the key "
                      f"({', '.join(spec.key)}) unique, so that a pass could meet one of two rows",
                      fix=f"create a UNIQUE index over the key; {sweeps_help}")
    wanted = {folded(name) for name in section.watermark}
    for name in (column.source_name for column in spec.columns if folded(column.source_name) in wanted):
        if not _is_indexed(source, spec.source_name, name):
            yield Finding(level="warning", subject=subject, what=f"no index starts with the watermark column {name}",
                          fix=f'consider CREATE INDEX "{spec.source_name}_{name}" ON "{spec.source_name}" ("{name}")')
        verdict = judge_column(source, spec, name, zone) if values else None
        if verdict is not None and verdict.unfit is not None:
            yield Finding(level="warning", subject=subject, what=f"{name} can't be a watermark: {verdict.unfit}",
                          fix=f"mend the values, or name another column; {sweeps_help}")


def _undecided(source: Source, table: TableDraft, subject: str) -> Iterator[Finding]:
    """Columns named like instants that have no values yet: their type is fixed with the first sync."""
    for column in table.columns:
        if column.needs_probe and column.fallback and not probe_instants(source, table.source.name,
                                                                         column.source.name).rows:
            yield Finding(level="warning", subject=subject,
                          what=f"{column.source.name} has no values yet: it becomes {column.fallback}",
                          fix=f'if it is to be a TIMESTAMP, name the unit before the first sync: timestamps = '
                          f'{{ {column.source.name} = "unix_seconds" }}')


def _rounded(source: Source, spec: TableSpec, subject: str) -> Iterator[Finding]:
    for column in spec.columns:
        if column.timestamp_format is None:
            continue
        rows = rounded_rows(source, spec.source_name, column.source_name, column.timestamp_format)
        if rows:
            yield Finding(level="warning", subject=subject,
                          what=f"{rows} instants of {column.source_name} are finer than a microsecond: BigQuery keeps "
                          "no more, they are rounded half to even",
                          fix=f'types = {{ {column.source_name} = "STRING" }} (or INT64) keeps every digit')


def _is_indexed(source: Source, table: str, column: str) -> bool:
    return source.read(lambda connection: is_rowid(connection, table, column)
                       or index_starting_with(connection, table, column))


def _check_state(config: Config, findings: list[Finding]) -> None:
    path = config.state.file
    if not path.exists():
        findings.append(Finding(level="ok", subject=str(path), what="no state yet: the first sync makes it"))
        return
    with _caught(findings, str(path)):
        try:
            Store(path, read_only=True).close()
        except BqsyncError as error:
            if error.kind is not ErrorKind.STATE_DAMAGED:
                raise
            # No reason to stop a service: the next sync mends it by itself.
            findings.append(Finding(level="warning", subject=str(path), what=error.what,
                                    fix="the next sync moves it aside and reconciles every table with its target"))
        else:
            findings.append(Finding(level="ok", subject=str(path), what="the state is readable"))


def _check_bigquery(config: Config, specs: list[TableSpec], findings: list[Finding]) -> None:
    name = f"{config.bigquery.project}.{config.bigquery.dataset}"
    with _caught(findings, "BigQuery"), open_destination(config, StopEvent()) as destination:
        where = "the embedded BigQuery" if config.bigquery.embedded else "BigQuery"
        findings.append(Finding(level="ok", subject=where, what=f"answers, dataset {name}"))
        for spec in specs:
            with _caught(findings, f"target {spec.target_name}"):
                findings.extend(_check_target(destination, spec))


def _check_target(destination: Destination, spec: TableSpec) -> Iterator[Finding]:
    found = target.read(destination, target.target_ref(destination, spec))
    subject = f"target {spec.target_name}"
    if found is None:
        yield Finding(level="ok", subject=subject, what="does not exist yet: the first sync creates it")
        return
    for warning in unwanted_partitioning(spec, found):
        yield Finding(level="warning", subject=subject, what=warning)
    widenings, obstacles = judge(spec, found)
    if obstacles:
        yield _incompatible(subject, refusal(spec, found, obstacles))
    elif widenings and not found.managed:
        yield _incompatible(subject, unasked(widenings, found.ref))
    for widening in widenings if found.managed else ():
        yield Finding(level="ok", subject=subject, what=f"column {widening.column.target_name} is {widening.there} "
                      f"there: the next sync makes it {widening.column.target_type.value}, and sends every row")
    if not found.managed and target.has_rows(destination, found.ref, found.partitioning):
        yield Finding(level="error", subject=subject, code=RULES[ErrorKind.TARGET_FOREIGN].code,
                      what="holds rows and was not made by bqsync",
                      fix="if it is meant to become a copy: bqsync sync --adopt; else choose another `target`")


def _incompatible(subject: str, error: BqsyncError) -> Finding:
    return Finding(level="error", subject=subject, code=error.rule.code, what=f"{error.what}: {error.why}",
                   fix=error.fix)

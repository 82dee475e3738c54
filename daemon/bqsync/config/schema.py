"""
Every key of the configuration: its type, its range, its default.

A field's TOML key is its name, without the unit where the unit is part of the value (`busy_timeout = "5 s"`
is `busy_timeout_s`). A range or a pattern stands in the field's `msgspec.Meta`; `bqsync.config.convert` enforces it.
Paths are absolute after loading.
"""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct, field

from bqsync.model import (
    DeletePolicy,
    NullValues,
    PartitionUnit,
    SweepPolicy,
    TableMode,
    TargetType,
    TimestampFormat,
    folded,
)
from bqsync.regular_file import MIB

KIB = 1024
TIB = 1024 * 1024 * MIB

Name = Annotated[str, Meta(min_length=1)]
Names = Annotated[tuple[str, ...], Meta(extra={"kind": "names"})]
Location = Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]+\Z", description="letters, digits and '-'")]
FilePath = Annotated[Path, Meta(extra={"kind": "path"})]
OptionalFilePath = Annotated[Path | None, Meta(extra={"kind": "path"})]
FilePaths = Annotated[tuple[Path, ...], Meta(extra={"kind": "paths"})]
TimeZone = Annotated[str, Meta(extra={"kind": "time_zone"})]
# A project may belong to a domain: `example.com:project`. The length is left to BigQuery, emulators take any.
# Source: https://cloud.google.com/resource-manager/docs/creating-managing-projects
Project = Annotated[
    str,
    Meta(
        pattern=r"^(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]*\Z",
        description="lower-case letters, digits and '-', starting with a letter",
    ),
]
# Source: https://cloud.google.com/bigquery/docs/datasets#dataset-naming
Dataset = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_]{1,1024}\Z", description="letters, digits and '_'")]
# Source: https://cloud.google.com/bigquery/docs/tables#table_naming
TargetName = Annotated[str, Meta(extra={"kind": "target_name"})]
MessageName = Annotated[
    str | None,
    Meta(pattern=r"^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*\Z", description="a message of the .proto files, such as JobRuns"),
]
# The least that a statement is billed for is 10 MiB for each table that it reads.
# Source: https://cloud.google.com/bigquery/pricing#on_demand_pricing
BilledLimit = Annotated[int | None, Meta(ge=10 * MIB, le=1024 * TIB, extra={"kind": "size"})]
RestEndpoint = Annotated[str | None, Meta(extra={"kind": "rest_endpoint"})]
GrpcEndpoint = Annotated[str | None, Meta(extra={"kind": "grpc_endpoint"})]
LoopbackAddress = Annotated[str | None, Meta(extra={"kind": "loopback_address"})]


class LogLevel(StrEnum):
    """The least severe level that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a log line looks."""

    AUTO = "auto"
    """Columns on a terminal, JSON elsewhere."""
    JSON = "json"
    TEXT = "text"


class Section(Struct, frozen=True, kw_only=True):
    """One section of the file."""


class SourceSection(Section, frozen=True, kw_only=True):
    """`[source]`: the SQLite file."""

    db: FilePath
    name: Name = ""
    """The state is keyed by (name, table). Default: the stem of the file's name."""
    time_zone: TimeZone = "UTC"
    """IANA zone of ISO 8601 texts that carry no offset."""
    busy_timeout_s: Annotated[float, Meta(ge=0, le=60, extra={"kind": "duration"})] = field(
        default=5.0, name="busy_timeout"
    )
    """Seconds to wait for a lock that the application holds."""


class BigQuerySection(Section, frozen=True, kw_only=True):
    """`[bigquery]`: where the rows go."""

    project: Project
    dataset: Dataset
    location: Location = "US"
    embedded: bool = False
    """Run a BigQuery on this machine instead of calling Google's."""
    embedded_dir: FilePath = Path(".bqsync/bigquery")
    credentials_file: OptionalFilePath = None
    """Key file; None leaves it to Application Default Credentials."""
    staging_dataset: Dataset = ""
    """Where staging tables live. Default: `dataset`."""
    rest_endpoint: RestEndpoint = None
    """`http://host:port` of another BigQuery REST server; None is Google's."""
    grpc_endpoint: GrpcEndpoint = None
    """`host:port` of another Storage Write server; None is Google's."""


class StateSection(Section, frozen=True, kw_only=True):
    """`[state]`: what has been delivered."""

    file: FilePath = Path(".bqsync/state.db")


class ProtosSection(Section, frozen=True, kw_only=True):
    """`[protos]`: where the messages of the tables come from."""

    files: FilePaths = ()
    """`.proto` files, as `bqsync protos` compiles them."""
    descriptor_set: OptionalFilePath = None
    """The compiled descriptor set that is loaded."""


class WatchSection(Section, frozen=True, kw_only=True):
    """`[watch]`: when the daemon looks at the file."""

    debounce_s: Annotated[float, Meta(ge=0, le=60, extra={"kind": "duration"})] = field(default=0.2, name="debounce")
    """Seconds for which the changes that follow a first one are gathered before a cycle begins."""
    max_delay_s: Annotated[float, Meta(ge=0, le=600, extra={"kind": "duration"})] = field(
        default=2.0, name="max_delay"
    )
    """Seconds after which a cycle begins though the writing goes on without a breath."""
    poll_interval_s: Annotated[float, Meta(ge=0.1, le=3600, extra={"kind": "duration"})] = field(
        default=2.0, name="poll_interval"
    )
    """Seconds between two looks at the file that nothing has asked for: what no event tells is found by them."""


class SyncSection(Section, frozen=True, kw_only=True):
    """`[sync]`: bounds of one cycle."""

    batch_rows: Annotated[int, Meta(ge=1, le=50_000)] = 500
    """Rows in one append of an incremental cycle."""
    page_rows: Annotated[int, Meta(ge=1, le=100_000)] = 5_000
    """Rows in one read transaction."""
    page_bytes: Annotated[int, Meta(ge=64 * KIB, le=8 * MIB, extra={"kind": "size"})] = 8 * MIB
    """Bytes in one read transaction; a single larger row is a page of its own."""
    native: bool = True
    """Sweeps of all but small tables are read by compiled code, where it is there."""
    chunk_rows: Annotated[int, Meta(ge=1, le=10_000_000)] = 200_000
    """Rows in one MERGE."""
    chunk_bytes: Annotated[int, Meta(ge=64 * KIB, le=4096 * MIB, extra={"kind": "size"})] = 128 * MIB
    """Bytes in one MERGE."""
    parallel_tables: Annotated[int, Meta(ge=1, le=32)] = 4
    max_delete_fraction: Annotated[float, Meta(gt=0, le=1)] = 0.5
    """Larger fractions of a table are not deleted without a confirmation."""
    overlap_s: Annotated[float, Meta(ge=0, le=30 * 86_400, extra={"kind": "duration"})] = field(
        default=60.0, name="overlap"
    )
    """Seconds before its watermark that a pass begins to read: a row committed so late is still found."""
    sweep_interval_s: Annotated[float, Meta(ge=1, le=30 * 86_400, extra={"kind": "duration"})] = field(
        default=3600.0, name="sweep_interval"
    )
    """Seconds between two sweeps of a table that has a watermark."""
    sweep_duty: Annotated[float, Meta(gt=0, le=1)] = 0.05
    """The fraction of one core that the sweeps of one table may take in the long run."""
    verify_interval_s: Annotated[float, Meta(ge=0, le=365 * 86_400, extra={"kind": "duration"})] = field(
        default=86_400.0, name="verify_interval"
    )
    """Seconds between two comparisons of a table with its target that the daemon makes by itself; 0: none."""
    merge_interval_s: Annotated[float, Meta(ge=0, le=86_400, extra={"kind": "duration"})] = field(
        default=0.0, name="merge_interval"
    )
    """Seconds at least between the beginnings of two cycles of a table in the daemon: fewer MERGEs, each with more."""
    daily_bytes_billed_limit: BilledLimit = None
    """Bytes that BigQuery may bill in a UTC day for all tables together; None: no limit."""


class LogSection(Section, frozen=True, kw_only=True):
    """`[log]`."""

    level: LogLevel = LogLevel.INFO
    format: LogFormat = LogFormat.AUTO
    heartbeat_interval_s: Annotated[float, Meta(ge=1, le=86_400, extra={"kind": "duration"})] = field(
        default=300.0, name="heartbeat_interval"
    )
    """Seconds between two lines of the daemon that say no more than that it is alive."""


class HttpSection(Section, frozen=True, kw_only=True):
    """`[http]`: what the daemon serves to this machine."""

    listen: LoopbackAddress = None
    """`host:port`, the host an address of the loopback interface; port 0 takes a free one. None: nothing is served."""
    ready_within_s: Annotated[float, Meta(ge=1, le=30 * 86_400, extra={"kind": "duration"})] = field(
        default=900.0, name="ready_within"
    )
    """Seconds that a change may wait for its delivery before `/readyz` says no."""


class TableSection(Section, frozen=True, kw_only=True):
    """One `[[tables]]`."""

    name: Name
    target: TargetName = ""
    """Table in BigQuery. Default: `name`, with `_` for every character that BigQuery refuses."""
    message: MessageName = None
    """Message in the .proto files; None takes the schema from SQLite."""
    key: Names = ()
    """Columns that identify a row; empty takes the key that the table declares."""
    mode: TableMode = TableMode.UPSERT
    """`append`: rows are only ever added, so none is deleted, and a table without a key is taken."""
    watermark: Names = ()
    """
    Timestamp columns of which one moves with every write of a row; empty leaves it to sweeps. In mode `append`, an
    AUTOINCREMENT column will do as well.
    """
    deletes: DeletePolicy = DeletePolicy.DELETE
    sweep: SweepPolicy = SweepPolicy.ON
    """`off`: watermark passes alone, and a ledger of the overlap alone; deletes and late changes are given up."""
    sweep_interval_s: Annotated[float | None, Meta(ge=1, le=30 * 86_400, extra={"kind": "duration"})] = field(
        default=None, name="sweep_interval"
    )
    """Of this table; None takes that of `[sync]`."""
    merge_interval_s: Annotated[float | None, Meta(ge=0, le=86_400, extra={"kind": "duration"})] = field(
        default=None, name="merge_interval"
    )
    """Of this table; None takes that of `[sync]`."""
    daily_bytes_billed_limit: BilledLimit = None
    """Bytes that BigQuery may bill in a UTC day for this table alone; None: no limit but that of `[sync]`."""
    partition_by: Annotated[str | None, Meta(min_length=1)] = None
    """TIMESTAMP, DATETIME or DATE column by which a target is partitioned that is created; None: not partitioned."""
    partition_unit: PartitionUnit = PartitionUnit.DAY
    """How much time one partition holds."""
    null_values: NullValues = NullValues.NULL
    types: Mapping[str, TargetType] = field(default_factory=dict)
    """BigQuery type by column, where the mapping's own choice is not wanted."""
    timestamps: Mapping[str, TimestampFormat] = field(default_factory=dict)
    """What the values of a TIMESTAMP column are, by column; a column that is not named is probed."""


class Config(Struct, frozen=True, kw_only=True):
    """A configuration that has passed every check."""

    path: Path
    """The file it was read from."""
    source: SourceSection
    bigquery: BigQuerySection
    state: StateSection
    protos: ProtosSection
    watch: WatchSection
    sync: SyncSection
    log: LogSection
    http: HttpSection
    tables: tuple[TableSection, ...]
    origins: Mapping[str, str]
    """Where each value comes from, by TOML name: `bigquery.project`, `tables[0].key`."""

    def table(self, name: str) -> TableSection | None:
        """The table of that name, compared as SQLite compares names: without regard to ASCII case."""
        return next((table for table in self.tables if folded(table.name) == folded(name)), None)

    def sweep_interval_s(self, table: TableSection) -> float:
        """Seconds between two sweeps of a table that has a watermark."""
        return self.sync.sweep_interval_s if table.sweep_interval_s is None else table.sweep_interval_s

    def merge_interval_s(self, table: TableSection) -> float:
        """Seconds at least between the beginnings of two cycles of a table."""
        return self.sync.merge_interval_s if table.merge_interval_s is None else table.merge_interval_s


SECTIONS: Mapping[str, type[Section]] = {
    "source": SourceSection,
    "bigquery": BigQuerySection,
    "state": StateSection,
    "protos": ProtosSection,
    "watch": WatchSection,
    "sync": SyncSection,
    "log": LogSection,
    "http": HttpSection,
}
"""The sections that stand once; `[[tables]]` is repeated."""

"""
The configuration: a TOML file, the environment and the command line become one checked, frozen value.

`load` is the only way in. Every problem of a configuration is reported at once, each with its line and its fix.
"""

from bqsync.config.convert import plain_table_name
from bqsync.config.environment import VARIABLES
from bqsync.config.load import DEFAULT_PATHS, load
from bqsync.config.schema import (
    BigQuerySection,
    Config,
    LogFormat,
    LogLevel,
    LogSection,
    ProtosSection,
    SourceSection,
    StateSection,
    SyncSection,
    TableSection,
    WatchSection,
)

__all__ = [
    "DEFAULT_PATHS",
    "VARIABLES",
    "BigQuerySection",
    "Config",
    "LogFormat",
    "LogLevel",
    "LogSection",
    "ProtosSection",
    "SourceSection",
    "StateSection",
    "SyncSection",
    "TableSection",
    "WatchSection",
    "load",
    "plain_table_name",
]

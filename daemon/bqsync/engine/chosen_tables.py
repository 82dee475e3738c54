"""Which of the configured tables a command is about."""

from __future__ import annotations

from collections.abc import Sequence

from bqsync.config import Config
from bqsync.errors import BqsyncError, ErrorKind


def chosen_tables(config: Config, names: Sequence[str]) -> list[str]:
    """
    The configured tables of those names, all of them where no name is given.

    Raises:
        BqsyncError: CONFIG_INVALID for a name that is not configured.
    """
    if not names:
        return [table.name for table in config.tables]
    chosen = []
    for name in names:
        table = config.table(name)
        if table is None:
            raise BqsyncError(
                ErrorKind.CONFIG_INVALID, what=f"table {name!r} is not in {config.path}",
                why=f"its tables are {', '.join(table.name for table in config.tables)}",
                fix="correct the name, or add a [[tables]] entry",
            )
        chosen.append(table.name)
    return chosen

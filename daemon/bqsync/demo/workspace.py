"""A folder in which the demo lives: configuration, protos, and a filled database."""

from __future__ import annotations

import os
from contextlib import closing
from importlib import resources
from pathlib import Path

from bqsync.config import Config, load
from bqsync.demo.fill import fill
from bqsync.demo.schema import connect, create_tables

DATABASE = "job_tracker.db"
FILL_SEED = 1


def prepare(folder: Path, *, jobs: int, overrides: dict[str, object]) -> Config:
    """
    Lay the shipped configuration and a filled database into a folder; what is there already is used as it is.

    Args:
        folder: made if it is missing.
        jobs: how many jobs the tracker knows at the start; about eleven rows each.
        overrides: settings by TOML name, as flags give them.

    Raises:
        OSError: the folder can't be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _lay(resources.files("bqsync.demo") / "config.toml", folder / "config.toml")
    for proto in (resources.files("bqsync") / "protos").iterdir():
        if proto.name.endswith((".proto", ".binpb")):
            _lay(proto, folder / "protos" / proto.name)
    database = folder / DATABASE
    if not database.exists():
        with closing(connect(database)) as connection:
            create_tables(connection)
            fill(connection, seed=FILL_SEED, scale=jobs)
    # The demo is the same everywhere: of the environment only what concerns the log counts.
    environ = {name: value for name, value in os.environ.items() if name.startswith("BQSYNC_LOG_")}
    return load(folder / "config.toml", environ=environ, overrides=overrides)


def _lay(resource: resources.abc.Traversable, path: Path) -> None:
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(resource.read_bytes())

"""The state file as operators see it and change it: `bqsync state`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bqsync.config import Config
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.state.lock import StateLock, lock_holder
from bqsync.state.reset import Part, reset
from bqsync.state.store import SIDE_FILES, Store
from bqsync.state.survey import StateSurvey, TableSurvey, survey


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFileView:
    """A state file, and who works with it."""

    file: Path
    size_bytes: int
    """With what stands beside it and is not checkpointed."""
    holder: int | None
    """The process that works with it, 0 where its number can't be read; None where there is none."""
    survey: StateSurvey


def view_state(config: Config) -> StateFileView:
    """
    Read the state file, beside whoever works with it.

    Raises:
        BqsyncError: STATE_MISSING, STATE_NEWER, STATE_DAMAGED, STATE_UNWRITABLE.
    """
    with opened(config.state.file, read_only=True) as store:
        found = survey(store)
    return StateFileView(file=config.state.file, size_bytes=_size_bytes(config.state.file),
                         holder=lock_holder(config.state.file), survey=found)


def chosen_of(found: StateSurvey, config: Config, names: Sequence[str]) -> list[TableSurvey]:
    """
    Those tables of the configured source that the state knows, all of them where no name is given.

    Raises:
        BqsyncError: CONFIG_INVALID for a name that the state does not know.
    """
    known = {table.name: table for table in found.tables if table.source == config.source.name}
    for name in names:
        if name not in known:
            raise BqsyncError(
                ErrorKind.CONFIG_INVALID, what=f"the state knows no table {name!r}",
                why=f"of the source {config.source.name} it knows {', '.join(known) or 'none'}",
                fix="correct the name; a table that was never synced has nothing in the state")
    return [known[name] for name in dict.fromkeys(names)] if names else list(known.values())


@contextmanager
def resettable(config: Config) -> Iterator[Store]:
    """
    The state file, open to be changed, with its lock.

    Raises:
        BqsyncError: STATE_MISSING, where there is none: nothing is made; STATE_LOCKED and its like.
    """
    with opened(config.state.file, read_only=True):
        pass
    lock = StateLock(config.state.file)
    lock.acquire()
    try:
        with opened(config.state.file, read_only=False) as store:
            yield store
    finally:
        lock.release()


def reset_tables(store: Store, config: Config, names: Sequence[str], parts: frozenset[Part]) -> None:
    """
    Forget parts of some tables.

    Raises:
        BqsyncError: the state can't be written.
    """
    reset(store, config.source.name, tuple(names), parts)


@contextmanager
def opened(file: Path, *, read_only: bool) -> Iterator[Store]:
    """
    The state file as it is: nothing is moved aside.

    Raises:
        BqsyncError: STATE_NEWER, STATE_DAMAGED, STATE_UNWRITABLE; STATE_MISSING, if it is only to be read.
    """
    store = Store(file, read_only=read_only, rebuild=False)
    try:
        yield store
    finally:
        store.close()


def _size_bytes(file: Path) -> int:
    paths = [Path(f"{file}{suffix}") for suffix in SIDE_FILES]
    return sum(path.stat().st_size for path in paths if path.exists())

"""Which configuration is in force, which is to follow it, and which to go back to where that one can't be opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from bqsync.config import Config
from bqsync.deliver.clients import require_key
from bqsync.engine.opening import wanted_messages
from bqsync.engine.session import Messages
from bqsync.errors import BqsyncError, ErrorKind


@dataclass(frozen=True, slots=True, eq=False)
class Setup:
    """A configuration, with the proto messages that it names."""

    config: Config
    messages: Messages


class Succession:
    """
    The setups of a daemon, one after the other.

    Args:
        config: to begin with.
        load: reads the configuration anew.

    Attributes:
        current: in force, or about to be opened.
        before: what was in force before, until the current one has proved itself; None where that is so, or there was
            none.

    Raises:
        BqsyncError: the messages of `config` can't be read.
    """

    def __init__(self, config: Config, load: Callable[[], Config]) -> None:
        self._load = load
        self._next: Setup | None = None
        self.current = Setup(config, wanted_messages(config))
        self.before: Setup | None = None

    @property
    def has_next(self) -> bool:
        """Another one is to take the place of the current one."""
        return self._next is not None

    @property
    def is_known(self) -> bool:
        """The current one was in force before: it is opened again, or gone back to."""
        return self.before is self.current

    def read_next(self) -> None:
        """
        Read the one that is to follow.

        Raises:
            BqsyncError: it can't be in force; nothing follows.
        """
        config = self._load()
        _require_same_state(self.current.config, config)
        following = Setup(config, wanted_messages(config))
        require_key(config.bigquery)
        self._next = following

    def repeat(self) -> None:
        """The current one is to follow itself: everything is opened again."""
        self._next = self.current

    def end(self) -> None:
        """Nothing is to follow."""
        self._next = None

    def advance(self) -> bool:
        """Take the next one; whether there is one."""
        if self._next is None:
            return False
        self.before, self.current, self._next = self.current, self._next, None
        return True

    def fall_back(self) -> bool:
        """Take the one before again; False where there is none, or the current one is it."""
        if self.before is None or self.is_known:
            return False
        self.current = self.before
        return True

    def prove(self) -> None:
        """The current one is open: there is no way back."""
        self.before = None


def changed_sections(old: Config, new: Config) -> list[str]:
    """The sections whose values differ."""
    names = [name for name in Config.__struct_fields__ if name not in ("path", "origins")]
    return [name for name in names if msgspec.structs.asdict(old)[name] != msgspec.structs.asdict(new)[name]]


def _require_same_state(old: Config, new: Config) -> None:
    if new.state.file != old.state.file:
        raise BqsyncError(
            ErrorKind.CONFIG_INVALID, what=f"state.file is {new.state.file} now, and was {old.state.file}",
            why="a reload keeps the state and its lock", fix="restart the daemon: systemctl restart bqsync",
        )

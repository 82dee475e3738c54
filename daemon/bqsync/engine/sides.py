"""What a comparison of source and target is made between, and among what."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from bqsync.capture.pages import Page, TableReader
from bqsync.deliver.target import TargetState
from bqsync.encode.rejection import Rejected
from bqsync.encode.rows import RowEncoder
from bqsync.engine.aside import StoppedError
from bqsync.engine.differences import DifferenceKind
from bqsync.engine.session import Session
from bqsync.model import SqlValue, WireValue
from bqsync.state.ledger import Ledger
from bqsync.state.quarantine import QuarantineEntry
from bqsync.state.tables import TableState


class Damage(Protocol):
    """Told of rows that differ, for their repair."""

    def __call__(self, kind: DifferenceKind, keys: Sequence[bytes]) -> None:
        """Some rows of one kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """How a comparison is made."""

    beside: bool = False
    """Another thread or process delivers meanwhile: rows that it has not delivered yet are no differences."""
    is_bounded: bool = False
    """The daily limit of bytes billed stops it; else its bytes are only counted."""
    turn: Callable[[], AbstractContextManager[Callable[[], None]]] = lambda: nullcontext(lambda: None)
    """Entered to read the source; gives what is called between two pages, and returns once the reading may go on."""
    damage: Damage = lambda kind, keys: None  # noqa: ARG005 - nobody repairs
    """Told of every row that differs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """The two sides of a comparison, and what the state knows of them."""

    session: Session
    reader: TableReader
    encoder: RowEncoder
    found: TargetState
    state: TableState
    ledger: Ledger
    quarantined: Mapping[bytes, QuarantineEntry]
    """By source key."""

    def pages(self, surroundings: Surroundings) -> Iterator[Page]:
        """
        The source, page by page, in its turn among other work.

        Raises:
            StoppedError: from the iterator.
        """
        with surroundings.turn() as give_way:
            for page in self.reader.pages():
                yield page
                give_way()
                if self.session.stop.is_set():
                    raise StoppedError

    def wire(self, row: Sequence[SqlValue]) -> tuple[WireValue, ...]:
        """
        The wire values of a row of the source, as the target gives them back.

        Raises:
            Rejected: it can't be delivered.
        """
        return self.encoder.reread(self.encoder.wire_row(row))

    def fingerprint(self, row: Sequence[SqlValue]) -> int | None:
        """Of the wire values of a row of the source; None where it can't be delivered."""
        try:
            return self.encoder.fingerprint(self.wire(row))
        except Rejected:
            return None

"""What a chunk holds that is not merged yet."""

from __future__ import annotations

from collections.abc import Collection

from bqsync.model import Delivery
from bqsync.state.ledger import ChunkCommit


class Pending:
    """
    The rows that are staged and not merged yet, by target key.

    Args:
        commit: of the chunk.
    """

    def __init__(self, commit: ChunkCommit) -> None:
        self._commit = commit

    def __bool__(self) -> bool:
        return bool(self._commit.delivered or self._commit.plain)

    def __contains__(self, key: object) -> bool:
        return key in self._commit.delivered or key in self._commit.plain

    def has_none_of(self, keys: Collection[bytes | None]) -> bool:
        """Whether none of those keys is among them."""
        return (self._commit.delivered.keys().isdisjoint(keys)
                and self._commit.plain.keys().isdisjoint(keys))

    def get(self, key: bytes) -> Delivery | None:
        """What the ledger is to keep of a row; None where it is not among them."""
        found = self._commit.delivered.get(key)
        if found is None and key in self._commit.plain:
            return Delivery(key, self._commit.plain[key], None, None)
        return found

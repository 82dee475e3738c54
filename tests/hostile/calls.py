"""What was asked of a hostile BigQuery, and the rules that say what happens to it."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from dataclasses import dataclass, field

from tests.hostile.actions import Action, Method, RefuseRows, UnknownFor

FOREVER = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call as it arrived."""

    method: Method
    path: str
    """`VERB /path?query` under REST; a table path or the name of a write stream."""
    body: str
    """Under REST, the body; for an append, its offset and number of rows."""
    rows: tuple[bytes, ...] = ()
    """Of an append."""
    authorization: str = ""
    """The header, or metadata, in which the caller shows its token."""
    at: float = field(default_factory=time.monotonic)

    def holds(self, text: str) -> bool:
        """Whether the text stands in the path, the body, the token or one of the rows."""
        if not text or text in self.path or text in self.body or text in self.authorization:
            return True
        marker = text.encode()
        return any(marker in row for row in self.rows)

    @property
    def table(self) -> str:
        """The table path of a storage call."""
        return self.path.partition("/streams/")[0]


@dataclass(slots=True, kw_only=True)
class Rule:
    """What happens to the matching calls number `first` to `first + times - 1`, counted from 1."""

    method: Method
    action: Action
    holding: str
    first: int
    times: int
    share: float = 1.0
    """The chance of each of these calls."""
    rng: random.Random = field(default_factory=random.Random)
    seen: int = 0
    """How many calls matched."""
    fired: int = 0
    """To how many of them the action was done."""
    _asked: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        if self.method is not Method.ANY and self.method not in self.action.methods:
            raise ValueError(f"{type(self.action).__name__} is nothing that can happen to {self.method}")

    def applies(self, call: Call) -> bool:
        """Count a call if it matches; whether the action is due."""
        if self.method not in {Method.ANY, call.method} or call.method not in self.action.methods:
            return False
        if not call.holds(self.holding):
            return False
        self.seen += 1
        if not self._is_due(call) or not self.first <= self.seen < self.first + self.times:
            return False
        return self.share >= 1 or self.rng.random() < self.share

    def _is_due(self, call: Call) -> bool:
        if isinstance(self.action, UnknownFor):
            return self._is_unknown(self.action, call)
        return not isinstance(self.action, RefuseRows) or any(self.action.marker in row for row in call.rows)

    def _is_unknown(self, action: UnknownFor, call: Call) -> bool:
        asked = self._asked[call.table]
        asked.append(call.at)
        return len(asked) <= action.calls or call.at - asked[0] < action.seconds

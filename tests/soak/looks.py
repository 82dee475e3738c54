"""What must hold all the while: rows that stay in the source stay in the target, and none stands there twice."""

from __future__ import annotations

import time

from google.api_core.exceptions import GoogleAPICallError

from tests.soak.report import SoakError
from tests.soak.site import Site
from tests.soak.tables import MARK, Kind

_EVERY_S = 2.0


class Looks:
    """Looks straight at the emulator, now and then."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._next_s = 0.0
        self._kept: dict[str, int] = {}
        self.count = 0

    def step(self) -> None:
        """
        Look, if it is time to.

        Raises:
            SoakError: a row that is never deleted in the source has left the target, or a key stands there twice.
        """
        if time.monotonic() < self._next_s:
            return
        targets = self._site.targets()
        kinds = [kind for kind in self._site.kinds if kind.name in targets]
        if kinds:
            self.count += 1
            for row in self._look(kinds):
                self._judge(str(row["name"]), int(str(row["kept"])), int(str(row["copies"])))
        self._next_s = time.monotonic() + _EVERY_S

    def _look(self, kinds: list[Kind]) -> list[dict[str, object]]:
        try:
            return self._site.rows(" UNION ALL ".join(_question(kind) for kind in kinds))
        except GoogleAPICallError as error:
            raise SoakError(f"the emulator does not answer a query: {error}") from error

    def _judge(self, name: str, kept: int, copies: int) -> None:
        if copies:
            raise SoakError(f"{name}: {copies} rows stand twice in the target")
        before = self._kept.get(name, 0)
        if kept < before:
            raise SoakError(f"{name}: {before - kept} rows that stayed in the source have left the target")
        self._kept[name] = kept


def _question(kind: Kind) -> str:
    """How many of the rows are there that have to stay, and how many keys come more than once."""
    is_there = f" AND {MARK} IS NULL" if kind.marks else ""
    key = ", '|', ".join(f"CAST({name} AS STRING)" for name in kind.key)
    return (f"SELECT '{kind.name}' AS name, COUNTIF(kept = 1{is_there}) AS kept,"
            f" COUNT(*) - COUNT(DISTINCT CONCAT({key}, '')) AS copies FROM {{d}}.{kind.name}")

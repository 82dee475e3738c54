"""Whether a daemon beside which nobody writes any more has come to rest, by its own word."""

from __future__ import annotations

import json

from tests.soak.life import Life
from tests.soak.site import Site
from tests.workbench import run_command

_SWEEPS = 2
"""The first one that ends may have begun before the last change."""


class Rest:
    """
    What is seen of it.

    Args:
        site: with its state.
        since_us: when the last change was written, in Unix microseconds.
    """

    def __init__(self, site: Site, since_us: int) -> None:
        self._site = site
        self._since_us = since_us
        self._sweeps: dict[str, set[int]] = {kind.name: set() for kind in site.kinds}

    def has_come(self, life: Life) -> bool:
        """Whether it says that it is up to date, and has compared every table as a whole since the last change."""
        for name, instant_us in self._last_sweeps().items():
            if instant_us > self._since_us:
                self._sweeps[name].add(instant_us)
        return life.is_up_to_date and all(len(instants) >= _SWEEPS for instants in self._sweeps.values())

    def _last_sweeps(self) -> dict[str, int]:
        """When each table was last compared, as the daemon's own command tells it."""
        done = run_command("status", "-c", str(self._site.config_path), "--json", folder=self._site.folder)
        if not done.stdout.startswith("{"):
            return {}
        return {table["name"]: table["last_sweep_us"] or 0 for table in json.loads(done.stdout).get("tables", [])}

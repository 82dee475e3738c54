"""A daemon and one steady writer, with nothing else going on: what the scenarios have in common."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.soak import verdict
from tests.soak.application import Process
from tests.soak.life import Life
from tests.soak.report import Report, SoakError
from tests.soak.rest import Rest
from tests.soak.site import Site, site
from tests.soak.tables import BY_NAME, create

_KINDS = (BY_NAME["orders"], BY_NAME["words"])
"""With a watermark, and without one."""
_START_S = 120.0
_END_S = 30.0
_STEP_S = 0.2


@dataclass(slots=True)
class Steady:
    """A scenario at work."""

    site: Site
    life: Life
    report: Report
    writer: Process

    def go_on(self, seconds: float, look: Callable[[], object] = lambda: None) -> None:
        """Let it work for a while, looking again and again."""
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            look()
            if self.life.wrong or self.life.process.poll() is not None or self.writer.code is not None:
                raise SoakError(f"{self.life.wrong or 'a process has ended by itself'}\n{self.life.tail}")
            time.sleep(_STEP_S)

    def lines(self, event: str, since: int = 0) -> list[dict[str, Any]]:
        """Of that event, behind the first so many lines."""
        return [line for line in self.life.lines[since:] if line["event"] == event]

    def finish(self, patience_s: float) -> None:
        """
        The writer ends, the daemon comes to rest, and all is compared.

        Raises:
            SoakError: it does not come to rest, or there are differences.
        """
        done = self.writer.end()
        self.report.total("commits", f"{done['commits']:,}")
        rest = Rest(self.site, time.time_ns() // 1000)
        self.life.wait_until(lambda: rest.has_come(self.life), "rest", patience_s)
        if self.life.wrong or self.life.process.poll() is not None:
            raise SoakError(f"{self.life.wrong or 'the daemon has ended by itself'}\n{self.life.tail}")
        code = self.life.end(signal.SIGTERM, _END_S)
        if code:
            raise SoakError(f"the daemon has ended with {code} after SIGTERM\n{self.life.tail}")
        verdict.compare(self.site, self.report)


@contextmanager
def steady(folder: Path, seed: int, report: Report, *, rate: float) -> Iterator[Steady]:
    """A daemon that is up to date, and a writer with so many commits a second."""
    with site(folder, _KINDS) as place:
        with place.database() as db:
            db.execute("PRAGMA journal_mode = WAL")
            create(db, random.Random(seed), _KINDS)
        place.configure(sync='sweep_interval = "5 s"', watch='poll_interval = "1 s"')
        life = Life(place, 1)
        writer = None
        try:
            life.wait_until(lambda: life.is_up_to_date, "up to date", _START_S)
            names = ",".join(kind.name for kind in _KINDS)
            writer = Process(place, str(seed), "--rate", str(rate), "--tables", names)
            yield Steady(place, life, report, writer)
        except SoakError:
            verdict.dump(place)
            raise
        finally:
            if writer is not None:
                writer.kill()
            if life.process.poll() is None:
                life.process.kill()
                life.ended()

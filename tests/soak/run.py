"""The soak itself: all at once for some minutes, then quiet, then the comparison."""

from __future__ import annotations

import math
import random
import signal
import time
from pathlib import Path

from tests.soak import verdict
from tests.soak.application import Application
from tests.soak.faults import Faults
from tests.soak.life import Life
from tests.soak.lives import Lives
from tests.soak.looks import Looks
from tests.soak.report import Report, SoakError
from tests.soak.rest import Rest
from tests.soak.site import Site, site
from tests.soak.state_file import StateFile
from tests.soak.tables import KINDS, create
from tests.workbench import run_command

_STEP_S = 0.05
_MAX_RSS_BYTES = 700 * 1024 * 1024
_WRITERS = 2
_ROUND_S = 300.0
"""After so long at most, all comes to rest and is compared."""
_PATIENCE_S = 60.0
"""For a daemon that is left alone to come to rest by itself; then it is told to begin anew, and has as long again."""
_LONG_PATIENCE_S = 240.0


def soak(folder: Path, seed: int, minutes: float, report: Report) -> None:
    """
    Run it.

    Raises:
        SoakError: something is wrong.
    """
    rng = random.Random(seed)
    with site(folder, KINDS) as place:
        try:
            _Soak(place, rng, report).run(minutes * 60)
        except SoakError:
            verdict.dump(place)
            raise


class _Soak:
    def __init__(self, place: Site, rng: random.Random, report: Report) -> None:
        self._site = place
        self._rng = rng
        self._report = report
        self._faults = Faults(place, random.Random(rng.random()), report)
        self._state = StateFile(place, random.Random(rng.random()), report, self._faults)
        self._lives = Lives(place, random.Random(rng.random()), report, self._state)
        self._application = Application(place, random.Random(rng.random()), report, _WRITERS)
        self._looks = Looks(place)
        self._forget_s = 0.0

    def run(self, seconds: float) -> None:
        mode = self._rng.choice(("WAL", "DELETE"))
        with self._site.database() as db:
            db.execute(f"PRAGMA journal_mode = {mode}")
            rows = create(db, self._rng)
        rounds = math.ceil(seconds / _ROUND_S)
        self._report.say(f"plan: {len(KINDS)} tables, {rows:,} rows, journal mode {mode}, {_WRITERS} writers, "
                         f"{seconds:.0f} s of faults and kills in {rounds} rounds")
        try:
            for _ in range(rounds):
                self._suffer(seconds / rounds)
                rows = self._rest()
            self._sum_up(rows)
        finally:
            self._application.kill()
            self._lives.kill()

    def _suffer(self, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            self._lives.may_harm_state = left_s > seconds / 2
            self._faults.step()
            self._lives.step()
            self._application.step()
            if self._application.may_restore:
                self._restore()
            self._looks.step()
            self._keep_bounds()
            time.sleep(_STEP_S)

    def _restore(self) -> None:
        """With the daemon or without it."""
        if self._rng.random() < 0.5 and self._lives.life is not None:
            self._lives.end(signal.SIGTERM)
        how = self._application.restore()
        self._report.deeds["backups restored"] += 1
        self._report.say(f"a backup is {how}")

    def _keep_bounds(self) -> None:
        if self._lives.max_rss_bytes > _MAX_RSS_BYTES:
            raise SoakError(f"the daemon has taken {self._lives.max_rss_bytes / 2**20:.0f} MiB")
        if time.monotonic() > self._forget_s:
            self._site.hostile.forget()
            self._forget_s = time.monotonic() + 10.0

    # At the end.

    def _rest(self) -> int:
        """All comes to rest, and is compared; the number of rows."""
        self._report.say("the writers end, and so do faults and kills")
        self._faults.calm()
        self._application.stop()
        if self._lives.life is not None and self._lives.may_die:
            self._lives.end(signal.SIGKILL)
        life = self._lives.life or self._lives.start(dares=False)
        self._lives.leave_alone()
        quiet_us = self._application.last_word()
        quiet_s = time.monotonic()
        life = self._settle(life, Rest(self._site, quiet_us))
        self._report.say(f"up to date, {time.monotonic() - quiet_s:.1f} s after the last change: {life.status}")
        self._looks.step()
        self._lives.end(signal.SIGTERM)
        return verdict.compare(self._site, self._report)

    def _confirm(self, life: Life) -> Life:
        """What an operator does whose rows are gone for good: backups lack some, and what is suspect stays so."""
        held = life.held_back()
        self._lives.end(signal.SIGTERM)
        for table, deletes in held.items():
            self._report.say(f"an operator confirms {deletes} deletes of {table}")
            done = run_command("sync", table, "-c", str(self._site.config_path), "--confirm-deletes", str(deletes),
                               folder=self._site.folder)
            if done.returncode:
                raise SoakError(f"deletes that were confirmed do not pass\n{done.stdout}{done.stderr}")
        return self._lives.start(dares=False)

    def _settle(self, life: Life, rest: Rest) -> Life:
        """Until all is at rest. The life that it is at the end."""
        def is_settled() -> bool:
            self._lives.watch(life)
            return life.has_told("E404") or rest.has_come(life)

        deadline = time.monotonic() + _PATIENCE_S
        life.wait_until(lambda: is_settled() or time.monotonic() > deadline, "rest", 2 * _PATIENCE_S)
        if not is_settled() and life.held_back():
            return self._settle(self._confirm(life), rest)
        if not is_settled():
            self._report.say(f"not at rest yet, and told to begin anew: {life.status}")
            life.process.send_signal(signal.SIGHUP)
            life.wait_until(is_settled, "rest", _LONG_PATIENCE_S)
        if life.has_told("E404"):
            self._lives.end(signal.SIGTERM)
            self._state.move_away()
            return self._settle(self._lives.start(dares=False), rest)
        if life.process.poll() is not None:
            raise SoakError(f"life {life.number} has ended by itself: {life.told}\n{life.tail}")
        return life

    def _sum_up(self, rows: int) -> None:
        report, lives = self._report, self._lives
        report.say("done")
        report.total("commits", f"{report.deeds.pop('commits', 0):,}")
        report.total("rows written", f"{report.deeds.pop('rows', 0):,}")
        report.totals("application and state", report.deeds)
        report.totals("faults", report.faults)
        report.totals("kills and signals", report.kills)
        report.total("lives", lives.count)
        report.total("cycles", f"{lives.cycles:,}, {lives.merges:,} MERGEs, {lives.rows:,} rows delivered")
        report.total("longest start", f"{lives.longest_start_s:.1f} s")
        report.total("longest failure", f"{lives.longest_failure_s:.1f} s")
        report.total("largest memory", f"{lives.max_rss_bytes / 2**20:.0f} MiB")
        report.total("looks at the target", self._looks.count)
        report.total("rows compared", f"{rows:,}")
        report.total("differences", 0)

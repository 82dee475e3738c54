"""The daemon's lives: signals, kills, and new starts."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable

from bqsync import failpoints
from tests.soak.life import Life
from tests.soak.report import Report, SoakError
from tests.soak.site import Site
from tests.soak.state_file import StateFile

_START_S = 90.0
_STOP_S = 30.0
"""TimeoutStopSec of the unit."""
_IO = 74
"""Exit code of a failure of this machine."""


class Lives:
    """
    One life after the other, as the dice fall.

    Args:
        site: where they live.
        rng: decides about everything.
        report: what happens is told and counted there.
        state: what happens between two of them.
    """

    def __init__(self, site: Site, rng: random.Random, report: Report, state: StateFile) -> None:
        self._site = site
        self._rng = rng
        self._report = report
        self._state = state
        self.life: Life | None = None
        self.count = 0
        self.rows = self.merges = self.cycles = 0
        self.max_rss_bytes = 0
        self.longest_start_s = self.longest_failure_s = 0.0
        self._end_s = 0.0
        self._next_s = 0.0
        self._pending: list[tuple[float, Callable[[Life], None]]] = []
        """What is to be ended, and when: a stop, a full disk."""
        self._was_ready = False
        self._is_failpoint_set = False
        self.may_harm_state = True
        """A new state compares everything anew, and hides what was lost before."""

    # What is done from outside.

    def step(self) -> None:
        """Do what is to be done now."""
        now_s = time.monotonic()
        if self.life is None:
            self.start(dares=True)
        life = self.life
        assert life is not None
        self.watch(life)
        if life.process.poll() is not None:
            self._note_death(life)
            return
        if life.has_told("E404"):
            self.end(signal.SIGTERM)
            self._state.move_away()
            return
        for item in [one for one in self._pending if now_s >= one[0]]:
            self._pending.remove(item)
            item[1](life)
        if now_s >= self._end_s and not self._pending:
            self.end(self._rng.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM)))
            self._state.happen(may_harm=self.may_harm_state)
        elif now_s >= self._next_s and life.is_ready:
            self._next_s = now_s + self._rng.uniform(1.5, 6)
            self._rng.choice((self._pause, self._reload, self._reload, self._fill_disk))(life)

    def start(self, *, dares: bool) -> Life:
        """A new life. One that dares may die by a failpoint."""
        self.count += 1
        environment = {}
        self._is_failpoint_set = dares and self._rng.random() < 0.45
        if self._is_failpoint_set:
            place = f"{self._rng.choice(failpoints.NAMES)}:{self._rng.choice((1, 1, 2, 4))}"
            environment["BQSYNC_FAILPOINT"] = place
            self._report.say(f"life {self.count}, which dies at {place}")
        else:
            self._report.say(f"life {self.count}")
        self.configure()
        self.life = Life(self._site, self.count, **environment)
        now_s = time.monotonic()
        self._was_ready = False
        self._end_s = now_s + self._rng.choice((self._rng.uniform(0.3, 4), *[self._rng.uniform(5, 25)] * 3))
        self._next_s = now_s + self._rng.uniform(1, 5)
        return self.life

    def watch(self, life: Life) -> None:
        """
        Look at what it says.

        Raises:
            SoakError: something that must not be said, or a memory that grows out of all bounds.
        """
        self.max_rss_bytes = max(self.max_rss_bytes, life.rss_bytes())
        if life.is_ready and not self._was_ready:
            self._was_ready = True
            self.longest_start_s = max(self.longest_start_s, time.monotonic() - life.begun_s)
        if not life.is_ready and not self._pending and time.monotonic() > life.begun_s + _START_S:
            raise SoakError(f"life {life.number} is not ready after {_START_S:.0f} s\n{life.tail}")
        if life.wrong:
            raise SoakError(f"life {life.number}: {life.wrong[0]}")

    def end(self, number: int) -> None:
        """
        End this life by a signal.

        Raises:
            SoakError: it takes too long, or it ends with another code.
        """
        life = self.life
        assert life is not None
        self._calm(life)
        name = signal.Signals(number).name
        asked_s = time.monotonic()
        # Before it has set its signals up, any of them ends it as it ends every process.
        well = {-number} if number == signal.SIGKILL else {0} if life.is_ready else {0, -number}
        code = life.end(number, _STOP_S if number == signal.SIGTERM else 10.0)
        self._report.kills[name] += 1
        self._report.say(f"{name}: life {life.number} has ended after {time.monotonic() - asked_s:.1f} s")
        self._gather(life)
        if code not in well and not self._died_by_failpoint(code):
            raise SoakError(f"life {life.number} has ended with {code} after {name}\n{life.tail}")

    @property
    def may_die(self) -> bool:
        """Whether this life has a failpoint ahead."""
        return self._is_failpoint_set

    def leave_alone(self) -> None:
        """End what is pending, and give this life a configuration that is valid, in case it begins anew."""
        if self.life is not None:
            self._calm(self.life)
        self.configure()

    def kill(self) -> None:
        """Leave nothing behind."""
        if self.life is not None:
            self.life.process.kill()
            self.life.ended()
            self.life = None

    def configure(self) -> None:
        """A configuration that is valid."""
        rng = self._rng
        self._site.configure(
            sync=f'sweep_interval = "{rng.choice((2, 4))} s"\nsweep_duty = 0.5\noverlap = "{rng.choice((2, 60))} s"\n'
                 f"page_rows = {rng.choice((100, 700, 5000))}\nchunk_rows = {rng.choice((1000, 5000, 200_000))}\n"
                 f"batch_rows = {rng.choice((50, 500))}\nparallel_tables = {rng.choice((1, 2, 4))}",
            watch=f'debounce = "{rng.choice((20, 200))} ms"\npoll_interval = "{rng.choice((0.5, 2))} s"')

    # What happens in a life.

    def _pause(self, life: Life) -> None:
        life.process.send_signal(signal.SIGSTOP)
        seconds = self._rng.choice((0.3, 2.0, 5.0))
        self._report.kills["SIGSTOP"] += 1
        self._report.say(f"SIGSTOP for {seconds} s")
        self._pending.append((time.monotonic() + seconds, lambda one: one.process.send_signal(signal.SIGCONT)))

    def _reload(self, life: Life) -> None:
        if self._pending:
            return
        is_good = self._rng.random() < 0.6
        if is_good:
            self.configure()
        else:
            self._site.config_path.write_text(self._rng.choice(("", "nonsense = 1\n", "[source\n", "\x00")))
        life.process.send_signal(signal.SIGHUP)
        self._report.kills["SIGHUP"] += 1
        self._report.say(f"SIGHUP with a {'good' if is_good else 'bad'} configuration")

    def _fill_disk(self, life: Life) -> None:
        seconds = self._rng.choice((0.5, 3.0))
        life.limit_files(self._state.size_bytes)
        self._report.kills["full disk"] += 1
        self._report.say(f"the disk of the state is full for {seconds} s")
        self._pending.append((time.monotonic() + seconds, lambda one: one.limit_files(None)))

    def _calm(self, life: Life) -> None:
        """End at once what is pending."""
        for _, act in self._pending:
            if life.process.poll() is None:
                act(life)
        self._pending.clear()

    # What happens after it.

    def _note_death(self, life: Life) -> None:
        code = life.ended()
        was_full = bool(self._pending)
        self._pending.clear()
        self._gather(life)
        if self._died_by_failpoint(code):
            self._report.kills["failpoint"] += 1
            self._report.say(f"life {life.number} has died at its failpoint")
            self._state.happen(may_harm=self.may_harm_state)
        elif code == _IO and was_full and life.has_told("E403"):
            # A reload on a disk that is full: neither configuration can open the state. systemd starts it again.
            self._report.kills["ended by E403"] += 1
            self._report.say(f"life {life.number} has ended: E403")
        elif code == _IO and life.has_told("E404"):
            self._state.move_away()
        else:
            raise SoakError(f"life {life.number} has ended by itself with {code}: {life.told}\n{life.tail}")

    def _died_by_failpoint(self, code: int) -> bool:
        return self._is_failpoint_set and code == -signal.SIGKILL

    def _gather(self, life: Life) -> None:
        self.life = None
        self.rows += life.rows
        self.merges += life.merges
        self.cycles += life.events["sync.completed"]
        self.longest_failure_s = max(self.longest_failure_s, life.longest_failure_s)
        if life.wrong:
            raise SoakError(f"life {life.number}: {life.wrong[0]}")

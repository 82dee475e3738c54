"""Rules, records and the state of being dead: what the two sides of a hostile BigQuery share, under one lock."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence

from tests.hostile.actions import Action, Method, Reset
from tests.hostile.calls import FOREVER, Call, Rule
from tests.hostile.rows import AppendedRow


class Control:
    """Thread-safe. Every property returns a copy, so that a test may look while calls arrive."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self._calls: list[Call] = []
        self._appended: list[AppendedRow] = []
        self._merges: list[str] = []
        self._listeners: list[Callable[[Call], object]] = []
        self._deathbeds: list[Callable[[], object]] = []
        self._dead = False
        self._interrupted = threading.Event()

    # For tests.

    def rule(
        self, method: Method, action: Action, *, holding: str = "", first: int = 1, times: int = FOREVER,
        share: float = 1.0, rng: random.Random | None = None,
    ) -> Rule:
        """
        Add a rule; the first one that applies to a call decides, and all that match it count it.

        Args:
            method: of the calls; ANY stands for all methods that the action is for.
            action: what happens to them.
            holding: a text that has to stand in the path, the body, or a row of an append.
            first: number of the matching call that it begins with.
            times: how many matching calls it lasts for.
            share: the chance of each of them.
            rng: decides about that.
        """
        rule = Rule(method=method, action=action, holding=holding, first=first, times=times, share=share,
                    rng=rng or random.Random())
        with self._lock:
            self._rules.append(rule)
        return rule

    def drop(self, rule: Rule) -> None:
        """End a rule."""
        with self._lock:
            self._rules.remove(rule)

    def on_call(self, listener: Callable[[Call], object]) -> None:
        """Have each call told before it is judged, in the thread that serves it; the call waits meanwhile."""
        with self._lock:
            self._listeners.append(listener)

    @property
    def calls(self) -> list[Call]:
        """Every call so far, but for those to the dead."""
        with self._lock:
            return list(self._calls)

    def matching(self, method: Method, holding: str = "") -> list[Call]:
        """The calls so far of that method that hold a text."""
        return [call for call in self.calls if method in {Method.ANY, call.method} and call.holds(holding)]

    @property
    def appended(self) -> list[AppendedRow]:
        """Every row that was appended and acknowledged, in order."""
        with self._lock:
            return list(self._appended)

    @property
    def merges(self) -> list[str]:
        """The text of every MERGE that took effect, once for each time."""
        with self._lock:
            return list(self._merges)

    @property
    def dead(self) -> bool:
        """
        While true nothing that is tried has any effect, and open calls are lost.

        So it looks from outside when the client's process has died, though its threads live on in a test.
        """
        return self._dead

    @dead.setter
    def dead(self, dead: bool) -> None:
        self._dead = dead
        if dead:
            self._interrupt()
            for leave in self._deathbeds:
                leave()

    def forget(self) -> None:
        """Forget the records: a run of hours makes more of them than fit into memory."""
        with self._lock:
            for memory in (self._calls, self._appended, self._merges):
                memory.clear()

    def reset(self) -> None:
        """Forget rules, records and listeners; end every wait; live."""
        with self._lock:
            for memory in (self._rules, self._calls, self._appended, self._merges, self._listeners):
                memory.clear()
        self._interrupt()
        self._dead = False

    # For the two sides.

    def judge(self, call: Call) -> Action | None:
        """Note a call; what is to happen to it, None for nothing."""
        if self._dead:
            return Reset()
        with self._lock:
            self._calls.append(call)
            listeners = list(self._listeners)
        for listener in listeners:
            listener(call)
        with self._lock:
            due = [rule for rule in self._rules if rule.applies(call)]
            if due:
                due[0].fired += 1
        if self._dead:  # a listener may have seen to that
            return Reset()
        return due[0].action if due else None

    def wait(self, seconds: float) -> bool:
        """Whether so much time has passed, and nothing has ended it early."""
        return not self._interrupted.wait(seconds)

    def note_appended(self, rows: Sequence[AppendedRow]) -> None:
        with self._lock:
            self._appended.extend(rows)

    def note_merge(self, statement: str) -> None:
        with self._lock:
            self._merges.append(statement)

    def when_dead(self, leave: Callable[[], object]) -> None:
        """Have something done whenever it dies."""
        self._deathbeds.append(leave)

    def _interrupt(self) -> None:
        interrupted, self._interrupted = self._interrupted, threading.Event()
        interrupted.set()

"""
Histories: whatever can happen to a source, a daemon, its state and BigQuery, in any order.

What must hold after each step and at the end is said in `checks.py`. A failing history is printed as a program of its
steps; `@reproduce_failure` or the printed steps bring it back.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from bqsync import failpoints
from bqsync.embedded import Endpoints
from bqsync.engine.schedule import SweepMode
from tests.hostile.proxy import HostileBigQuery
from tests.model import checks
from tests.model.faults import FAULTS, Fault
from tests.model.tables import KINDS, Cell, Kind
from tests.model.world import Key, World

_TICK_US = 7_000_000
_BOUNDS = ("", "page_rows = 2\nchunk_rows = 3", "page_rows = 1\nchunk_rows = 1\nbatch_rows = 1")
_STEPS_S = (-86_400, -3_600, -45, 45, 600, 86_400)
_TEXTS: tuple[Cell, ...] = ("one", "two", "drei ü", "", None)
_NUMBERS: tuple[Cell, ...] = (0, 1, -5, 2**53 + 1, None)
_BAD: tuple[tuple[str, Cell], ...] = (("n", "many"), ("n", 2.5), ("v", b"\x00\xff"), ("ts", "soon"), ("ts", b"x"))

_picks = st.integers(0, 1_000_000)


class Histories(RuleBasedStateMachine):
    """One history."""

    emulator: ClassVar[Endpoints]
    hostile: ClassVar[HostileBigQuery]

    @initialize(kind=st.sampled_from(KINDS), bounds=st.sampled_from(_BOUNDS), wal=st.booleans(),
                is_resident=st.booleans())
    def begin(self, kind: Kind, bounds: str, *, wal: bool, is_resident: bool) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="bqsync-model-")
        self.world = World(Path(self.folder.name), self.emulator, self.hostile, kind, sync=bounds,
                           is_resident=is_resident)
        if wal:
            self.world.app.execute("PRAGMA journal_mode = WAL")
        self.late: sqlite3.Connection | None = None
        self.backup: Path | None = None
        self.columns_added = 0

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self._end_late(commit=True)
            checks.converges(self.world)
        finally:
            self.world.close()
            self.folder.cleanup()

    # The application writes.

    def _can_write(self) -> bool:
        return self.late is None

    def _existing(self, pick: int) -> Key | None:
        keys = self.world.source_keys()
        return keys[pick % len(keys)] if keys else None

    def _insert(self, pick: int, connection: sqlite3.Connection | None = None) -> None:
        world = self.world
        key = world.kind.keys[pick % len(world.kind.keys)]
        names = ", ".join((*world.kind.key, "n", "v", "ts"))
        places = ", ".join("?" * (len(key) + 3))
        cells = (*key, _NUMBERS[pick % 5], _TEXTS[pick // 7 % 5], world.stamp())
        try:
            (connection or world.app).execute(f"INSERT INTO t ({names}) VALUES ({places})", cells)
        except sqlite3.IntegrityError:
            pass
        else:
            if connection is None:
                self._note_fresh(key)
        world.clock_us += _TICK_US

    def _note_fresh(self, key: Key, *, gone: bool = False) -> None:
        fresh = self.world.fresh
        if fresh is not None:
            (fresh.discard if gone else fresh.add)(self.world.target_key(key))

    def _update(self, pick: int, assignment: str, values: tuple[Cell, ...]) -> None:
        key = self._existing(pick)
        if key is not None:
            where, parameters = self.world.where(key)
            self.world.write(f"UPDATE OR IGNORE t SET {assignment} WHERE {where}", (*values, *parameters))
            if self.world.stamp() in values:
                self._note_fresh(key)
        self.world.clock_us += _TICK_US

    def _delete(self, pick: int) -> None:
        key = self._existing(pick)
        if key is not None:
            where, parameters = self.world.where(key)
            self.world.write(f"DELETE FROM t WHERE {where}", parameters)
            self._note_fresh(key, gone=True)

    @precondition(_can_write)
    @rule(picks=st.lists(_picks, min_size=1, max_size=4))
    def insert(self, picks: list[int]) -> None:
        for pick in picks:
            self._insert(pick)

    @precondition(_can_write)
    @rule(pick=_picks, text=st.sampled_from(_TEXTS), number=st.sampled_from(_NUMBERS), touch=st.booleans())
    def update(self, pick: int, text: Cell, number: Cell, *, touch: bool) -> None:
        if touch:
            self._update(pick, "n = ?, v = ?, ts = ?", (number, text, self.world.stamp()))
        else:
            self._update(pick, "n = ?, v = ?", (number, text))

    @precondition(_can_write)
    @rule(pick=_picks, bad=st.sampled_from(_BAD), touch=st.booleans())
    def write_a_wrong_type(self, pick: int, bad: tuple[str, Cell], *, touch: bool) -> None:
        column, value = bad
        if touch and column != "ts":
            self._update(pick, f"{column} = ?, ts = ?", (value, self.world.stamp()))
        else:
            self._update(pick, f"{column} = ?", (value,))
        if column == "ts":
            self.world.fresh = None

    @precondition(_can_write)
    @rule(pick=_picks)
    def mend(self, pick: int) -> None:
        self._update(pick, "n = 1, v = 'mended', ts = ?", (self.world.stamp(),))

    @precondition(_can_write)
    @rule(pick=_picks)
    def take_the_time_away(self, pick: int) -> None:
        self._update(pick, "ts = NULL", ())
        self.world.fresh = None

    @precondition(_can_write)
    @rule(pick=_picks)
    def delete(self, pick: int) -> None:
        self._delete(pick)

    @precondition(_can_write)
    @rule()
    def delete_all(self) -> None:
        self.world.write("DELETE FROM t")

    @precondition(_can_write)
    @rule(pick=_picks)
    def delete_and_insert_again(self, pick: int) -> None:
        self._renew(pick)

    def _renew(self, pick: int) -> None:
        self._delete(pick)
        self._insert(pick)

    @precondition(_can_write)
    @rule(pick=_picks, other=_picks)
    def change_a_key(self, pick: int, other: int) -> None:
        key = self.world.kind.keys[other % len(self.world.kind.keys)]
        self._update(pick, ", ".join(f"{name} = ?" for name in self.world.kind.key), key)
        self._note_fresh(key, gone=True)

    @precondition(_can_write)
    @rule(pick=_picks)
    def begin_a_late_commit(self, pick: int) -> None:
        self.late = sqlite3.connect(self.world.bench.db_path, isolation_level=None)
        self.late.execute("BEGIN IMMEDIATE")
        self._insert(pick, self.late)
        self.late_key = self.world.kind.keys[pick % len(self.world.kind.keys)]

    @precondition(lambda self: self.late is not None)
    @rule(commit=st.booleans())
    def end_the_late_commit(self, *, commit: bool) -> None:
        self._end_late(commit=commit)

    def _end_late(self, *, commit: bool) -> None:
        if self.late is not None:
            self.late.execute("COMMIT" if commit else "ROLLBACK")
            self.late.close()
            self.late = None
            if commit:
                self._note_fresh(self.late_key)

    # What happens to the file and to the clock.

    @rule(seconds=st.sampled_from(_STEPS_S))
    def step_the_clock(self, seconds: int) -> None:
        self.world.clock_us += seconds * 1_000_000
        self.world.fresh = None

    @precondition(_can_write)
    @rule()
    def vacuum(self) -> None:
        self.world.app.execute("VACUUM")

    @precondition(_can_write)
    @rule(mode=st.sampled_from(["DELETE", "WAL", "TRUNCATE", "PERSIST"]))
    def switch_the_journal(self, mode: str) -> None:
        self.world.app.execute(f"PRAGMA journal_mode = {mode}").fetchall()

    @precondition(_can_write)
    @rule()
    def make_a_backup(self) -> None:
        self.backup = Path(self.folder.name) / "backup.db"
        self.backup.unlink(missing_ok=True)
        self.world.app.execute("VACUUM INTO ?", (str(self.backup),))

    @precondition(lambda self: self.late is None and self.backup is not None)
    @rule(replace=st.booleans())
    def restore_the_backup(self, *, replace: bool) -> None:
        assert self.backup is not None
        self.world.fresh = None
        if replace:
            self.world.replace_file(self.backup)
        else:
            with closing(sqlite3.connect(self.backup)) as copy:
                copy.backup(self.world.app)

    @precondition(lambda self: self.late is None and self.columns_added < 2)
    @rule(default=st.sampled_from(["", "DEFAULT 'filled'"]))
    def add_a_column(self, default: str) -> None:
        self.columns_added += 1
        name = f"extra_{self.columns_added}"
        columns = [row[1] for row in self.world.app.execute("PRAGMA table_info(t)")]
        if name not in columns:
            self.world.app.execute(f"ALTER TABLE t ADD COLUMN {name} TEXT {default}")

    # Cycles.

    @rule(mode=st.sampled_from([SweepMode.ALWAYS, SweepMode.NEVER]))
    def cycle(self, mode: SweepMode) -> None:
        checks.cycle(self.world, mode)

    @rule(mode=st.sampled_from([SweepMode.ALWAYS, SweepMode.NEVER]), place=st.sampled_from(failpoints.NAMES),
          times=st.integers(1, 3))
    def cycle_and_kill(self, mode: SweepMode, place: str, times: int) -> None:
        checks.disturbed_cycle(self.world, mode, kill_at=(place, times))

    @precondition(_can_write)
    @rule(picks=st.lists(_picks, max_size=2), mode=st.sampled_from([SweepMode.ALWAYS, SweepMode.NEVER]), pick=_picks,
          place=st.sampled_from(["merge.submitted", "merge.ended", "commit.written", "commit.done"]),
          act=st.sampled_from(["delete", "delete all", "renew", "change back", "nothing"]))
    def write_die_and_write(self, picks: list[int], mode: SweepMode, pick: int, place: str, act: str) -> None:
        """The hardest moment to die: the MERGE has run, and nobody has noted it; then the rows change again."""
        for one in picks:
            self._insert(one)
        key = self._existing(pick)
        before = None if key is None else self.world.cells_of(key)
        self._update(pick, "v = 'for a moment', ts = ?", (self.world.stamp(),))
        checks.disturbed_cycle(self.world, mode, kill_at=(place, 1))
        if act == "delete":
            self._delete(pick)
        elif act == "delete all":
            self.world.write("DELETE FROM t")
        elif act == "renew":
            self._renew(pick)
        elif act == "change back" and before is not None:
            self._update(pick, "n = ?, v = ?, ts = ?", before)

    @rule(mode=st.sampled_from([SweepMode.ALWAYS, SweepMode.NEVER]), fault=st.sampled_from(FAULTS),
          first=st.integers(1, 2), times=st.sampled_from([1, 2, 1000]))
    def cycle_with_a_fault(self, mode: SweepMode, fault: Fault, first: int, times: int) -> None:
        planted = self.hostile.rule(fault.method, fault.action, holding=fault.holding, first=first, times=times)
        try:
            checks.disturbed_cycle(self.world, mode)
        finally:
            self.hostile.drop(planted)

    @precondition(_can_write)
    @rule(mode=st.sampled_from([SweepMode.ALWAYS, SweepMode.NEVER]), pick=_picks,
          place=st.sampled_from([name for name in failpoints.NAMES if not name.startswith("commit")]),
          act=st.sampled_from(["insert", "update", "delete", "again"]))
    def cycle_and_write_meanwhile(self, mode: SweepMode, pick: int, place: str, act: str) -> None:
        acts: dict[str, Callable[[], None]] = {
            "insert": lambda: self._insert(pick),
            "update": lambda: self._update(pick, "v = 'meanwhile', ts = ?", (self.world.stamp(),)),
            "delete": lambda: self._delete(pick),
            "again": lambda: self._renew(pick),
        }
        left = [2]

        def meanwhile() -> None:
            if left[0]:
                left[0] -= 1
                acts[act]()

        checks.cycle(self.world, mode, meanwhile=(place, meanwhile))

    @rule()
    def let_late_jobs_arrive(self) -> None:
        if self.hostile.held_jobs:
            self.hostile.release()
            self.world.disturb()

    # What happens to state and target.

    @rule()
    def save_the_state(self) -> None:
        self.world.saved_states = [self.world.read_state()]

    @precondition(lambda self: self.world.saved_states)
    @rule()
    def roll_the_state_back(self) -> None:
        self.world.put_state(self.world.saved_states[0])
        self.world.disturb()

    @rule()
    def lose_the_state(self) -> None:
        # A job that is under way when the only record of it is lost can't be told from somebody else's.
        self.hostile.release()
        self.world.put_state({})
        self.world.saved_states = []
        self.world.disturb()

    @rule(with_rows=st.booleans())
    def recreate_the_target(self, *, with_rows: bool) -> None:
        self.hostile.release()
        self.world.recreate_target(with_rows=with_rows)
        self.world.disturb()

    @rule()
    def come_to_rest(self) -> None:
        if self.late is None:
            checks.converges(self.world)

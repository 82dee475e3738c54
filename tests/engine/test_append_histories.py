"""Random lives of a table without a key: rows that are alike, kills, lost states, VACUUM, new columns, pruning."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest
from tests.workbench import Workbench, run_command

from bqsync import failpoints
from bqsync.engine.schedule import SweepMode

if TYPE_CHECKING:
    from collections.abc import Callable

TABLE = '[[tables]]\nname = "log"\nmode = "append"\n'
FORMS = {
    "sweeps alone": TABLE,
    "a watermark without an index": TABLE + 'watermark = ["logged_at"]\n',
    "a watermark": TABLE + 'watermark = ["logged_at"]\n',
    "no sweeps": TABLE + 'watermark = ["logged_at"]\nsweep = "off"\n',
}
BASE_S = 1_750_000_000
STEPS = 9


class Life:
    """An application that only ever adds rows, and prunes what was delivered long ago."""

    def __init__(self, bench: Workbench, form: str, random: Random) -> None:
        self.bench, self.form, self.random = bench, form, random
        self.now_s = BASE_S
        self.columns = 3
        self.rows: list[tuple[object, ...]] = []
        """Every row that was ever added, with the values of the columns that came while it was there."""
        self.pruned: list[tuple[object, ...]] = []
        bench.fill("CREATE TABLE log (logged_at INTEGER, level TEXT, text)")
        if form != "a watermark without an index":
            bench.fill("CREATE INDEX log_logged_at ON log (logged_at)")
        # Small pages and chunks: a history has several of each.
        bench.configure(FORMS[form], sync="page_rows = 3\nchunk_rows = 5\nbatch_rows = 2")

    def add(self) -> None:
        self.now_s += self.random.choice((0, 0, 1, 30))
        fresh = [(self.now_s, self.random.choice(("info", None)), self.random.choice((1, 1.0, "1", None)))
                 for _ in range(self.random.randint(1, 8))]
        places = ", ".join("?" * 3)
        self.bench.fill("", (f"INSERT INTO log (logged_at, level, text) VALUES ({places})", fresh))
        self.rows += [(*row, *range(self.columns - 3)) for row in fresh]

    def prune(self) -> None:
        """All rows of an instant go together."""
        self.cycle()
        until_s = self.random.randint(BASE_S, self.now_s)
        self.bench.fill(f"DELETE FROM log WHERE logged_at < {until_s}")
        self.pruned += [row for row in self.rows if int(str(row[0])) < until_s]
        self.rows = [row for row in self.rows if int(str(row[0])) >= until_s]

    def grow(self) -> None:
        """The default of the column that comes is its number."""
        number = self.columns - 3
        self.bench.fill(f"ALTER TABLE log ADD COLUMN extra_{number} INTEGER DEFAULT {number}")
        self.columns += 1
        self.rows = [(*row, number) for row in self.rows]

    def vacuum(self) -> None:
        self.bench.fill("VACUUM")

    def lose_state(self) -> None:
        # Without sweeps, rows of before the overlap would be sent again: the same ids, the same rows.
        self.bench.lose_state()

    def killed(self) -> None:
        place = f"{self.random.choice(failpoints.NAMES)}:{self.random.randint(1, 2)}"
        run_command("sync", "-c", str(self.bench.config_path), folder=self.bench.folder, BQSYNC_FAILPOINT=place)

    def cycle(self) -> None:
        mode = SweepMode.ALWAYS if self.form == "sweeps alone" else self.random.choice(list(SweepMode))
        assert self.bench.sync(sweep=mode)["log"].error is None

    def target(self) -> Counter[tuple[object, ...]]:
        names = ["UNIX_SECONDS(logged_at) AS s", "level", "text", *(f"extra_{n}" for n in range(self.columns - 3))]
        rows = self.bench.query(f"SELECT {', '.join(names)} FROM {{d}}.log")
        return Counter(tuple(row.values()) for row in rows)

    def expected(self) -> Counter[tuple[object, ...]]:
        rows = [(*row, *(None,) * (self.columns - len(row))) for row in self.pruned + self.rows]
        return Counter((*row[:2], None if row[2] is None else str(row[2]), *row[3:]) for row in rows)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", range(2))
def test_every_row_stands_in_the_target_as_often_as_it_was_added(
    workbench: Workbench, form: str, seed: int
) -> None:
    random = Random(f"{form} {seed}")
    life = Life(workbench, form, random)
    # Without sweeps nobody goes back to the rows that a new column has changed.
    steps: list[Callable[[], None]] = [life.add, life.add, life.cycle, life.vacuum, life.killed, life.prune]
    if form != "no sweeps":
        steps += [life.grow, life.lose_state]
    life.add()
    for _ in range(STEPS):
        random.choice(steps)()
    life.bench.sync()
    assert life.bench.sync()["log"].merges == 0
    assert life.target() == life.expected()
    assert life.bench.verify("log").rows_different == 0

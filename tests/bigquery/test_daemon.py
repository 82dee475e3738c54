"""The daemon beside an application that writes: what it says is delivered is there; at rest both sides are equal."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.daemon.life import Life
from tests.daemon.tables import AT, MARKED, PLAIN, QUICK, fill, is_equal
from tests.workbench import PATIENCE_S, Workbench

pytestmark = pytest.mark.service

ROUNDS = 10


@pytest.fixture
def life(workbench: Workbench) -> Iterator[Life]:
    fill(workbench)
    workbench.configure(MARKED + PLAIN, extra=QUICK)
    one = Life(workbench)
    yield one
    one.close()


def wait_for_rows(life: Life, table: str, upserted: int, deleted: int) -> None:
    """Wait for what the log says: a look at the target is a statement to be paid for."""
    def count(field: str) -> int:
        return sum(line[field] for line in life.events("sync.completed", table=table))

    deadline = time.monotonic() + PATIENCE_S
    while count("rows_upserted") < upserted or count("rows_deleted") < deleted:
        assert life.process.poll() is None, life.errors
        assert time.monotonic() < deadline, life.lines[-10:]
        time.sleep(0.1)


def test_an_application_that_goes_on_writing_is_followed(workbench: Workbench, life: Life) -> None:
    wait_for_rows(life, "marked", 10, 0)
    wait_for_rows(life, "plain", 10, 0)
    for number in range(ROUNDS):
        at = AT + 100 + number
        workbench.db.execute("INSERT INTO marked VALUES (?, 'new', ?)", (100 + number, at))
        workbench.db.execute("UPDATE marked SET v = 'changed', at = ? WHERE id = ?", (at, number))
        workbench.db.execute("INSERT INTO plain VALUES (?, 'new')", (100 + number,))
        if number % 2:
            workbench.db.execute("DELETE FROM plain WHERE id = ?", (number,))
        time.sleep(0.05)
    # Each row changes once, so that each is told once, whatever the cycles gather.
    wait_for_rows(life, "marked", 10 + 2 * ROUNDS, 0)
    wait_for_rows(life, "plain", 10 + ROUNDS, ROUNDS // 2)
    assert is_equal(workbench, "marked")
    assert is_equal(workbench, "plain")
    assert life.end(within_s=60.0) == 0
    assert life.errors == ""
    assert workbench.verify("marked").rows_different == 0

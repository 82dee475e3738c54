"""That the comparison at the end of a soak sees what it is for."""

from __future__ import annotations

import random
import sqlite3

import pytest

from tests.soak.tables import KINDS, WRONG, Key, Kind, Row, create, expected
from tests.soak.verdict import differences

KIND = KINDS[0]


@pytest.fixture
def db() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None)
    create(db, random.Random(1), [KIND])
    return db


def arrived(db: sqlite3.Connection, kind: Kind) -> dict[Key, list[Row]]:
    """A target that is as it has to be."""
    return {key: [dict(row)] for key, row in expected(db, kind).rows.items()}


def test_a_target_that_is_as_it_has_to_be_differs_in_nothing(db: sqlite3.Connection) -> None:
    assert differences(KIND, expected(db, KIND), arrived(db, KIND), set()) == []


def test_every_way_to_differ_is_told(db: sqlite3.Connection) -> None:
    target = arrived(db, KIND)
    del target[1,]
    target[2,].append(target[2,][0])
    target[3,][0]["n"] = -7
    target[4,][0]["r"] = 0.3 if target[4,][0]["r"] is None else None
    target[9_999,] = target[2,][:1]
    told = differences(KIND, expected(db, KIND), target, set())
    assert sorted(text.split(":")[0] for text in told) == [
        "orders (1,) is missing in the target", "orders (2,) stands 2 times in the target",
        "orders (3,) differs in n", "orders (4,) differs in r",
        "orders (9999,) is gone from the source and stands in the target",
    ]


def test_a_row_with_a_wrong_value_waits_and_its_earlier_version_may_stay(db: sqlite3.Connection) -> None:
    target = arrived(db, KIND)
    for number, (column, value) in enumerate(WRONG, start=1):
        db.execute(f"UPDATE orders SET {column} = ? WHERE id = ?", (value, number))
    wanted = expected(db, KIND)
    assert wanted.waiting == {(number,) for number in range(1, len(WRONG) + 1)}
    assert differences(KIND, wanted, target, set()) == []
    del target[1,]
    assert differences(KIND, wanted, target, set()) == [], "or it was never delivered"


def test_a_column_that_the_source_has_no_more_is_null_if_the_state_knows_it(db: sqlite3.Connection) -> None:
    target = arrived(db, KIND)
    target[1,][0]["extra_0"] = "filled"
    target[2,][0]["extra_0"] = None
    (told,) = differences(KIND, expected(db, KIND), target, {"extra_0"})
    assert told.startswith("orders (1,) differs in extra_0")
    assert differences(KIND, expected(db, KIND), target, {"n"}) == []

"""Schemas and values that change under a running daemon: one table's matter, or one row's, and it passes."""

from __future__ import annotations

import math

from tests.bad_input.command import SENTINEL
from tests.daemon.tables import target, wait_equal
from tests.faults.running import copied, deleted, filled, running, write
from tests.workbench import Workbench


def test_a_table_that_is_renamed_is_refused_and_goes_on_under_its_name(workbench: Workbench) -> None:
    filled(workbench)
    with running(workbench) as life:
        copied(life, workbench)
        workbench.db.execute("ALTER TABLE plain RENAME TO moved")
        refused = life.wait("table.refused", table="plain")
        assert (refused["code"], "[[tables]]" in refused["fix"]) == ("E104", True)
        workbench.db.execute("INSERT INTO marked VALUES (50, 'goes on', 1700000500)")
        wait_equal(life, workbench, "marked")
        assert len(target(workbench, "plain")) == 10
        workbench.db.execute("ALTER TABLE moved RENAME TO plain")
        write(workbench, 60)
        copied(life, workbench)
        life.wait("sync.recovered", table="plain")
        assert deleted(life) == 0


def test_columns_that_come_change_their_name_and_go_are_followed(workbench: Workbench) -> None:
    filled(workbench)

    def extra() -> list[tuple[int, object]]:
        rows = workbench.rows("plain", "id")
        return [(row["id"], row.get("renamed", row.get("more"))) for row in rows]

    with running(workbench) as life:
        copied(life, workbench)
        workbench.db.execute(f"ALTER TABLE plain ADD COLUMN more TEXT DEFAULT '{SENTINEL} default'")
        life.wait("target.altered", table="plain")
        life.wait_until(lambda: {value for _, value in extra()} == {f"{SENTINEL} default"}, "the new column is filled")
        workbench.db.execute("ALTER TABLE plain RENAME COLUMN more TO renamed")
        life.wait("target.altered", 2, table="plain")
        life.wait_until(lambda: {value for _, value in extra()} == {f"{SENTINEL} default"}, "it takes its values along")
        workbench.db.execute("ALTER TABLE plain DROP COLUMN renamed")
        life.wait_until(lambda: {value for _, value in extra()} == {None}, "the dropped column goes NULL")
        write(workbench, 50)
        copied(life, workbench)
        assert deleted(life) == 0
        assert life.events("sync.failed") == life.events("table.refused") == []


ODD = '[[tables]]\nname = "odd"\n'


def test_values_that_fit_no_column_wait_and_hold_nothing_up(workbench: Workbench) -> None:
    """Text, a fraction and 2^63 in a column of integers, a text that is no UTF-8; infinity is a FLOAT64."""
    workbench.db.execute("CREATE TABLE odd (id INTEGER PRIMARY KEY, n INTEGER, r REAL, v TEXT)")
    workbench.db.execute("INSERT INTO odd VALUES (0, 0, 0, 'fine')")
    filled(workbench, tables=ODD)
    with running(workbench) as life:
        wait_equal(life, workbench, "odd", "plain")
        for statement in (
            f"INSERT INTO odd VALUES (1, '{SENTINEL}', 1, 'text in a column of integers')",
            "INSERT INTO odd VALUES (2, 1.5, 1, 'a fraction')",
            "INSERT INTO odd VALUES (3, 9223372036854775807 + 1, 1, 'beyond 64 bits')",
            f"INSERT INTO odd VALUES (4, 1, 1, CAST(x'ff' || '{SENTINEL}' AS TEXT))",
            "INSERT INTO odd VALUES (5, 9223372036854775807, 9e999, 'infinite'), (6, 1, -9e999, 'below')",
        ):
            workbench.db.execute(statement)
        write(workbench, 50)
        life.wait_until(lambda: {row["id"] for row in workbench.rows("odd", "id")} == {0, 5, 6}, "the good ones arrive")
        assert [row["r"] for row in workbench.rows("odd", "id")] == [0.0, math.inf, -math.inf]
        wait_equal(life, workbench, "plain", "marked")
        life.wait_until(lambda: len(workbench.quarantine()) == 4, "the others wait")
        life.wait_until(lambda: sum(line["rows"] for line in life.events("row.quarantined", table="odd")) == 4, "told")
        assert {(table, column) for table, column, _ in workbench.quarantine()} == {("odd", "n"), ("odd", "v")}
        workbench.db.execute("UPDATE odd SET n = 7, v = 'mended' WHERE id IN (1, 2, 3, 4)")
        wait_equal(life, workbench, "odd")
        life.wait_until(lambda: workbench.quarantine() == [], "nothing waits any more")
        life.wait("quarantine.recovered", table="odd")
        assert deleted(life) == 0
        assert life.events("sync.failed") == []

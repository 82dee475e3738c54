"""Names that a statement uses for itself, as names of columns: synced and read back by an engine."""

from __future__ import annotations

from tests.workbench import Workbench


def test_columns_named_as_their_table_or_as_an_alias_arrive_and_are_read_back(workbench: Workbench) -> None:
    workbench.fill(
        "CREATE TABLE things (id INTEGER PRIMARY KEY, things TEXT, T TEXT, S REAL, present INTEGER);",
        ("INSERT INTO things VALUES (?, ?, ?, ?, ?)", [(1, "a", "b", 0.5, 7), (2, None, "c", 1.5, None)]))
    workbench.configure('[[tables]]\nname = "things"\n')
    assert workbench.sync()["things"].rows_upserted == 2
    workbench.db.execute("UPDATE things SET T = 'changed', things = 'changed too' WHERE id = 1")
    assert workbench.sync()["things"].rows_upserted == 1
    assert workbench.rows("things", "id")[0] == {
        "id": 1, "things": "changed too", "T": "changed", "S": 0.5, "present": 7}
    assert workbench.verify("things").rows_different == 0
    assert workbench.sync(full=True)["things"].error is None
    workbench.query("DELETE FROM {d}.things WHERE id = 2")
    assert workbench.verify("things").rows_different == 1

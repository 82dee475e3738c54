"""A statement that came before is answered as if it came for the first time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.workbench import Workbench

MERGE = ("MERGE {d}.t T USING (SELECT 1 AS id, CURRENT_TIMESTAMP() AS at) S ON T.id = S.id"
         " WHEN MATCHED THEN UPDATE SET n = n + 1 WHEN NOT MATCHED THEN INSERT (id, n) VALUES (S.id, 1)")


def test_the_same_texts_again_and_again_do_what_they_say(workbench: Workbench) -> None:
    workbench.rest.create_dataset(workbench.dataset)
    for round_number in (1, 2):
        workbench.query("CREATE TABLE {d}.t (id INT64, n INT64)")
        for number in (1, 2, 3):
            workbench.query(MERGE)
            assert workbench.rows("t", "id") == [{"id": 1, "n": number}], round_number
        workbench.query("DROP TABLE {d}.t")
        assert workbench.tables() == set()

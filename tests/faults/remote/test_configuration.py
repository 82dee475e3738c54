"""A configuration that can't be used keeps the daemon from starting: code 78, which systemd does not start again."""

from __future__ import annotations

import pytest
from tests.bad_input.command import run
from tests.daemon.conftest import Start
from tests.daemon.life import PATIENCE_S
from tests.daemon.tables import PLAIN, QUICK, fill, wait_equal
from tests.workbench import Workbench


@pytest.mark.parametrize(("old", "new", "words"), [
    ("dataset =", "datset =", ("unknown key bigquery.datset", "did you mean dataset?")),
    (None, "", ("source.db is missing", "bigquery.project is missing", "no table is configured")),
])
def test_a_daemon_does_not_start_with_what_it_does_not_understand(
    workbench: Workbench, old: str | None, new: str, words: tuple[str, ...],
) -> None:
    workbench.configure(PLAIN)
    text = workbench.config_path.read_text(encoding="utf-8")
    workbench.config_path.write_text(new if old is None else text.replace(old, new), encoding="utf-8")
    run(workbench.folder, "run").told(78, "E101", *words)
    assert not workbench.state_path.exists()


def test_a_table_that_is_not_there_yet_is_told_once_and_delivered_when_it_comes(
    workbench: Workbench, start: Start,
) -> None:
    fill(workbench)
    workbench.configure(PLAIN + '[[tables]]\nname = "later"\n', extra=QUICK)
    life = start(workbench).ready()
    refused = life.wait("table.refused")
    assert (refused["table"], refused["code"], "'later'" in refused["what"]) == ("later", "E104", True)
    wait_equal(life, workbench, "plain")
    workbench.fill("CREATE TABLE later (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO later VALUES (1, 'there')")
    wait_equal(life, workbench, "later")
    assert len(life.events("table.refused")) == 1
    assert life.end(within_s=PATIENCE_S) == 0

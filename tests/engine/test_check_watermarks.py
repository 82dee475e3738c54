"""What `bqsync check` says of watermark columns before the first row travels."""

from __future__ import annotations

import pytest
from tests.workbench import Workbench

from bqsync.engine.check import run_checks

TABLE = '[[tables]]\nname = "t"\nwatermark = ["at"]\n'


def warnings(bench: Workbench) -> list[str]:
    return [finding.what for finding in run_checks(bench.config, offline=False) if finding.level == "warning"]


def fill(bench: Workbench, *values: object, key: str = "INTEGER PRIMARY KEY", settings: str = "") -> None:
    bench.fill(f"CREATE TABLE t (id {key}, at TEXT); CREATE INDEX t_at ON t (at)",
               ("INSERT INTO t VALUES (?, ?)", list(enumerate(values))))
    bench.configure(TABLE + settings)


def test_texts_of_one_form_are_in_order(workbench: Workbench) -> None:
    fill(workbench, "2026-01-01 00:00:00", "2026-01-02 00:00:00")
    assert warnings(workbench) == []


@pytest.mark.parametrize(("values", "why"), [
    (("2026-01-01T00:00:00Z", "2026-01-01 00:00:00Z"), "2 forms"),
    (("yesterday", "today!!!!"), "not instants of one unit"),
    (("2026-01-01 00:00", "2026-01-02 00:00"), "no dates and times"),
])
def test_texts_that_do_not_sort_as_their_instants_are_told(
    workbench: Workbench, values: tuple[str, ...], why: str,
) -> None:
    fill(workbench, *values)
    (warning,) = warnings(workbench)
    assert warning.startswith("at can't be a watermark")
    assert why in warning


def test_a_key_that_the_source_does_not_keep_unique_is_told(workbench: Workbench) -> None:
    fill(workbench, "2026-01-01", key="INTEGER", settings='key = ["id"]\n')
    (warning,) = warnings(workbench)
    assert warning.startswith("its watermark is not used")


def test_a_column_without_an_index_is_told_with_the_statement_that_makes_one(workbench: Workbench) -> None:
    fill(workbench, "2026-01-01")
    workbench.fill("DROP INDEX t_at")
    findings = [finding for finding in run_checks(workbench.config, offline=True) if finding.level == "warning"]
    assert [finding.fix for finding in findings] == ['consider CREATE INDEX "t_at" ON "t" ("at")']


def test_a_number_that_sqlite_counts_needs_no_index(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT); INSERT INTO t (v) VALUES ('a')")
    workbench.configure('[[tables]]\nname = "t"\nmode = "append"\nwatermark = ["id"]\n')
    assert warnings(workbench) == []


def test_a_table_without_a_key_is_said_to_be_known_by_its_contents(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (at TEXT, v TEXT); CREATE INDEX t_at ON t (at);"
                   "INSERT INTO t VALUES ('2026-01-01', 'a')")
    workbench.configure(TABLE + 'mode = "append"\n')
    findings = run_checks(workbench.config, offline=False)
    assert [finding.what for finding in findings if finding.level == "warning"] == []
    assert "2 columns, no key: rows are known by their contents" in [finding.what for finding in findings]

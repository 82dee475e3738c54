"""The metrics of a real daemon, as Prometheus gets them: what each number says while things happen to the daemon."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

from tests.cli.command_line import document
from tests.daemon.conftest import Start
from tests.daemon.hold import held
from tests.daemon.life import Life
from tests.daemon.relay import Relay
from tests.daemon.scraping import SERVED, Scraped, get, scrape
from tests.daemon.tables import AT, MARKED, PLAIN, QUICK, configure, fill, wait_equal
from tests.hostile.actions import Billed, Method, RestFailure
from tests.hostile.proxy import HostileBigQuery
from tests.watch.test_watch_life import QUEUE, flood
from tests.workbench import Workbench, run_command

from bqsync.engine.verdicts import FLOOD_ROWS
from bqsync.observe.metrics import METRICS, Metric

DOCS = Path(__file__).parents[2] / "docs"
BUSY = RestFailure(status=503, reason="backendError", message="Error encountered during execution. Try again later.")
DENIED = RestFailure(status=403, reason="accessDenied", message="Access Denied")
ROWS = 1_200
"""More than the guard lets go unasked."""
COMPARING = 'verify_interval = "2 s"\n'
MORE_LABELS = {"instance", "job"}
"""Prometheus adds them."""


def wait_for(life: Life, what: str, expected: float, **labels: str) -> None:
    """Scrape until a sample has that value."""
    life.wait_until(lambda: scrape(life).value(what, **labels) == expected, f"{what} {labels} = {expected}")


def delivered(found: Scraped, table: str) -> dict[str, float | None]:
    return {op: found.value("bqsync_rows_total", table=table, op=op) for op in ("upserted", "deleted")}


def logged(life: Life, table: str) -> dict[str, float]:
    lines = life.events("sync.completed", table=table)
    return {op: sum(line[f"rows_{op}"] for line in lines) for op in ("upserted", "deleted")}


def is_as_logged(life: Life, table: str) -> bool:
    return delivered(scrape(life), table) == logged(life, table)


def mismatched(life: Life, table: str) -> float | None:
    return scrape(life).value("bqsync_verify_mismatched_rows", table=table)


def wait_delivered(life: Life, table: str, **rows: int) -> None:
    life.wait_until(lambda: delivered(scrape(life), table) == rows, f"{rows} of {table}")


def test_the_numbers_say_what_was_done(hostile_bench: Workbench, hostile: HostileBigQuery, start: Start) -> None:
    bench = hostile_bench
    fill(bench, ROWS)
    configure(bench, MARKED + PLAIN, extra=QUICK + SERVED, sync=COMPARING)
    billed = hostile.rule(Method.JOBS_INSERT, Billed(10 << 20))
    life = start(bench).ready()
    for table in ("marked", "plain"):
        wait_delivered(life, table, upserted=ROWS, deleted=0)
        wait_for(life, "bqsync_lag_seconds", 0, table=table)
        # Nobody repairs a row that stands there twice: the next comparisons find it, too.
        bench.query(f"INSERT INTO {{d}}.{table} SELECT * FROM {{d}}.{table} WHERE id = 7")
    check_contents(life, bench)
    check_deliveries(life, bench)
    check_waiting(life, bench, hostile)
    hostile.drop(billed)
    check_failures(life, bench, hostile)
    check_lost_events(life, bench)
    check_reload(life, bench)
    check_held_deletes(life, bench)
    check_flood(life, bench)
    found = scrape(life)
    assert life.end() == 0
    check_bills(found, bench)


def check_contents(life: Life, bench: Workbench) -> None:
    """Every metric, type and label that the page lists, and none besides; and all that alerts and dashboard ask for."""
    bench.db.execute("INSERT INTO plain VALUES (9999, x'ff')")
    wait_for(life, "bqsync_quarantined_rows", 1, table="plain")
    for table in ("marked", "plain"):
        life.wait_until(partial(mismatched, life, table), f"a difference in {table}")
    found = scrape(life)
    page = (DOCS / "metrics.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `((?:bqsync|process)_\w+)` \| (\w+) \|", page, re.MULTILINE)
    assert [(name, family.type) for name, family in found.families.items()] == listed
    for metric, specification in METRICS.items():
        family = found.families[metric.value]
        assert family.documentation == specification.help
        assert family.samples or metric is Metric.ERRORS, metric
        assert all(set(sample.labels) - {"le"} == set(specification.labels) for sample in family.samples), metric
    asked = asked_for()
    assert len(asked) > 30
    names = {sample.name for family in found.families.values() for sample in family.samples} | {Metric.ERRORS.value}
    for name, labels in asked:
        assert name in names, name
        assert labels <= labels_of(name), (name, labels)


def labels_of(name: str) -> set[str]:
    """Of a sample."""
    base = next((metric for metric in Metric if metric.value in {name, re.sub("_(bucket|sum|count)$", "", name)}), None)
    more = {"le"} if name.endswith("_bucket") else set()
    return MORE_LABELS | more | (set(METRICS[base].labels) if base else set())


def asked_for() -> list[tuple[str, set[str]]]:
    """Each metric that alerts and dashboard name, with the labels that stand with it."""
    rules = (DOCS / "alerts" / "bqsync.rules.yml").read_text(encoding="utf-8")
    board = (DOCS / "grafana" / "bqsync.json").read_text(encoding="utf-8").replace('\\"', '"')
    expressions = [*re.findall(r"^ +expr: (.+)$", rules, re.MULTILINE), *re.findall(r'"expr": "(.+)",$', board,
                   re.MULTILINE), *re.findall(r'"query": "label_values\((.+)\)",$', board, re.MULTILINE)]
    found = []
    for expression in expressions:
        around = {label for group in re.findall(r"\bby \(([\w, ]+)\)", expression) for label in group.split(", ")}
        for name, matchers in re.findall(r"\b((?:bqsync|process)_\w+)\b(?:\{([^}]*)\})?", expression):
            found.append((name, around | set(re.findall(r"(\w+)(?:=|!)", matchers))))
    assert all(re.search("bqsync|process|up{", expression) for expression in expressions)
    return found


def check_deliveries(life: Life, bench: Workbench) -> None:
    """Rows by operation: exactly what was done, and what the log tells."""
    assert scrape(life).value("bqsync_up") == 1
    assert scrape(life).value("bqsync_rows_quarantined_total", table="plain") == 1
    bench.db.execute("UPDATE marked SET v = 'new', at = ? WHERE id < 3", (AT + 2 * ROWS,))
    bench.db.execute("DELETE FROM plain WHERE id < 2")
    wait_delivered(life, "marked", upserted=ROWS + 3, deleted=0)
    wait_delivered(life, "plain", upserted=ROWS, deleted=2)
    for table in ("marked", "plain"):
        life.wait_until(partial(is_as_logged, life, table), f"the same in the log, of {table}")
        merges = sum(line["merges"] for line in life.events("sync.completed", table=table))
        assert scrape(life).value("bqsync_merges_total", table=table) == merges
        assert scrape(life).value("bqsync_bytes_sent_total", table=table) == sum(
            line["bytes_sent"] for line in life.events("sync.completed", table=table))
    assert (scrape(life).value("bqsync_fs_events_total", kind="changed") or 0) > 0
    assert (scrape(life).value("bqsync_rows_total", table="plain", op="unchanged") or 0) >= ROWS - 2


def check_waiting(life: Life, bench: Workbench, hostile: HostileBigQuery) -> None:
    """Lag grows while a change can't get through, its row is pending, and both are over when it has."""
    with held(hostile, Method.JOBS_INSERT, "MERGE"):
        bench.db.execute("INSERT INTO marked VALUES (20000, 'waits', ?)", (AT + 3 * ROWS,))
        wait_for(life, "bqsync_pending_rows", 1, table="marked")
        first_s = scrape(life).value("bqsync_lag_seconds", table="marked") or 0.0
        assert first_s > 0
        life.wait_until(lambda: (scrape(life).value("bqsync_lag_seconds", table="marked") or 0.0) > first_s + 0.5,
                        "a lag that grows")
    wait_for(life, "bqsync_lag_seconds", 0, table="marked")
    wait_for(life, "bqsync_pending_rows", 0, table="marked")
    life.wait_until(lambda: scrape(life).value("bqsync_delivery_lag_seconds_count") == len(
        [line for line in life.events("sync.completed") if "lag_s" in line]), "the lags of the log")


def check_failures(life: Life, bench: Workbench, hostile: HostileBigQuery) -> None:
    """A call that is tried again is a retry; a cycle that fails is an error of its table, until one succeeds."""
    assert set(scrape(life).by("bqsync_retries_total", "kind").values()) == {0}
    hostile.rule(Method.JOBS_INSERT, BUSY, holding="MERGE", times=1)
    bench.db.execute("INSERT INTO marked VALUES (20001, 'again', ?)", (AT + 3 * ROWS,))
    wait_for(life, "bqsync_retries_total", 1, kind="bigquery_transient")
    wait_delivered(life, "marked", upserted=ROWS + 5, deleted=0)
    rule = hostile.rule(Method.JOBS_INSERT, DENIED, holding="MERGE")
    bench.db.execute("INSERT INTO marked VALUES (20002, 'denied', ?)", (AT + 3 * ROWS,))
    life.wait_until(lambda: (scrape(life).value("bqsync_consecutive_failures", table="marked") or 0) >= 1, "a failure")
    hostile.drop(rule)
    wait_for(life, "bqsync_consecutive_failures", 0, table="marked")
    failures = life.wait("sync.recovered", table="marked")["failures"]
    assert scrape(life).value("bqsync_errors_total", table="marked", kind="bigquery_permission") == failures
    assert scrape(life).value("bqsync_consecutive_failures", table="plain") == 0


def check_lost_events(life: Life, bench: Workbench) -> None:
    assert scrape(life).value("bqsync_fs_events_total", kind="overflow") == 0
    life.process.send_signal(signal.SIGSTOP)
    flood(bench.folder, "noise", "other-noise", rounds=int(QUEUE.read_text("ascii")))
    life.process.send_signal(signal.SIGCONT)
    life.wait_until(lambda: (scrape(life).value("bqsync_fs_events_total", kind="overflow") or 0) >= 1, "an overflow")


def check_reload(life: Life, bench: Workbench) -> None:
    """Counters go on, whatever the log is told to leave out; a table that was removed is gone from them."""
    before = scrape(life)
    configure(bench, MARKED, extra=f"{QUICK}{SERVED}[log]\nlevel = 'error'\n", sync="verify_interval = 0\n")
    life.reload()
    after = scrape(life)
    gone = {key for key in before.counters() if ("table", "plain") in key[1]}
    assert gone
    assert before.counters().keys() - after.counters().keys() == gone
    assert all(after.counters()[key] >= value for key, value in before.counters().items() if key not in gone)
    lines = len(life.events("sync.completed"))
    bench.db.execute("INSERT INTO marked VALUES (20003, 'not told', ?)", (AT + 3 * ROWS,))
    wait_delivered(life, "marked", upserted=ROWS + 7, deleted=0)
    assert len(life.events("sync.completed")) == lines, "the log leaves out what is no error"

    assert scrape(life).value("bqsync_config_last_reload_successful") == 1
    taken = scrape(life).value("bqsync_config_last_reload_success_timestamp_seconds")
    bench.config_path.write_text("[source]\n", encoding="utf-8")
    life.reload()
    assert scrape(life).value("bqsync_config_last_reload_successful") == 0
    assert scrape(life).value("bqsync_errors_total", table="", kind="config_invalid") == 1
    assert scrape(life).value("bqsync_config_last_reload_success_timestamp_seconds") == taken


def check_held_deletes(life: Life, bench: Workbench) -> None:
    configure(bench, MARKED + PLAIN, extra=QUICK + SERVED, sync="verify_interval = 0\n")
    life.reload()
    assert scrape(life).value("bqsync_config_last_reload_successful") == 1
    # What was counted of the table before it was removed counts on.
    wait_delivered(life, "plain", upserted=ROWS, deleted=2)
    bench.db.execute("DELETE FROM plain WHERE id < ?", (ROWS,))
    wait_for(life, "bqsync_deletes_held_rows", ROWS - 2, table="plain")
    wait_for(life, "bqsync_pending_rows", ROWS - 2, table="plain")
    life.wait_until(lambda: (scrape(life).value(
        "bqsync_errors_total", table="plain", kind="deletes_held_back") or 0) >= 1, "an error of its table")
    assert delivered(scrape(life), "plain")["deleted"] == 2


def check_flood(life: Life, bench: Workbench) -> None:
    """Of a table that is stopped by its quarantine, too, the gauge says what is in it: as many as are listed."""
    bench.db.execute("UPDATE marked SET v = x'ff', at = ? WHERE id < ?", (AT + 4 * ROWS, ROWS))
    life.wait_until(lambda: scrape(life).value("bqsync_errors_total", table="marked", kind="quarantine_flood"),
                    "a flood")
    life.wait_until(lambda: scrape(life).value("bqsync_quarantined_rows", table="marked") == listed(bench, "marked"),
                    "all that are listed")
    assert listed(bench, "marked") >= FLOOD_ROWS


def listed(bench: Workbench, table: str) -> int:
    """How many rows of a table are in quarantine, straight from the state file."""
    with closing(sqlite3.connect(bench.state_path)) as state:
        (rows,) = state.execute("SELECT count(*) FROM quarantine JOIN tables ON id = table_id WHERE name = ?",
                                (table,)).fetchone()
    return int(rows)


def bills_of(bench: Workbench) -> list[tuple[str, int, int]]:
    """Name, MERGEs and bytes billed of each table, of all days, straight from the state file."""
    with closing(sqlite3.connect(bench.state_path)) as state:
        return state.execute("SELECT name, sum(merges), sum(bytes) FROM bytes_billed JOIN tables ON id = table_id"
                             " GROUP BY name").fetchall()


def check_bills(found: Scraped, bench: Workbench) -> None:
    """The daemon was the only one at work: what it has counted is what the state has of all days."""
    bills = bills_of(bench)
    assert len(bills) == 2
    assert all(merges and size for _, merges, size in bills)
    assert found.by("bqsync_merges_total", "table") == {name: merges for name, merges, _ in bills}
    assert found.by("bqsync_bytes_billed_total", "table") == {name: size for name, _, size in bills}


def test_while_bigquery_can_t_be_reached_it_is_down_and_the_lag_grows(
    workbench: Workbench, start: Start, relay: Relay,
) -> None:
    fill(workbench)
    direct, workbench.endpoints = workbench.endpoints, relay.endpoints
    configure(workbench, MARKED + PLAIN, extra=QUICK + SERVED)
    workbench.endpoints = direct
    life = start(workbench).ready()
    life.wait_until(lambda: scrape(life).value("bqsync_errors_total", table="", kind="bigquery_unreachable"),
                    "an error that concerns all")
    found = scrape(life)
    assert found.value("bqsync_up") == 0
    assert found.value("bqsync_last_success_timestamp_seconds", table="marked") is None
    assert found.by("bqsync_consecutive_failures", "table") == {"marked": 0, "plain": 0}
    workbench.db.execute("INSERT INTO marked VALUES (50, 'waits', ?)", (AT + 50,))
    life.wait_until(lambda: (scrape(life).value("bqsync_lag_seconds", table="marked") or 0) > 0.5, "a lag that grows")
    relay.open()
    wait_equal(life, workbench, "marked", "plain")
    wait_for(life, "bqsync_up", 1)
    wait_for(life, "bqsync_lag_seconds", 0, table="marked")
    life.wait_until(lambda: scrape(life).value("bqsync_last_success_timestamp_seconds", table="marked"), "a success")
    assert life.end() == 0


def test_a_merge_of_an_earlier_life_counts_where_its_end_is_found_out(workbench: Workbench, start: Start) -> None:
    fill(workbench)
    configure(workbench, PLAIN, extra=QUICK + SERVED)
    first = start(workbench, BQSYNC_FAILPOINT="merge.ended")
    assert first.died() == -signal.SIGKILL, first.errors
    assert bills_of(workbench) == []
    life = start(workbench).ready()
    life.wait("intent.settled", outcome="done")
    wait_delivered(life, "plain", upserted=10, deleted=0)
    # That one, and the one that has sent the rows again.
    wait_for(life, "bqsync_merges_total", 2, table="plain")
    assert bills_of(workbench) == [("plain", 2, 0)]
    assert life.end() == 0


def test_without_the_package_the_rest_works_and_the_fix_is_told(workbench: Workbench, start: Start) -> None:
    fill(workbench)
    configure(workbench, PLAIN, extra=QUICK + SERVED)
    hidden = workbench.folder / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text("import sys\nsys.modules['prometheus_client'] = None\n", encoding="utf-8")
    path = os.pathsep.join([str(hidden), *filter(None, [os.environ.get("PYTHONPATH")])])
    life = start(workbench, PYTHONPATH=path).ready()
    status, content_type, body = get(life, "/metrics")
    assert (status, content_type) == (501, "text/plain; charset=utf-8")
    assert "pip install prometheus-client" in body
    assert get(life, "/healthz")[0] == 200
    wait_equal(life, workbench, "plain")
    assert life.end() == 0
    assert [line for line in life.lines if line["level"] == "error"] == []
    checked = json.loads(run_command("check", "--offline", "--json", folder=workbench.folder, PYTHONPATH=path).stdout)
    [finding] = [one for one in checked["findings"] if one["subject"] == "/metrics"]
    assert (finding["level"], "pip install prometheus-client" in finding["fix"]) == ("warning", True)
    assert "/metrics" not in [one["subject"] for one in document(workbench.folder, "check", "--offline")["findings"]]

"""The alerts and the dashboard that come along; whether the numbers that they ask for exist, the daemon's test says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
RULES = (ROOT / "docs" / "alerts" / "bqsync.rules.yml").read_text(encoding="utf-8")
ALERTS = {text.split("\n", 1)[0]: text for text in RULES.split("- alert: ")[1:]}
BOARD: dict[str, Any] = json.loads((ROOT / "docs" / "grafana" / "bqsync.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
LABELS = {"table", "instance"}
"""What a sample of every alert's metric carries that has them."""


def field(alert: str, name: str) -> str:
    found = re.findall(rf"^ +{name}: (.+)$", ALERTS[alert], re.MULTILINE)
    assert len(found) == 1, (alert, name)
    return str(found[0])


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_says_what_it_is_about_how_bad_it_is_and_where_the_remedy_stands(alert: str) -> None:
    assert field(alert, "severity") in {"critical", "warning", "info"}
    texts = [field(alert, "summary"), field(alert, "description")]
    assert all(text.strip("'").endswith(".") for text in texts)
    labels = {label for text in texts for label in re.findall(r"\$labels\.(\w+)", text)}
    assert labels <= LABELS
    assert "table" not in labels or not re.search(r"bqsync_(up|config|fs)", field(alert, "expr"))
    page, _, anchor = field(alert, "runbook_url").partition("#")
    assert anchor == alert.lower()
    headings = re.findall(r"^### (\w+)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert alert in headings


def test_no_section_is_about_an_alert_that_is_gone() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert re.findall(r"^### (Bqsync\w+)$", page, re.MULTILINE) == list(ALERTS)


def test_the_dashboard_fits_any_prometheus_and_any_daemon() -> None:
    """It names no data source of its own, and every number is of the chosen daemon."""
    variables = {variable["name"]: variable for variable in BOARD["templating"]["list"]}
    assert {name: variable["type"] for name, variable in variables.items()} == {
        "DS_PROMETHEUS": "datasource", "job": "query", "instance": "query", "table": "query"}
    assert set(re.findall(r'"uid": "(\$[^"]*)"', json.dumps(BOARD))) == {"${DS_PROMETHEUS}"}
    for panel in PANELS:
        assert panel["datasource"]["uid"] == "${DS_PROMETHEUS}"
        for target in panel["targets"]:
            matchers = re.findall(r"\b(?:bqsync|process)_\w+(\{[^}]*\})?", target["expr"])
            assert matchers, target["expr"]
            assert all('instance=~"$instance"' in matcher for matcher in matchers), target["expr"]


def test_every_panel_has_a_place_of_its_own_and_says_what_it_shows() -> None:
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert all(panel["title"] and panel["description"].endswith(".") for panel in PANELS)

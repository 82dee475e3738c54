"""The list of events, and its documentation."""

import re
from dataclasses import fields
from pathlib import Path

from bqsync.model import CycleOutcome
from bqsync.observe.events import SPECIFICATIONS, Event

DOCUMENT = Path(__file__).parents[2] / "docs" / "events.md"
ROW = re.compile(r"^\| `(?P<event>[a-z_.]+)` \| (?P<level>\w+) \| (?P<meaning>.+?) \| (?P<fields>.+) \|$", re.MULTILINE)


def documented() -> dict[str, re.Match[str]]:
    return {row["event"]: row for row in ROW.finditer(DOCUMENT.read_text(encoding="utf-8"))}


def test_every_event_has_a_specification() -> None:
    assert set(SPECIFICATIONS) == set(Event)


def test_document_and_code_name_the_same_events() -> None:
    assert set(documented()) == {event.value for event in Event}


def test_document_and_code_agree_on_level_meaning_and_fields() -> None:
    for event, specification in SPECIFICATIONS.items():
        row = documented()[event.value]
        assert row["level"] == specification.level
        assert row["meaning"] == specification.description
        assert re.findall(r"`(\w+)`", row["fields"]) == list(specification.fields)


def test_names_and_fields_are_constants_of_one_form() -> None:
    for event, specification in SPECIFICATIONS.items():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*", event.value)
        assert specification.level in {"debug", "info", "warning", "error"}
        assert "\n" not in specification.description
        assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in specification.fields)


def test_completed_cycle_reports_the_whole_outcome() -> None:
    outcome = {field.name for field in fields(CycleOutcome)} - {"error"}
    assert outcome == set(SPECIFICATIONS[Event.SYNC_COMPLETED].fields)

"""
What a check has seen, beside what is expected of BigQuery and what the emulator is known to answer.

The record `emulator.json` holds the emulator's answer to each check. `BQSYNC_TEST_RECORD=1 pytest tests/bigquery`
writes it anew; every ordinary run holds it fresh.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.bigquery.differences import DIFFERENCES

Values = dict[str, Any]
"""An answer: a few named values that JSON can hold."""
RECORD = Path(__file__).with_name("emulator.json")
WRITE = "BQSYNC_TEST_RECORD"
PROPERTY = "contract"
"""Under this name an observation travels with the report of its test, also from another process."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What one check has come to, on the real service."""

    name: str
    seen: Values
    expected: Values | None
    """None where nobody knows what BigQuery does: then it is told, and no answer is wrong."""
    emulator: Values | None

    @property
    def is_expected(self) -> bool:
        return self.expected is None or self.seen == self.expected

    def as_property(self) -> tuple[str, str]:
        """As text: what carries reports between processes takes no number of 64 bits."""
        return PROPERTY, json.dumps(asdict(self))


def recorded() -> dict[str, Values]:
    """The emulator's answers, by check."""
    answers: dict[str, Values] = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    return answers


class Compare:
    """
    Given to a check by the fixture `compare`; called once, at its end.

    Args:
        name: of the check.
        is_service: whether it was asked of the real service.
        properties: of the test, for the report.
    """

    def __init__(self, name: str, *, is_service: bool, properties: list[tuple[str, object]]) -> None:
        self._name = name
        self._is_service = is_service
        self._properties = properties

    def __call__(self, seen: Mapping[str, object], *, expected: Mapping[str, object] | None) -> None:
        """Fail where the service differs from what is expected, or the emulator from what is known of it."""
        known = recorded()
        observation = Observation(self._name, _as_json(seen), None if expected is None else _as_json(expected),
                                  known.get(self._name))
        if self._is_service:
            self._properties.append(observation.as_property())
            assert observation.is_expected, f"expected {observation.expected}, seen {observation.seen}"
        else:
            _judge_emulator(observation, known)


def _judge_emulator(observation: Observation, known: dict[str, Values]) -> None:
    name = observation.name
    if os.environ.get(WRITE):
        known[name] = observation.seen
        RECORD.write_text(json.dumps(known, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    else:
        assert observation.seen == observation.emulator, f"the emulator answers differently by now: {WRITE}=1 notes it"
    differs = "" if observation.is_expected else f"expected {observation.expected}, seen {observation.seen}"
    assert bool(differs) is (name in DIFFERENCES), differs or f"{name} is no difference any more"


def _as_json(values: Mapping[str, object]) -> Values:
    """As it comes out of the record: what compares as equal there is equal."""
    loaded: Values = json.loads(json.dumps(values))
    return loaded

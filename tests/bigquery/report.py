"""The end of a run against the real BigQuery: what it answered, and what in that differs from the emulator."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

import pytest

from tests.bigquery.answers import PROPERTY, Observation, Values
from tests.bigquery.differences import DIFFERENCES

TITLE = "what differed from the emulator"


def write(terminal: pytest.TerminalReporter) -> None:
    """Print the section; the checks that broke off before they had an answer are among the failed tests."""
    observations = sorted(_observations(terminal), key=lambda observation: observation.name)
    terminal.section(TITLE)
    for line in lines(observations):
        terminal.write_line(line)


def lines(observations: Sequence[Observation]) -> Iterator[str]:
    """The text of the report."""
    wrong = [found for found in observations if not found.is_expected]
    news = [found for found in observations if found.expected is None]
    differs = [found for found in observations if found.is_expected and found.seen != found.emulator]
    same = [found for found in observations if found.name in DIFFERENCES and found.seen == found.emulator]
    yield f"{len(observations)} checks of the contract; {len(wrong)} not as expected"
    yield from _part("Not as expected: the project relies on something that does not hold", wrong)
    yield from _part("Nothing was expected; the answer is new", news)
    yield from _part("The emulator is not as the record of its differences says", [
        found for found in differs if found.expected is not None and found.name not in DIFFERENCES])
    yield from _part("Said to differ, and the same here", [found for found in same if found.is_expected])
    known = [found for found in differs if found.name in DIFFERENCES]
    if known:
        yield "As expected, and as known not so in the emulator:"
        yield from (f"  {_title(found.name)}: there, {DIFFERENCES[found.name]}" for found in known)


def _part(heading: str, observations: Sequence[Observation]) -> Iterator[str]:
    if not observations:
        return
    yield f"{heading}:"
    for found in observations:
        yield f"  {_title(found.name)}"
        for key in sorted({*found.seen, *(found.expected or {})}):
            answers = [_value(values, key) for values in (found.seen, found.expected, found.emulator)]
            if found.expected is None:
                yield from (f"    {key}: here {answers[0]}", f"      emulator {answers[2]}")
            elif len(set(answers)) > 1:
                yield f"    {key}: here {answers[0]}"
                yield from (f"      expected {answers[1]}", f"      emulator {answers[2]}")


def _observations(terminal: pytest.TerminalReporter) -> Iterable[Observation]:
    for outcome in ("passed", "failed"):
        for report in terminal.getreports(outcome):
            for name, value in report.user_properties if report.when == "call" else ():
                if name == PROPERTY:
                    yield Observation(**json.loads(str(value)))


def _title(name: str) -> str:
    return name.removeprefix("test_").replace("_", " ")


def _value(values: Values | None, key: str) -> str:
    return repr(values[key]) if values is not None and key in values else "no such answer"

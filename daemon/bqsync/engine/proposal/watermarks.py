"""Which columns could be watermarks, with the evidence for and against."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import tzinfo

from bqsync.engine.proposal.column_types import counted, may_be_instant, moves_by_name, set_once_by_name
from bqsync.engine.proposal.facts import Candidate, ColumnFacts, TableFacts, WatermarkProposal
from bqsync.engine.watermark_verdict import judge_forms
from bqsync.model import TargetType, TimestampFormat

_CIVIL = (TargetType.DATETIME, TargetType.STRING)
"""Their texts may sort as instants all the same. Days alone don't tell what was written when."""


def pairs_to_compare(names: list[str]) -> list[tuple[str, str]]:
    """A column that moves by its name, and one that does not: where they differ, rows were updated."""
    moving = [name for name in names if moves_by_name(name)]
    fixed = [name for name in names if set_once_by_name(name)]
    return [(one, other) for one in moving for other in fixed][:4]


def watermarks(
    table: TableFacts, choices: Mapping[str, Candidate], zone: tzinfo
) -> tuple[WatermarkProposal, ...]:
    """The columns of a table that hold instants, those that move with updates first."""
    found = [proposal for facts in table.columns if may_be_instant(facts.column)
             if (proposal := _judge(table, facts, choices[facts.column.name], zone)) is not None]
    return tuple(sorted(found, key=lambda item: (not item.chosen, not moves_by_name(item.column))))


def _judge(table: TableFacts, facts: ColumnFacts, choice: Candidate, zone: tzinfo) -> WatermarkProposal | None:
    name = facts.column.name
    if not facts.values or not (moves_by_name(name) or set_once_by_name(name)
                                or choice.target_type is TargetType.TIMESTAMP):
        return None
    unfit = _unfit(facts, choice, zone)
    if unfit == "":
        return None
    indexed = name in table.indexed
    chosen = unfit is None and indexed and moves_by_name(name)
    return WatermarkProposal(column=name, chosen=chosen, indexed=indexed, usable=unfit is None, evidence="; ".join(
        [_index_evidence(indexed=indexed), *_null_evidence(facts), *([f"unfit: {unfit}"] if unfit else []),
         _movement(table, name)]))


def _unfit(facts: ColumnFacts, choice: Candidate, zone: tzinfo) -> str | None:
    """Why its values don't sort as instants; '' where they are none at all, None where they do."""
    if choice.target_type is TargetType.TIMESTAMP and choice.timestamp_format is not TimestampFormat.ISO8601:
        return None
    if choice.target_type is not TargetType.TIMESTAMP and choice.target_type not in _CIVIL:
        return ""
    if set(facts.classes) != {"text"} or (facts.form is None and facts.forms == 1):
        return ""
    return judge_forms(facts.column.name, facts.form, facts.forms, zone).unfit


def _index_evidence(*, indexed: bool) -> str:
    return "indexed" if indexed else ("not indexed: a pass would read the whole table as a sweep does, and finds less")


def _null_evidence(facts: ColumnFacts) -> list[str]:
    if not facts.nulls:
        return ["no NULL"]
    return [f"{counted(facts.nulls, 'NULL')} of {facts.nulls + facts.values:,}: those rows wait for a sweep"]


def _movement(table: TableFacts, name: str) -> str:
    if not moves_by_name(name):
        return ("set when a row is made, by its name: it finds inserts alone, and updates wait for the sweep"
                if set_once_by_name(name) else "nothing in its name says that it moves with updates")
    for trigger in table.triggers:
        if re.search(r"\bUPDATE\b", trigger, re.IGNORECASE) and name.lower() in trigger.lower():
            return "a trigger of the table sets it"
    for (moving, fixed), rows in table.differing.items():
        if moving == name:
            return (f"moves with updates by its name, and differs from {fixed} in {rows:,} of {table.rows:,} rows"
                    if rows else f"moves with updates by its name, but is {fixed} in every row: look whether it does")
    return "moves with updates by its name: look whether the application really sets it each time"

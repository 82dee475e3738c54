"""
Which type a column gets: the first that suits its declaration and takes every value, by the encoder's own verdict.

Where none takes every value, the one that refuses the fewest, with the number of those that will be in quarantine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from bqsync.capture.probe import judge
from bqsync.encode.declared_types import declared_type, named_as_instant
from bqsync.engine.proposal.facts import Candidate, ColumnFacts
from bqsync.model import Affinity, SourceColumn, TargetType, TimestampFormat

_T = TargetType
_ISO = Candidate(_T.TIMESTAMP, TimestampFormat.ISO8601)
_UNITS = tuple(Candidate(_T.TIMESTAMP, unit) for unit in TimestampFormat if unit is not TimestampFormat.ISO8601)
_DECIMAL_WORDS = frozenset({"NUMERIC", "DECIMAL", "DEC", "NUMBER", "MONEY", "SMALLMONEY", "CURRENCY"})
_BOOL_WORDS = frozenset({"BOOLEAN", "BOOL"})

_MOVES = re.compile(r"updat|modif|chang|edited|touch|mtime|last_?(write|save|seen|sync)", re.IGNORECASE)
_SET_ONCE = re.compile(r"creat|insert|added|registered|issued|posted|ctime|birth", re.IGNORECASE)
_CAMEL_INSTANT = re.compile(r"[a-z](At|Timestamp|Start|End)$")

_BY_WORD = {
    "DATE": (Candidate(_T.DATE), Candidate(_T.DATETIME), _ISO),
    "DATETIME": (Candidate(_T.DATETIME), _ISO),
    "TIMESTAMP": (_ISO,),
    "TIMESTAMPTZ": (_ISO,),
    "TIME": (Candidate(_T.TIME),),
    "JSON": (Candidate(_T.JSON),),
    "JSONB": (Candidate(_T.JSON),),
    "YEAR": (Candidate(_T.INT64),),
    **dict.fromkeys(_BOOL_WORDS, (Candidate(_T.BOOL), Candidate(_T.INT64), Candidate(_T.FLOAT64))),
    **dict.fromkeys(_DECIMAL_WORDS, (Candidate(_T.NUMERIC), Candidate(_T.FLOAT64))),
}
_BY_AFFINITY = {
    Affinity.INTEGER: (Candidate(_T.INT64), Candidate(_T.FLOAT64)),
    Affinity.REAL: (Candidate(_T.FLOAT64),),
    Affinity.NUMERIC: (Candidate(_T.INT64), Candidate(_T.FLOAT64)),
    Affinity.TEXT: (),
    Affinity.BLOB: (),
}
_ANYTHING = (Candidate(_T.STRING), Candidate(_T.BYTES))


def moves_by_name(column: str) -> bool:
    """Whether the name says that the value moves with every update of its row."""
    return _MOVES.search(column) is not None


def set_once_by_name(column: str) -> bool:
    """Whether the name says that the value is set when the row is made."""
    return _SET_ONCE.search(column) is not None and not moves_by_name(column)


def word_of(column: SourceColumn) -> str:
    """The first word of the declared type: DECIMAL for `DECIMAL(10,2)`."""
    match = re.match(r"[A-Z_]+", column.declared_type.strip().upper())
    return match[0] if match else ""


def may_be_instant(column: SourceColumn) -> bool:
    """Whether name or declaration speak of a moment in time."""
    return (word_of(column) in {"DATE", "DATETIME", "TIMESTAMP", "TIMESTAMPTZ"} or named_as_instant(column)
            or moves_by_name(column.name) or set_once_by_name(column.name)
            or _CAMEL_INSTANT.search(column.name) is not None)


def candidates(column: SourceColumn, *, in_key: bool, plain: bool = False) -> tuple[Candidate, ...]:
    """
    The types to try for a column, the most welcome first.

    Args:
        column: as it is declared.
        in_key: a part of the table's key, which JSON can't be.
        plain: only types that tell all values apart which SQLite tells apart.
    """
    word = word_of(column)
    found = _ANYTHING[::-1] if word == "BLOB" else (*_BY_WORD.get(word, _BY_AFFINITY[column.affinity]), *_ANYTHING)
    if may_be_instant(column):
        found = (*_UNITS, *((_ISO, *found) if _texts_are_instants(column) else found))
    if plain:
        return tuple(item for item in found if item.target_type in {_T.INT64, *(one.target_type for one in _ANYTHING)})
    return tuple(dict.fromkeys(item for item in found if not (in_key and item.target_type is _T.JSON)))


def choose(facts: ColumnFacts, options: tuple[Candidate, ...]) -> tuple[Candidate, str]:
    """The type of a column, and a remark where it is not the obvious one."""
    if not facts.values:
        return _without_values(facts.column)
    found = judge(facts.kinds).timestamp_format if facts.kinds else None
    possible = [item for item in options if item.timestamp_format in {None, TimestampFormat.ISO8601, found}]
    fitting = [item for item in possible if not facts.misfits(item)]
    if not fitting:
        best = min(possible, key=facts.misfits)
        return best, f"{_misfits(facts, best)}; no type takes all, and their rows will be in quarantine"
    return fitting[0], _remark(facts, fitting[0], possible)


def _remark(facts: ColumnFacts, chosen: Candidate, possible: list[Candidate]) -> str:
    if chosen.target_type is _T.TIMESTAMP:
        zone = "; without an offset they are in source.time_zone" if chosen == _ISO else ""
        return f"{_format_of(chosen)} in {_all(facts)}{zone}"
    if may_be_instant(facts.column) and set(facts.classes) <= {"integer", "real"}:
        return f"no instants of one unit between 1980 and 2100: {_counts(facts.kinds)}"
    return _remark_on_choice(facts, chosen, possible[0])


def _remark_on_choice(facts: ColumnFacts, chosen: Candidate, first: Candidate) -> str:
    column = facts.column
    declares = word_of(column) in _BY_WORD or column.affinity in {Affinity.INTEGER, Affinity.REAL}
    if len(facts.classes) > 1 and not declares:
        return f"it holds {_counts(facts.classes)}"
    if chosen != first and (declares or facts.misfits(first) < facts.values):
        return f"{_misfits(facts, first)}; {chosen} takes all"
    if chosen.target_type is not declared_type(column):
        return f"it takes {_all(facts)}"
    if not column.declared_type and set(facts.classes) == {"integer"}:
        return f"no declared type; INT64 would take {_all(facts)} there now"
    return ""


def _without_values(column: SourceColumn) -> tuple[Candidate, str]:
    """An empty column gets what takes most, but for the convention of the endings, which its first values decide."""
    if named_as_instant(column):
        return Candidate(_T.TIMESTAMP), ("no values yet: a TIMESTAMP by its name, and its first values decide "
                                         "the unit; better name it now, or another type")
    if column.affinity is Affinity.NUMERIC and word_of(column) not in _DECIMAL_WORDS | _BOOL_WORDS:
        chosen = Candidate(_T.INT64 if word_of(column) == "YEAR" else _T.STRING)
        return chosen, f"no values yet: {chosen} until you know better"
    return Candidate(declared_type(column)), ""


def _texts_are_instants(column: SourceColumn) -> bool:
    """The name says so, and the declaration does not ask for a civil date or time."""
    return word_of(column) not in {"DATE", "DATETIME"}


def _format_of(candidate: Candidate) -> str:
    return "ISO 8601 texts" if candidate == _ISO else str(candidate.timestamp_format)


def _misfits(facts: ColumnFacts, candidate: Candidate) -> str:
    reasons = ", ".join(f"{reason.value} {count:,}" for reason, count in facts.rejected[candidate].items() if count)
    return f"{candidate} refuses {facts.misfits(candidate):,} of {counted(facts.values, 'value')} ({reasons})"


def _all(facts: ColumnFacts) -> str:
    return "the one value" if facts.values == 1 else f"all {facts.values:,} values"


def _counts(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in numbers.items())


def counted(number: int, noun: str) -> str:
    """A number of things, in words."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"

"""Names that protobuf and BigQuery take, for whatever SQLite takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bqsync.config import plain_table_name
from bqsync.encode.column_names import MAX_NAME_LENGTH, is_reserved, legal_name
from bqsync.model import MARK_COLUMN, StagingColumn

_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_ROOM_FOR_NUMBER = 10
_OWN_PREFIX = "_bqsync"


@dataclass(frozen=True, slots=True)
class ColumnNames:
    """How one column is called elsewhere."""

    field: str
    """In the proto message; empty where no field can stand for it."""
    target: str | None
    """In BigQuery, where it is not what becomes of its name by itself."""


def column_names(columns: Sequence[str]) -> dict[str, ColumnNames]:
    """The names of the columns of one table, by source name."""
    own = [name for name in columns if _FIELD.fullmatch(name)]
    others = [name for name in columns if not _FIELD.fullmatch(name)]
    places = {name: number for number, name in enumerate(columns, 1)}
    taken_fields: dict[str, int] = {}
    taken_targets = {str(name): 1 for name in (*StagingColumn, MARK_COLUMN)}
    found: dict[str, ColumnNames] = {}
    # Names that need no change keep theirs, whatever the others become.
    for name in (*own, *others):
        otherwise = f"column_{places[name]}"
        target = _free(_acceptable(name, otherwise), taken_targets)
        field = "" if _is_refused_in_json(name) else _free(
            name if _FIELD.fullmatch(name) else _field(name, otherwise), taken_fields, spelled=_without_underscores)
        found[name] = ColumnNames(field, None if target == legal_name(name) else target)
    return found


def table_targets(tables: Sequence[str]) -> dict[str, str | None]:
    """The target of each table, where it is not what becomes of its name by itself."""
    taken: dict[str, int] = {}
    found: dict[str, str | None] = {}
    places = {name: number for number, name in enumerate(tables, 1)}
    for name in sorted(tables, key=lambda name: plain_table_name(name) != name):
        wanted = plain_table_name(name)
        if not re.search(r"[A-Za-z0-9]", wanted):
            wanted = f"table_{places[name]}"
        if wanted.lower().startswith(_OWN_PREFIX):
            wanted = f"table{wanted}"
        free = _free(wanted[: 1024 - _ROOM_FOR_NUMBER], taken)
        found[name] = None if free == plain_table_name(name) else free
    return found


def message_names(tables: Sequence[str]) -> dict[str, str]:
    """A message for each table: OrderDetails for `order details`."""
    taken: dict[str, int] = {}
    found = {}
    for position, name in enumerate(tables, 1):
        words = re.findall(r"[A-Za-z0-9]+", name)
        joined = "".join(word[:1].upper() + word[1:] for word in words)
        wanted = joined if joined[:1].isalpha() else f"Table{joined or position}"
        found[name] = _free(wanted[: MAX_NAME_LENGTH - _ROOM_FOR_NUMBER], taken)
    return found


def file_name(stem: str) -> str:
    """A name for files and dataset: the database's, of letters, digits and underscores."""
    return legal_name(re.sub(r"_+", "_", plain_table_name(stem)).strip("_") or "database").lstrip("_")[:100]


def meeting_names(columns: Sequence[str]) -> set[str]:
    """
    The columns whose names are one in JSON, as a_b and aB are: each needs a JSON name of its own.

    Source: https://protobuf.dev/programming-guides/json
    """
    seen: dict[str, list[str]] = {}
    for name in columns:
        seen.setdefault(_without_underscores(name), []).append(name)
    return {name for group in seen.values() if len(group) > 1 for name in group}


def _is_refused_in_json(name: str) -> bool:
    """
    Whether protoc refuses the name as a `json_name`, as that of an extension.

    Source: https://protobuf.dev/programming-guides/json (`[pkg.ext]` names an extension)
    """
    return name.startswith("[") and name.endswith("]")


def _acceptable(name: str, otherwise: str) -> str:
    legal = (name if _FIELD.fullmatch(name) else _readable(name, otherwise))[: MAX_NAME_LENGTH - _ROOM_FOR_NUMBER]
    return f"column{legal}" if is_reserved(legal) or legal.lower().startswith(_OWN_PREFIX) else legal


def _field(name: str, otherwise: str) -> str:
    """Not `_1st` for `1st`, whose JSON name protobuf would make of it by itself."""
    readable = _readable(name, otherwise)
    return f"column{readable}" if name[0].isdigit() else readable


def _readable(name: str, otherwise: str) -> str:
    """A name whose letters are all foreign would be nothing but underscores."""
    return legal_name(name)[: MAX_NAME_LENGTH - _ROOM_FOR_NUMBER] if re.search(r"[A-Za-z0-9]", name) else otherwise


def _without_underscores(name: str) -> str:
    return name.replace("_", "").lower()


def _free(wanted: str, taken: dict[str, int], *, spelled: Callable[[str], str] = str.lower) -> str:
    """
    The name, with a number where another has it already; names that are spelled the same are the same.

    Args:
        wanted: the name.
        taken: the names that are given, each with the last number that was tried for it.
        spelled: what is compared.
    """
    found, number = wanted, taken.get(spelled(wanted), 1)
    while spelled(found) in taken:
        number += 1
        found = f"{wanted}_{number}"
    taken[spelled(wanted)] = number
    taken.setdefault(spelled(found), 1)
    return found

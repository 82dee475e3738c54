"""The page of JSON fields as a test reads it, and what a command really printed in the same words."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TEXT = (Path(__file__).parents[2] / "docs" / "json.md").read_text(encoding="utf-8")
_ROW = re.compile(r"^\| `(?P<field>[^`]+)` \| (?P<types>[a-z ]+) \| (?P<meaning>.*) ?\|$", re.MULTILINE)
_ERROR_FIELDS = {"code", "kind", "what", "why", "fix"}
_SCALARS = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}
_LISTS = {dict: "objects", str: "strings", float: "numbers"}

Fields = dict[str, set[str]]
"""The types of each field, by its path."""


def sections() -> dict[str, str]:
    """The text below each heading `bqsync …`, by what is typed after it."""
    parts = re.split(r"^## ", _TEXT, flags=re.MULTILINE)[1:]
    named = ((re.match(r"`bqsync ([a-z ]+)`\n", part), part) for part in parts)
    return {match[1]: part for match, part in named if match}


def documented(name: str) -> Fields:
    """The fields of a command."""
    return _fields(sections()[name])


def snapshot_fields() -> Fields:
    """The fields of what the daemon tells at its socket."""
    text = _TEXT[_TEXT.index("## The snapshot of the daemon"):]
    return _fields(text[:text.index("\n## ")])


def error_fields() -> Fields:
    """The fields of an error."""
    text = _TEXT[_TEXT.index("Whatever is of type *error*"):]
    return _fields(text[:text.index("\n## ")])


def _fields(text: str) -> Fields:
    rows = list(_ROW.finditer(text))
    found = {row["field"]: set(row["types"].strip().split(" or ")) for row in rows}
    assert len(found) == len(rows), "a field stands there twice"
    return found


@dataclass(frozen=True, slots=True)
class Printed:
    """What a command has printed, over all its runs."""

    documents: list[Any]
    free: frozenset[str]
    """Paths of objects whose names are not fixed."""

    def fields(self) -> Fields:
        """Every field that was met, with the types that it had."""
        found: Fields = defaultdict(set)
        for document in self.documents:
            self._object(document, "", found)
        return dict(found)

    def _object(self, value: dict[str, Any], path: str, found: Fields) -> None:
        for name, one in value.items():
            shown = "*" if path in self.free else name
            self._value(one, f"{path}.{shown}" if path else shown, found)

    def _value(self, value: Any, path: str, found: Fields) -> None:
        if isinstance(value, dict):
            if value.keys() - {"problems"} == _ERROR_FIELDS:
                found[path].add("error")
                return
            found[path].add("object")
            self._object(value, path, found)
        elif isinstance(value, list):
            self._list(value, path, found)
        else:
            found[path].add(_SCALARS[type(value)])

    def _list(self, values: list[Any], path: str, found: Fields) -> None:
        if not values:
            found[path].add("empty")
        for value in values:
            assert isinstance(value, dict | str | float), f"{path}: a list of objects, of texts or of numbers"
            found[path].add(_LISTS[type(value)])
            if isinstance(value, dict):
                self._object(value, f"{path}[]", found)


def differences(page: Fields, documents: list[Any]) -> list[str]:
    """What the page and the documents do not agree about, one line each; every documented type has to have come."""
    free = frozenset(path[:-2] for path in page if path.endswith(".*"))
    real = Printed(documents, free).fields()
    lines = [f"{path} is not documented" for path in real.keys() - page.keys()]
    lines += [f"{path} never came" for path in page.keys() - real.keys()]
    for path in sorted(page.keys() & real.keys()):
        # A number without a fraction, and a list without an entry, fit as well.
        came, said = real[path] - {"empty"}, page[path]
        if "number" in said:
            came = {"number" if one == "integer" else one for one in came}
        lines += [f"{path} was {one}, and is said to be {' or '.join(sorted(said))}" for one in came - said]
        lines += [f"{path} is said to be {one}, and never was" for one in said - came]
    return sorted(lines)

"""Gathers values and problems, layer by layer, and builds the `Config` when there are none left."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from msgspec.structs import FieldInfo, fields

from bqsync.config import rules
from bqsync.config.convert import UnfitValueError, convert, found, plain_table_name
from bqsync.config.environment import VARIABLES, Setting
from bqsync.config.locate import KeyPath, Locator
from bqsync.config.schema import SECTIONS, Config, Section, TableSection
from bqsync.errors import ConfigurationError, Problem, one_line

_Section = TypeVar("_Section", bound=Section)


class Collector:
    """The values that have been accepted so far, where they come from, and what is wrong."""

    def __init__(self, file: Path, locator: Locator) -> None:
        self.problems: list[Problem] = []
        self._file = file
        self._locator = locator
        self._values: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
        self._tables: list[dict[str, Any]] = []
        self._origins: dict[str, str] = {}
        self._from_outside: set[str] = set()
        # Keys whose value was refused: that is said once, they do not count as missing too.
        self._refused: set[str] = set()

    def read_file(self, document: Mapping[str, object]) -> None:
        """Take every value of the file, and note what is wrong with it."""
        for name, content in document.items():
            if name == "tables":
                self._read_tables(content)
            elif name not in SECTIONS:
                self._unknown((name,), [*SECTIONS, "tables"])
            elif isinstance(content, dict):
                self._values[name] = self._read_section((name,), SECTIONS[name], content)
            else:
                fix = f"write the header [{name}] and its keys below it"
                self._problem((name,), f"{name}: expected a section, found {found(content)}", fix)
                self._refused.update(f"{name}.{field.encode_name}" for field in fields(SECTIONS[name]))

    def read_setting(self, setting: Setting) -> None:
        """
        Let a value from outside the file replace the file's.

        Raises:
            ValueError: there is no such key; a fault of the caller.
        """
        section, _, key = setting.key.partition(".")
        declared = {field.encode_name: field for field in fields(SECTIONS[section])} if section in SECTIONS else {}
        if key not in declared:
            raise ValueError(f"there is no key {setting.key}")
        try:
            self._values[section][declared[key].name] = convert(setting.value, declared[key].type, setting.folder)
        except UnfitValueError as error:
            self._refused.add(setting.key)
            self.problems.append(Problem(f"{setting.key} ({setting.origin}): {error}", error.fix))
        else:
            self._origins[setting.key] = setting.origin
            self._from_outside.add(setting.key)

    def finish(self) -> Config:
        """
        Fill in defaults, apply the rules that span keys, and build the value.

        Raises:
            ConfigurationError: with every problem that was found.
        """
        self._require_sections()
        self._fill_computed_defaults()
        self.problems += rules.check(self._values, self._tables, self._line_in_force)
        if self.problems:
            # In the order of the file; what has no line comes first, it is often what is missing.
            raise ConfigurationError(str(self._file), sorted(self.problems, key=lambda problem: problem.line or 0))
        built: dict[str, Any] = {
            name: self._build(declared, self._values[name], name) for name, declared in SECTIONS.items()
        }
        tables = tuple(
            self._build(TableSection, values, f"tables[{index}]") for index, values in enumerate(self._tables)
        )
        origins = MappingProxyType(self._origins)
        return Config(path=self._file, tables=tables, origins=origins, **built)

    def _read_tables(self, content: object) -> None:
        if not isinstance(content, list) or not all(isinstance(table, dict) for table in content):
            self._problem(("tables",), f"tables: expected [[tables]], found {found(content)}", "write [[tables]]")
            self._refused.add("tables")
            return
        for index, table in enumerate(content):
            self._tables.append(self._read_section(("tables", index), TableSection, table))

    def _read_section(self, place: KeyPath, declared: type[Section], content: dict[str, object]) -> dict[str, Any]:
        known = {field.encode_name: field for field in fields(declared)}
        values: dict[str, Any] = {}
        for key, value in content.items():
            if key not in known:
                self._unknown((*place, key), known)
            elif known[key].name in {"types", "timestamps"}:
                values[key] = self._read_columns((*place, key), known[key], value)
                self._origins[_dotted((*place, key))] = self._origin((*place, key))
            else:
                self._read_value((*place, key), known[key], value, values)
        return values

    def _read_value(self, place: KeyPath, field: FieldInfo, value: object, values: dict[str, Any]) -> None:
        try:
            values[field.name] = convert(value, field.type, self._file.parent)
        except UnfitValueError as error:
            self._refused.add(_dotted(place))
            self._problem(place, f"{_dotted(place)}: {error}", error.fix)
        else:
            self._origins[_dotted(place)] = self._origin(place)

    def _read_columns(self, place: KeyPath, field: FieldInfo, value: object) -> Mapping[str, Any]:
        """A table of columns, each entry with its own line."""
        if not isinstance(value, dict):
            fix = f'write {field.encode_name} = {{ column = "..." }}'
            self._problem(place, f"{_dotted(place)}: expected a table, found {found(value)}", fix)
            return {}
        choice = field.type.__args__[1]
        values: dict[str, Any] = {}
        for column, text in value.items():
            try:
                values[column] = convert(text, choice, self._file.parent)
            except UnfitValueError as error:
                self._problem((*place, column), f"{_dotted((*place, column))}: {error}", error.fix)
        return MappingProxyType(values)

    def _require_sections(self) -> None:
        for name, declared in SECTIONS.items():
            self._require(name, declared, self._values[name], self._locator.line(name))
        for index, values in enumerate(self._tables):
            self._require(f"tables[{index}]", TableSection, values, self._locator.line("tables", index))
        if not self._tables and "tables" not in self._refused:
            fix = 'add at least [[tables]] with name = "..."'
            self.problems.append(Problem("no table is configured", fix, self._locator.line("tables")))

    def _require(self, label: str, declared: type[Section], values: dict[str, Any], line: int | None) -> None:
        for field in fields(declared):
            dotted = f"{label}.{field.encode_name}"
            if not field.required or field.name in values or dotted in self._refused:
                continue
            variable = next((name for name, key in VARIABLES.items() if key == dotted), None)
            header = "[[tables]]" if declared is TableSection else f"[{label}]"
            fix = f'add {field.encode_name} = "..." to {header}' + (f", or set {variable}" if variable else "")
            self.problems.append(Problem(f"{dotted} is missing", fix, line))

    def _fill_computed_defaults(self) -> None:
        for name, declared in SECTIONS.items():
            for field in fields(declared):
                if isinstance(field.default, Path) and f"{name}.{field.encode_name}" not in self._refused:
                    self._values[name].setdefault(field.name, self._file.parent / field.default)
        source, bigquery = self._values["source"], self._values["bigquery"]
        if "db" in source:
            source.setdefault("name", source["db"].stem)
        if "dataset" in bigquery:
            bigquery.setdefault("staging_dataset", bigquery["dataset"])
        for table in self._tables:
            if "name" in table:
                table.setdefault("target", plain_table_name(table["name"]))

    def _build(self, declared: type[_Section], values: dict[str, Any], label: str) -> _Section:
        for field in fields(declared):
            self._origins.setdefault(f"{label}.{field.encode_name}", "default")
        return declared(**values)

    def _line_in_force(self, *place: str | int) -> int | None:
        """Line of a key, unless its value comes from elsewhere."""
        return None if _dotted(place) in self._from_outside else self._locator.line(*place)

    def _origin(self, place: KeyPath) -> str:
        line = self._locator.line(*place)
        return self._file.name if line is None else f"line {line} of {self._file.name}"

    def _unknown(self, place: KeyPath, known: Iterable[str]) -> None:
        import difflib

        key = str(place[-1])
        homes = [
            name for name, declared in SECTIONS.items() if key in {field.encode_name for field in fields(declared)}
        ]
        nearest = difflib.get_close_matches(key.lower(), known, n=1)
        if homes:
            fix = f"{key} belongs under [{homes[0]}]"
        elif nearest:
            fix = f"did you mean {nearest[0]}?"
        else:
            fix = f"remove it; known here: {', '.join(known)}"
        self._problem(place, f"unknown key {_dotted(place)}", fix)

    def _problem(self, place: KeyPath, message: str, fix: str) -> None:
        self.problems.append(Problem(one_line(message), one_line(fix), self._locator.line(*place)))


def _dotted(place: KeyPath) -> str:
    """`tables[0].key` for ("tables", 0, "key")."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".")

"""docs/configuration.md says what the code does: every key, default, range and variable."""

import re
from enum import StrEnum
from pathlib import Path

import pytest
from msgspec import NODEFAULT
from msgspec.structs import fields

from bqsync.config import DEFAULT_PATHS, VARIABLES
from bqsync.config.quantities import format_duration, format_size, parse_duration, parse_size
from bqsync.config.schema import SECTIONS, Section, TableSection
from bqsync.model import TargetType, TimestampFormat

TEXT = (Path(__file__).parents[1] / "docs" / "configuration.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(?P<key>\w+)` \| (?P<type>.+?) \| (?P<default>.+?) \| (?P<meaning>.+) \|$", re.MULTILINE)
EVERY: dict[str, type[Section]] = {**SECTIONS, "tables": TableSection}
DURATIONS = {"busy_timeout", "overlap", "sweep_interval", "verify_interval", "debounce", "max_delay", "poll_interval",
             "merge_interval", "heartbeat_interval", "ready_within"}
# Defaults that are made from other values, in words.
WORDS = {
    "source.name": "stem of `db`",
    "bigquery.staging_dataset": "the value of `dataset`",
    "tables.target": "`name`, with `_` for all but ASCII letters, digits and `_`",
}


def rows(section: str) -> dict[str, re.Match[str]]:
    heading = "[[tables]]" if section == "tables" else f"[{section}]"
    start = TEXT.index(f"## `{heading}`")
    end = TEXT.find("\n## ", start + 1)
    return {row["key"]: row for row in ROW.finditer(TEXT[start : end if end > 0 else None])}


@pytest.mark.parametrize("section", EVERY)
def test_section_documents_its_keys_and_no_others(section: str) -> None:
    assert set(rows(section)) == {field.encode_name for field in fields(EVERY[section])}


def shown_default(dotted: str, value: object) -> str:
    """A default as TOML writes it."""
    key = dotted.partition(".")[2]
    if dotted in WORDS:
        return WORDS[dotted]
    if value is NODEFAULT or value is None:
        return "required" if value is NODEFAULT else "none"
    if key in DURATIONS and isinstance(value, float):
        value = format_duration(value)
    if key.endswith("_bytes") and isinstance(value, int):
        value = format_size(value)
    if isinstance(value, bool | int | float):
        return f"`{str(value).lower()}`"
    return "`[]`" if value == () else f'`"{value}"`'


@pytest.mark.parametrize("section", EVERY)
def test_section_documents_its_defaults(section: str) -> None:
    for field in fields(EVERY[section]):
        shown = rows(section)[field.encode_name]["default"]
        if field.default_factory is not NODEFAULT:
            assert shown.startswith("`{}`")
        else:
            assert shown.startswith(shown_default(f"{section}.{field.encode_name}", field.default))


@pytest.mark.parametrize("section", EVERY)
def test_section_documents_its_ranges_and_choices(section: str) -> None:
    for field in fields(EVERY[section]):
        described = rows(section)[field.encode_name]["type"]
        for limits in getattr(field.type, "__metadata__", ()):
            if limits.le is None:
                continue
            low, high = (described.split(", ", 1)[1]).replace("above ", "").split(" to ")
            read = {"duration": parse_duration, "size": parse_size}.get((limits.extra or {}).get("kind", ""), number)
            unit = high.split(" ")[-1] if " " in high and " " not in low else ""
            assert read(f"{low} {unit}".strip()) == (limits.ge if limits.ge is not None else limits.gt)
            assert read(high) == limits.le
        if isinstance(field.default, StrEnum):
            assert described == ", ".join(f'`"{member}"`' for member in type(field.default))


def number(text: object) -> float:
    return float(str(text).replace(",", ""))


def test_types_and_formats_are_listed() -> None:
    tables = rows("tables")
    assert ", ".join(TargetType) in tables["types"]["meaning"]
    assert ", ".join(TimestampFormat) in tables["timestamps"]["meaning"]


def test_variables_and_what_they_set() -> None:
    documented = dict(re.findall(r"^\| `([A-Z_]+)` \| `([a-z_.]+)` \|", TEXT, re.MULTILINE))
    assert documented == dict(VARIABLES)


def test_places_of_the_file() -> None:
    assert [str(path) for path in DEFAULT_PATHS] == ["config.toml", "/etc/bqsync/config.toml"]
    assert "`./config.toml`" in TEXT
    assert "`/etc/bqsync/config.toml`" in TEXT


@pytest.mark.parametrize(
    ("text", "seconds"), [("200ms", 0.2), ("2s", 2), ("5 min", 300), ("1h", 3600), (" 1.5 s ", 1.5), (3, 3), (0.5, 0.5)]
)
def test_durations(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds
    assert parse_duration(format_duration(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "s", "2", "2 S", "-2s", "1h30min", "٣s", "2 days", True, None, [2], "1e3s"])
def test_no_durations(text: object) -> None:
    assert parse_duration(text) is None


@pytest.mark.parametrize(
    ("text", "count"),
    [("8 MiB", 8 << 20), ("8MB", 8_000_000), ("1kB", 1000), ("1 KIB", 1024), ("0.5 gib", 1 << 29), ("7 B", 7), (9, 9)],
)
def test_sizes(text: object, count: int) -> None:
    assert parse_size(text) == count
    assert parse_size(format_size(count)) == count


@pytest.mark.parametrize("text", ["", "8", "8 M", "0.3 B", "-1 MB", True, 1.0, None, "1_0 MB"])
def test_no_sizes(text: object) -> None:
    assert parse_size(text) is None

"""Every example of docs/types.md is what happens."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from tests.workbench import ROOT

from bqsync.engine.quarantine import list_quarantine

if TYPE_CHECKING:
    from tests.workbench import Workbench

LINE = re.compile(
    r"^\| (?P<type>[A-Z0-9]+)(?: (?P<format>\w+))? \| `(?P<value>.+?)` \| (?P<arrives>.+) \|$", re.MULTILINE
)
TEXT = (ROOT / "docs" / "types.md").read_text(encoding="utf-8")


class Example(NamedTuple):
    type: str
    format: str
    value: str
    arrives: str


EXAMPLES = [Example(found["type"], found["format"] or "", found["value"], found["arrives"])
            for found in LINE.finditer(TEXT[TEXT.index("## Examples"):TEXT.index("## NULL")])]
COLUMNS = sorted({(example.type, example.format) for example in EXAMPLES})


def shown(value: Any) -> str:
    """As the page prints what arrives: instants as their text, everything else as Python's literal."""
    is_instant = isinstance(value, datetime) and value.tzinfo is not None
    if isinstance(value, Decimal):
        value = Decimal(f"{value:f}".rstrip("0"))  # engines differ in how many zeros they print
    literal = repr(str(value) if is_instant else value)
    return f"`{literal}`"


@pytest.mark.parametrize(("type_name", "fmt"), COLUMNS)
def test_every_example_is_what_happens(workbench: Workbench, type_name: str, fmt: str) -> None:
    examples = [example for example in EXAMPLES if (example.type, example.format) == (type_name, fmt)]
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
    for number, example in enumerate(examples):
        workbench.db.execute(f"INSERT INTO t VALUES ({number}, {example.value})")
    workbench.configure('[[tables]]\nname = "t"\n' + f'types = {{ v = "{type_name}" }}\n'
                        + (f'timestamps = {{ v = "{fmt}" }}\n' if fmt else ""))
    assert workbench.sync()["t"].error is None
    arrived = {row["id"]: shown(row["v"]) for row in workbench.rows("t", "id")}
    rows = list_quarantine(workbench.config, ["t"], 100).rows
    refused = {int(row.key[0]): f"— `{row.reason.value}`" for row in rows}
    assert {**arrived, **refused} == {number: example.arrives for number, example in enumerate(examples)}
    assert not arrived.keys() & refused.keys()


def test_the_page_has_examples_of_every_type_but_the_one_that_the_emulator_lacks() -> None:
    assert {example.type for example in EXAMPLES} == {
        "INT64", "FLOAT64", "BOOL", "STRING", "BYTES", "NUMERIC", "DATE", "DATETIME", "TIME", "JSON", "TIMESTAMP",
    }
    assert len(EXAMPLES) > 50

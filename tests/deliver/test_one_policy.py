"""No call to BigQuery is tried again but by the policy: the clients' own loops are off, call by call, and each ends."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import bqsync

ROOM = Path(bqsync.__file__).parent / "deliver"
CALLS = {
    "create_dataset", "create_table", "create_write_stream", "delete_table", "get_dataset", "get_job", "get_table",
    "list_jobs", "list_tables", "query", "result", "update_table",
}
"""The methods of Google's clients that are used, and of their jobs."""
OFF = {"NO_RETRY", "None"}
BOUNDED = {"_READ_RETRY"}
"""Reading the pages of a result, see `bqsync.deliver.jobs`."""


def client_calls() -> Iterator[tuple[str, dict[str, str]]]:
    for path in sorted(ROOM.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CALLS
                    and ast.unparse(node.func.value) != "jobs"):  # our own module of that name
                given = {word.arg: ast.unparse(word.value) for word in node.keywords if word.arg}
                yield f"{path.name}: {ast.unparse(node.func)}", given


def test_every_call_of_the_clients_has_its_own_retries_switched_off_and_a_time_to_end() -> None:
    calls = list(client_calls())
    assert {name.rpartition(".")[2] for name, _ in calls} == CALLS, "one is not used any more"
    wrong = [name for name, given in calls
             if given.get("retry") not in OFF | BOUNDED or given.get("timeout") in {None, "None"}
             or (name.endswith((".query", ".result")) and given.get("job_retry") != "None")]
    assert wrong == []


def test_every_method_of_a_client_is_among_those_that_are_looked_at() -> None:
    """Whatever is called on `.rest` or on the write client, by whatever name."""
    used = set()
    for path in sorted(ROOM.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
                    and ast.unparse(node.func.value).endswith((".rest", "._client", ".write"))):
                used.add(node.func.attr)
    assert used - CALLS == {"close"}

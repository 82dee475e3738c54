"""The process that reads columns starts with what it needs, and what it needs of Arrow is what Arrow's users know."""

from __future__ import annotations

import json
import os
import pickle
import socket
import subprocess
import sys
from multiprocessing import Pipe
from pathlib import Path

from tests.columnar.tables import Table, column, specification

from bqsync.columnar.messages import PageRead, PageWanted
from bqsync.model import TargetType

_COLUMNS = [column("id", TargetType.INT64, 4), column("name", TargetType.STRING, 5),
            column("done", TargetType.BOOL, 6, zero_for_null=True)]
_PROGRAM = """
import json, sys
from bqsync.columnar.serve import main
main(int(sys.argv[1]))
print(json.dumps(sorted(sys.modules)))
"""
_UNNEEDED = {"bqsync.config", "bqsync.deliver", "bqsync.engine", "bqsync.observe", "bqsync.state", "click",
             "google.auth", "google.cloud", "grpc", "msgspec", "pandas", "pyarrow.compute", "requests", "rich",
             "sqlalchemy", "structlog"}


def test_a_page_is_read_and_encoded_without_what_others_need(tmp_path: Path) -> None:
    table = Table(tmp_path, "CREATE TABLE t (id INTEGER, name TEXT PRIMARY KEY, done INTEGER)",
                  specification(_COLUMNS, key=("name",)))
    table.fill([(n, f"n{n}", n % 2 or None) for n in range(50)])
    ours, theirs = Pipe()
    process = subprocess.Popen([sys.executable, "-c", _PROGRAM, str(theirs.fileno())], pass_fds=[theirs.fileno()],
                               stdout=subprocess.PIPE, text=True)
    theirs.close()

    def ask(uri: str) -> None:
        ours.send(PageWanted(uri=uri, after=None, limit_rows=100, first_sequence=0))
        for _ in ("ready", "closed"):
            ours.recv_bytes()

    with process, ours:
        ours.send(table.assignment)
        table.source.lend(ask)
        answer = pickle.loads(ours.recv_bytes())  # noqa: S301 - of a process of ours
        with socket.socket(fileno=os.dup(ours.fileno())) as pipe:
            pipe.shutdown(socket.SHUT_WR)
        output, _ = process.communicate(timeout=60)
    assert isinstance(answer, PageRead)
    assert answer.page is not None
    assert set(json.loads(output)) & _UNNEEDED == set()


# In a process of its own, as the kernels have one: Arrow is hidden from Google's clients, which the tests have.
_COMPARISON = """
import json
import pyarrow as pa, pyarrow.compute as pc
from bqsync.columnar import kernels

numbers = pa.array([3, None, -7, 1 << 40])
truths = pa.array([True, None, True])
texts = pa.array(["a\\0b", None, "c"])
calls = {
    "all": [(truths,), (pa.array([True, False]),)],
    "any": [(truths,), (pa.array([], pa.bool_()),)],
    "binary_join_element_wise": [
        (texts.cast(pa.binary()), pa.array([b"x", b"y", b""]), pa.scalar(b"", pa.binary()))],
    "cast": [(numbers, pa.float64()), (texts, pa.binary()), (numbers, pa.int8())],
    "fill_null": [(numbers, 0), (texts, "")],
    "less": [(numbers, 2)],
    "match_substring": [(texts, "\\0")],
    "min_max": [(numbers,)],
    "multiply": [(numbers, 1_000)],
}

def told(room, name, arguments):
    try:
        result = getattr(room, name)(*arguments)
    except pa.ArrowInvalid as error:
        return str(error)
    return [str(result.type), str(result)]

print(json.dumps({
    "compared": sorted(calls),
    "there": sorted(name for name, value in vars(kernels).items()
                    if getattr(value, "__module__", "") == kernels.__name__),
    "different": [name for name, each in calls.items() for arguments in each
                  if told(kernels, name, arguments) != told(pc, name, arguments)],
}))
"""


def test_a_kernel_does_what_arrow_documents() -> None:
    done = subprocess.run([sys.executable, "-c", _COMPARISON], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["different"] == []
    assert found["compared"] == found["there"]

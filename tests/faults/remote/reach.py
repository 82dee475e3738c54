"""
What the product says of each way to BigQuery, in a process of its own: TLS reads its environment once.

`python -m tests.faults.remote.reach` reads a list of ways and writes what became of REST and of gRPC on each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto

from bqsync.config import BigQuerySection
from bqsync.deliver.append import AppendStream
from bqsync.deliver.clients import Destination, connect
from bqsync.deliver.retry import Policy
from bqsync.deliver.target import check_dataset
from bqsync.errors import BqsyncError

Way = dict[str, Any]
"""`environment`: variables that are set; `section`: those of [bigquery] beside project and dataset."""
_IMPATIENT = Policy(connect_budget_s=0.2)


def said_of(ways: dict[str, Way], **environment: str) -> dict[str, dict[str, dict[str, str]]]:
    """What is told of the two interfaces on each of the ways, by their names; {} where one works."""
    done = subprocess.run([sys.executable, "-m", "tests.faults.remote.reach"], input=json.dumps(ways), text=True,
                          env={**os.environ, **environment}, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    answer: dict[str, dict[str, dict[str, str]]] = json.loads(done.stdout)
    return answer


def _try(call: Callable[[Destination], object], way: Way) -> dict[str, str]:
    section = {**way["section"], "project": "demo", "dataset": "nowhere"}
    if key := section.pop("credentials_file", None):
        section["credentials_file"] = Path(key)
    destination = connect(BigQuerySection(**section), _IMPATIENT)
    try:
        call(destination)
    except BqsyncError as failure:
        return failure.as_dict()
    finally:
        destination.close()
    return {}


def _append(destination: Destination) -> None:
    path = "projects/demo/datasets/nowhere/tables/t"
    with AppendStream(destination.write, path, DescriptorProto(name="Row"), policy=_IMPATIENT) as stream:
        stream.append([b""])
        stream.finish()


def _main() -> None:
    said = {}
    for name, way in json.load(sys.stdin).items():
        os.environ.update(way.get("environment", {}))
        said[name] = {"rest": _try(lambda one: check_dataset(one, create=False), way), "grpc": _try(_append, way)}
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    _main()

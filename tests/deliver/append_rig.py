"""What the tests of the append stream share: rows, quick policies, ways to send."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto

from bqsync.deliver.append import AppendStream
from bqsync.deliver.retry import Policy, Waits
from bqsync.errors import BqsyncError, ErrorKind, Retry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PATIENCE_S = 60.0
"""For what comes at once on a machine that has nothing else to do."""
SOON_S = 20.0
"""What takes less has not waited for a time limit of 30 s: longer than the machine stands still."""
TABLE = "projects/demo/datasets/d/tables/_bqsync_staging_1"
ROW = DescriptorProto(name="Row", field=[FieldDescriptorProto(
    name="c0", number=1, type=FieldDescriptorProto.TYPE_INT64, label=FieldDescriptorProto.LABEL_OPTIONAL)])
QUICK: Mapping[Retry, Waits] = {
    Retry.SOON: Waits(first=0.01, longest=0.05, total=30.0),
    Retry.CONNECT: Waits(first=0.05, longest=0.1, total=30.0),
    Retry.SLOWLY: Waits(first=0.01, longest=0.05, total=30.0),
}


class Retries(list[tuple[ErrorKind, int, float]]):
    """The waits that a policy was about to make."""

    def policy(self, *, connect_budget_s: float = 0.5, waits: Mapping[Retry, Waits] = QUICK) -> Policy:
        return Policy(on_retry=lambda failure, *event: self.append((failure.kind, *event)),
                      connect_budget_s=connect_budget_s, waits=waits)

    @property
    def kinds(self) -> set[ErrorKind]:
        return {kind for kind, _, _ in self}


def batches(count: int, rows: int = 3) -> list[list[bytes]]:
    return [[b"\x08" + bytes([n * rows + i]) for i in range(rows)] for n in range(count)]


def flat(groups: list[list[bytes]]) -> list[bytes]:
    return [row for group in groups for row in group]


def send(stream: AppendStream, groups: Sequence[Sequence[bytes]]) -> int:
    with stream:
        for group in groups:
            stream.append(group)
        return stream.finish()


def refused(stream: AppendStream, groups: Sequence[Sequence[bytes]]) -> BqsyncError:
    """The error with which sending ends; it never quotes a cell."""
    with pytest.raises(BqsyncError) as caught:
        send(stream, groups)
    assert "SECRET" not in caught.value.render()
    return caught.value


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)

"""The file `endpoint.json` in the data folder: who serves this folder, and where it listens."""

from __future__ import annotations

import http.client
import json
import os
from dataclasses import dataclass
from pathlib import Path

from bqsync.regular_file import MIB, read_regular

_PROBE_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A server that has said that it accepts traffic."""

    pid: int
    started_ticks: int
    """When the process started, in kernel ticks since boot: with the pid, one process and no later one."""
    rest_endpoint: str
    """`http://127.0.0.1:port`"""
    grpc_endpoint: str
    """`127.0.0.1:port`"""
    project: str

    @property
    def is_live(self) -> bool:
        """Whether that very process still exists and answers. Takes at most a few seconds."""
        return started_ticks(self.pid) == self.started_ticks and self._answers()

    def _answers(self) -> bool:
        # http.client and not urllib: a proxy from the environment has no business between two local processes.
        connection = http.client.HTTPConnection(self.rest_endpoint.removeprefix("http://"), timeout=_PROBE_S)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def started_ticks(pid: int) -> int | None:
    """
    When a process started, in kernel ticks since boot; None if there is no such process.

    Source: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html (field 22)
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The second field is the program's name in parentheses and may itself hold spaces and parentheses.
    return int(stat.rpartition(")")[2].split()[19])


def publish(folder: Path, endpoint: Endpoint) -> None:
    """Write the file whole or not at all: a reader never sees half of it."""
    fields = {name: getattr(endpoint, name) for name in Endpoint.__slots__}
    draft = folder / f"endpoint.json.{os.getpid()}"
    draft.write_text(json.dumps(fields), encoding="utf-8")
    draft.replace(folder / "endpoint.json")


def withdraw(folder: Path) -> None:
    """Remove the file, if it is there."""
    (folder / "endpoint.json").unlink(missing_ok=True)


def read(folder: Path) -> Endpoint | None:
    """What the file says; None if it is missing or was not written by `publish`."""
    try:
        fields = json.loads(read_regular(folder / "endpoint.json", MIB))
        return Endpoint(**fields)
    except (OSError, ValueError, TypeError):
        return None

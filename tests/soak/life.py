"""One process of the daemon: what it says, and how it ends."""

from __future__ import annotations

import json
import os
import resource
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from tests.daemon.life import Manager
from tests.soak.report import SoakError
from tests.soak.site import Site
from tests.workbench import start_command

_LOOK_S = 0.05
_TAIL_LINES = 12
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TOLD = ("error[E", "  why ", "  fix ")
"""How the lines of an error begin that ends a command."""
_NO_LIMIT = resource.RLIM_INFINITY


class Life:
    """
    One life. Its log and its standard error are kept in the folder of the site.

    Args:
        site: whose configuration it runs with.
        number: of this life, from 1.
        environment: more variables.
    """

    def __init__(self, site: Site, number: int, **environment: str) -> None:
        self.number = number
        self.begun_s = time.monotonic()
        self.manager = Manager()
        self.events: Counter[str] = Counter()
        self.wrong: list[str] = []
        """What no life may say."""
        self.told: list[str] = []
        """The error that has ended it."""
        self.lines: list[dict[str, Any]] = []
        """But for the most frequent ones."""
        self.rows = self.merges = 0
        self.longest_failure_s = 0.0
        self._tail: list[str] = []
        self._reads: list[threading.Thread] = []
        self.process = start_command("run", "-c", str(site.config_path), "--log-format", "json", folder=site.folder,
                                     NOTIFY_SOCKET=self.manager.address, **environment)
        self._read(self.process.stdout, site.folder / f"life-{number:03}.log", self._take)
        self._read(self.process.stderr, site.folder / f"life-{number:03}.err", self._take_error)

    # What it says.

    @property
    def is_ready(self) -> bool:
        return bool(self.manager.texts("READY=1"))

    @property
    def status(self) -> str:
        """The last status text."""
        return (self.manager.texts("STATUS=") or ["STATUS=none yet"])[-1].removeprefix("STATUS=")

    @property
    def is_up_to_date(self) -> bool:
        return self.status.endswith("tables, up to date")

    @property
    def tail(self) -> str:
        """The end of what it has said."""
        return "\n".join([*self._tail, f"status: {self.status}"])

    def rss_bytes(self) -> int:
        """Its memory; 0 once it has ended."""
        try:
            fields = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()
        except OSError:
            return 0
        return int(fields[1]) * _PAGE_BYTES if len(fields) > 1 else 0

    def has_told(self, code: str) -> bool:
        """Whether it has met an error of that code."""
        return any(line.get("code") == code for line in self.lines) or any(code in text for text in self.told)

    def held_back(self) -> dict[str, int]:
        """By table, how many deletes wait for an operator, by its last word."""
        lines = [line for line in self.lines if line["event"] in {"deletes.held_back", "sync.recovered"}]
        last = {line.get("table"): line.get("deletes", 0) for line in lines}
        return {table: deletes for table, deletes in last.items() if table is not None and deletes}

    # What is done to it.

    def limit_files(self, size_bytes: int | None) -> None:
        """No file may grow beyond that, as on a disk that is full; None ends it."""
        soft = _NO_LIMIT if size_bytes is None else size_bytes
        if self.process.poll() is None:
            resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (soft, _NO_LIMIT))

    def end(self, number: int, within_s: float) -> int:
        """Send a signal, and wait for the end; its exit code."""
        self.process.send_signal(number)
        self.wait_until(lambda: False, f"the end after {signal.Signals(number).name}", within_s)
        return self.ended()

    def ended(self) -> int:
        """Gather what a process that has ended has said; its exit code."""
        code = self.process.wait()
        for read in self._reads:
            read.join()
        self.manager.close()
        return code

    def wait_until(self, condition: Callable[[], object], what: str, seconds: float) -> None:
        """
        Wait for a condition, or for the end of the process.

        Raises:
            SoakError: neither came in time.
        """
        deadline = time.monotonic() + seconds
        while not condition() and self.process.poll() is None:
            if time.monotonic() > deadline:
                raise SoakError(f"not within {seconds:.0f} s: {what}\n{self.tail}")
            time.sleep(_LOOK_S)

    # Reading.

    def _read(self, stream: IO[str] | None, path: Path, take: Callable[[str], None]) -> None:
        assert stream is not None

        def read(stream: IO[str]) -> None:
            with stream, path.open("w", encoding="utf-8") as copy:
                for line in stream:
                    copy.write(line)
                    copy.flush()
                    take(line)

        self._reads.append(threading.Thread(target=read, args=(stream,)))
        self._reads[-1].start()

    def _take(self, text: str) -> None:
        self._tail = [*self._tail[-_TAIL_LINES:], text.rstrip()]
        try:
            line: dict[str, Any] = json.loads(text)
            event = str(line["event"])
        except (ValueError, KeyError, TypeError):
            self.wrong.append(f"a line that is no event: {text!r}")
            return
        self.events[event] += 1
        if event == "sync.completed":
            self.rows += line["rows_upserted"] + line["rows_deleted"]
            self.merges += line["merges"]
        elif event != "retry.scheduled":
            self.lines.append(line)
        if event == "sync.recovered":
            self.longest_failure_s = max(self.longest_failure_s, line["duration_s"])
        if "Traceback" in text or line.get("code") == "E901" or line.get("exception") or event == "daemon.stalled":
            self.wrong.append(f"a fault of its own: {text.rstrip()}")

    def _take_error(self, text: str) -> None:
        if text.startswith(_TOLD):
            self.told.append(text.rstrip())
        else:
            self.wrong.append(f"on standard error: {text.rstrip()}")

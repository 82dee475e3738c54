"""`bqsync run` as a process of its own, with a service manager that listens: what it says, and how it ends."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from tests.workbench import Workbench, start_command

PATIENCE_S = 60.0
"""For what comes within a second on a machine that has nothing else to do."""
END_S = 30.0
"""For an end that takes its grace at most: longer than the machine stands still, shorter than any call that hangs."""
_LOOK_S = 0.03
_LONGEST_LOOK_S = 1.0
_TICKS = os.sysconf("SC_CLK_TCK")


def wait_until(condition: Callable[[], object], what: str, seconds: float = PATIENCE_S) -> None:
    """
    Wait for a condition; the test fails where it does not come true.

    Whoever looks takes a quarter of the time at most: to ask BigQuery takes the processor from the one that is waited
    for.
    """
    deadline = time.monotonic() + seconds
    while True:
        begun = time.monotonic()
        if condition():
            return
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(min(max(_LOOK_S, 3 * (time.monotonic() - begun)), _LONGEST_LOOK_S))


class Manager:
    """A service manager: a socket for NOTIFY_SOCKET, and every message that has come."""

    def __init__(self) -> None:
        self._name = f"bqsync-test-{secrets.token_hex(8)}"
        self.address = f"@{self._name}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{self._name}")
        self._socket.settimeout(0.1)
        self._is_closed = threading.Event()
        self._messages: list[tuple[float, str]] = []
        self._has_caught_up = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    @property
    def messages(self) -> list[tuple[float, str]]:
        """Monotonic instant and text of each."""
        return list(self._messages)

    def texts(self, beginning: str) -> list[str]:
        """The messages that begin so."""
        return [text for _, text in self.messages if text.startswith(beginning)]

    def catch_up(self) -> None:
        """Take in all that was sent until now, by a process that has ended since."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.sendto(b"", f"\0{self._name}")
        assert self._has_caught_up.wait(PATIENCE_S)

    def close(self) -> None:
        self._is_closed.set()
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while not self._is_closed.is_set():
            try:
                text = self._socket.recv(65_536).decode()
            except TimeoutError:
                continue
            if text:
                self._messages.append((time.monotonic(), text))
            else:
                self._has_caught_up.set()


class Life:
    """
    One life of a daemon.

    Args:
        bench: whose configuration it runs with.
        prefix: a command that runs the command.
        environment: more variables.
    """

    def __init__(self, bench: Workbench, *, prefix: Sequence[str] = (), **environment: str) -> None:
        self.manager = Manager()
        self._lines: list[dict[str, Any]] = []
        self._errors: list[str] = []
        self.process = start_command("run", "-c", str(bench.config_path), "--log-format", "json", folder=bench.folder,
                                     prefix=prefix, NOTIFY_SOCKET=self.manager.address, **environment)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._threads = [threading.Thread(target=self._read, args=(self.process.stdout, self._take)),
                         threading.Thread(target=self._read, args=(self.process.stderr, self._errors.append))]
        for thread in self._threads:
            thread.start()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Every line of the log so far."""
        return list(self._lines)

    @property
    def errors(self) -> str:
        """What it has written to standard error."""
        return "".join(self._errors)

    def events(self, event: str, **fields: object) -> list[dict[str, Any]]:
        """The lines of that event whose fields have these values."""
        return [line for line in self.lines if line["event"] == event and fields.items() <= line.items()]

    def wait(
        self, event: str, count: int = 1, *, seconds: float = PATIENCE_S, **fields: object,
    ) -> dict[str, Any]:
        """Wait for so many lines of an event; the last of them."""
        self.wait_until(lambda: len(self.events(event, **fields)) >= count, f"{count} x {event} {fields}", seconds)
        return self.events(event, **fields)[count - 1]

    def wait_until(self, condition: Callable[[], object], what: str, seconds: float = PATIENCE_S) -> None:
        """Wait for a condition while the daemon lives."""
        came = False

        def look() -> bool:
            # Once is enough: what has come true may be past by the next look.
            nonlocal came
            has_ended = self.process.poll() is not None
            came = bool(condition())
            return came or has_ended

        try:
            wait_until(look, what, seconds)
            assert came, f"the daemon has ended before: {what}"
        except AssertionError as error:
            tail = "\n".join(json.dumps(line) for line in self.lines[-15:])
            raise AssertionError(f"{error}\n{self.manager.messages[-5:]}\n{tail}\n{self.errors}") from None

    def ready(self, count: int = 1) -> Life:
        """Wait until it has told its manager so, for the n-th time."""
        self.wait_until(lambda: len(self.manager.texts("READY=1")) >= count, "READY")
        return self

    def status(self) -> str:
        """The last status text; nothing before the first one."""
        return self.manager.texts("STATUS=")[-1].removeprefix("STATUS=") if self.manager.texts("STATUS=") else ""

    def worked_s(self) -> float:
        """How many seconds of a processor it has taken so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def reload(self) -> None:
        """Have it read its configuration anew, and wait until it says that this is done."""
        before = len(self.manager.texts("READY=1"))
        self.process.send_signal(signal.SIGHUP)
        self.ready(before + 1)

    def end(self, number: int = signal.SIGTERM, within_s: float = END_S) -> int:
        """Ask it to end; its exit code. It keeps its promise to be gone soon, whatever hangs."""
        self.process.send_signal(number)
        code = self.process.wait(within_s)
        self._join()
        return code

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.died()

    def died(self) -> int:
        """Wait until it has ended by itself; its exit code."""
        code = self.process.wait(PATIENCE_S)
        self._join()
        return code

    def close(self) -> None:
        """Leave nothing behind."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()
        self._join()
        self.manager.close()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def _join(self) -> None:
        """Take in the last of what it has said."""
        for thread in self._threads:
            thread.join()
        self.manager.catch_up()

    def _take(self, line: str) -> None:
        self._lines.append(json.loads(line))

    @staticmethod
    def _read(stream: IO[str], take: Callable[[str], object]) -> None:
        for line in stream:
            take(line)

"""
A real browser without a window, driven by its DevTools protocol over two pipes.

Source: https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.daemon.life import wait_until

PATIENCE_S = 90.0
_READ_BYTES = 1 << 16
_FLAGS = (
    "--headless=new", "--remote-debugging-pipe", "--disable-gpu", "--no-first-run", "--no-default-browser-check",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    # It shows pages of ours alone, and in many containers its sandbox can't be made.
    "--no-sandbox",
)


def chromium_path() -> str | None:
    """Where the browser is; None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Chromium:
    """
    One browser with one page.

    Args:
        path: of the program.
        folder: for its profile.

    Attributes:
        requests: every address that the page has asked for since it was opened.
        complaints: what its console has said.
    """

    def __init__(self, path: str, folder: Path) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._answers: dict[int, dict[str, Any]] = {}
        self._number = 0
        self._session: str | None = None
        self.pid, self._to, self._from = _start(path, folder)
        self._reader = threading.Thread(target=self._listen)
        self._reader.start()
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        self._number += 1
        number = self._number
        session = {} if self._session is None else {"sessionId": self._session}
        message = {"id": number, "method": method, "params": parameters, **session}
        os.write(self._to, json.dumps(message).encode() + b"\0")
        wait_for(lambda: number in self._answers or not self._reader.is_alive(), method)
        assert number in self._answers, "the browser has ended by itself"
        answer = self._answers.pop(number)
        assert "error" not in answer, (method, answer["error"])
        return dict(answer["result"])

    def open(self, url: str, *, width: int, dark: bool = False) -> None:
        """Show a page in a window of that width, and wait until it is there."""
        self.requests.clear()
        self.complaints.clear()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1,
                  mobile=width < 600)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=url)
        wait_for(lambda: self.value("document.readyState") == "complete" and self.value("location.href") == url, url)

    def value(self, expression: str) -> Any:
        """What an expression in the page comes to."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def picture(self, file: Path) -> None:
        """The whole page as a PNG."""
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        file.write_bytes(base64.b64decode(data))

    def close(self) -> None:
        """End it, whatever it does."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self._reader.join()
        os.close(self._to)
        os.close(self._from)

    def _listen(self) -> None:
        received = b""
        while piece := os.read(self._from, _READ_BYTES):
            *messages, received = (received + piece).split(b"\0")
            for message in messages:
                self._take(json.loads(message))

    def _take(self, message: Mapping[str, Any]) -> None:
        if "id" in message:
            self._answers[message["id"]] = dict(message)
        elif message["method"] == "Network.requestWillBeSent":
            self.requests.append(message["params"]["request"]["url"])
        elif message["method"] in {"Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"}:
            self.complaints.append(json.dumps(message["params"]))


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition with the patience that a browser takes."""
    wait_until(condition, what, PATIENCE_S)


def _start(path: str, folder: Path) -> tuple[int, int, int]:
    """Its process, and the ends of the pipes that it takes for its descriptors 3 and 4: to write to, to read from."""
    its_in, to, from_, its_out = (_higher(end) for end in (*os.pipe(), *os.pipe()))
    nothing = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
    pid = os.posix_spawn(path, [path, *_FLAGS, f"--user-data-dir={folder}"], os.environ, file_actions=[
        *nothing, (os.POSIX_SPAWN_DUP2, its_in, 3), (os.POSIX_SPAWN_DUP2, its_out, 4)])
    os.close(its_in)
    os.close(its_out)
    return pid, to, from_


def _higher(descriptor: int) -> int:
    """The same under a number that the two which it gets do not overwrite."""
    higher = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return higher

"""A network of its own for a process, in which every packet to this machine can vanish without a word."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.daemon.life import wait_until

TOOLS = ("ip", "unshare", "nsenter")
_NOBODY = "02:00:00:00:00:01"
"""A link address that no interface has."""


class NoNetworkError(Exception):
    """This machine makes no networks: not root, no tools, or a kernel without them."""


class LossyNetwork:
    """
    A network namespace with one cable to this machine, and another one that ends nowhere.

    Raises:
        NoNetworkError: with the reason.
    """

    def __init__(self) -> None:
        if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
            raise NoNetworkError(f"there is no {', '.join(missing)}")
        if os.geteuid():
            raise NoNetworkError("only root lays a cable to this machine")
        number = secrets.randbelow(1 << 14)
        net = f"198.{18 + (number >> 13)}.{(number >> 5) & 255}.{(number & 31) << 3}".rpartition(".")
        self.address = f"{net[0]}.{int(net[2]) + 1}"
        """Of this machine, as the process reaches it. Source: https://www.rfc-editor.org/rfc/rfc2544 (198.18.0.0/15)"""
        there, self._cable = f"{net[0]}.{int(net[2]) + 2}", f"bq{secrets.token_hex(4)}"
        command = ["unshare", "--net", "sleep", "600"]
        self._holder = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        self.prefix = ("nsenter", "--net", "--target", str(self._holder.pid))
        """Runs a command in there."""
        try:
            self._lay(there)
        except NoNetworkError:
            self.close()
            raise

    def _lay(self, there: str) -> None:
        wait_until(lambda: self._holder.poll() is not None or _network_of(self._holder.pid) != _network_of(os.getpid()),
                   "a network of its own")
        if self._holder.poll() is not None:
            raise NoNetworkError("unshare --net is not allowed")
        self._run("ip", "link", "add", self._cable, "type", "veth", "peer", "name", "cable", "netns",
                  str(self._holder.pid))
        self._run("ip", "address", "add", f"{self.address}/29", "dev", self._cable)
        self._run("ip", "link", "set", self._cable, "up")
        self._inside("ip", "address", "add", f"{there}/29", "dev", "cable")
        self._inside("ip", "link", "add", "nowhere", "type", "veth", "peer", "name", "end")
        for name in ("lo", "cable", "nowhere", "end"):
            self._inside("ip", "link", "set", name, "up")
        self._inside("ip", "neighbour", "add", self.address, "lladdr", _NOBODY, "dev", "nowhere")

    def lose(self) -> None:
        """From now on all that the process sends is lost."""
        self._inside("ip", "route", "add", f"{self.address}/32", "dev", "nowhere")

    def find(self) -> None:
        """No more."""
        self._inside("ip", "route", "delete", f"{self.address}/32", "dev", "nowhere")

    def close(self) -> None:
        with suppress(NoNetworkError):
            self._run("ip", "link", "delete", self._cable)
        self._holder.kill()
        self._holder.wait()

    def _inside(self, *command: str) -> None:
        self._run(*self.prefix, *command)

    @staticmethod
    def _run(*command: str) -> None:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise NoNetworkError(f"{' '.join(command)}: {done.stderr.strip()}")


def _network_of(pid: int) -> str:
    with suppress(OSError):
        return str(Path(f"/proc/{pid}/ns/net").readlink())
    return ""

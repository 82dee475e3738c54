"""
What the service manager is told: READY, STATUS, WATCHDOG, RELOADING, STOPPING.

Outside systemd, where NOTIFY_SOCKET is not set, nothing is sent.
Source: https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

_PATIENCE_S = 1.0


class Notifier:
    """
    Sends messages to the service manager. A manager that does not answer is no reason to stop: nothing raises.

    Args:
        environ: the environment, as `os.environ`.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # An address that begins with @ is of the abstract namespace.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._status = ""
        self.watchdog_s = _watchdog_s(environ)
        """A ping is to come within so many seconds; None where none is asked for."""

    def ready(self) -> None:
        """Start, or reload, is done."""
        self._send("READY=1")

    def reloading(self) -> None:
        """A reload begins; `ready` ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """The end begins."""
        self._send("STOPPING=1")

    def ping(self) -> None:
        """Still alive."""
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """A line for `systemctl status`; sent when it differs from the last one."""
        if text != self._status:
            self._status = text
            # A name may hold anything, and a line break would begin another message.
            self._send(f"STATUS={' '.join(text.splitlines())}")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                # A manager whose queue stays full must not hold up the work.
                channel.settimeout(_PATIENCE_S)
                channel.sendto(os.fsencode(message), self._address)
        except OSError:
            return


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    """Source: https://www.freedesktop.org/software/systemd/man/latest/sd_watchdog_enabled.html"""
    interval, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not interval.isdecimal() or not int(interval) or pid not in ("", str(os.getpid())):
        return None
    return int(interval) / 1_000_000

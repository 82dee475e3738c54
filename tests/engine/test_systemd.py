"""What the service manager is told, over real sockets."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bqsync.engine.systemd import Notifier


@pytest.fixture
def manager() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.settimeout(10)
        yield listening


def bound(manager: socket.socket, *, is_abstract: bool, folder: str) -> dict[str, str]:
    name = f"bqsync-test-{secrets.token_hex(8)}" if is_abstract else f"{folder}/notify"
    manager.bind(f"\0{name}" if is_abstract else name)
    return {"NOTIFY_SOCKET": f"@{name}" if is_abstract else name}


def received(manager: socket.socket) -> str:
    return manager.recv(4096).decode(errors="surrogateescape")


@pytest.mark.parametrize("is_abstract", [False, True])
def test_each_message_is_one_datagram(manager: socket.socket, is_abstract: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="bqsync-") as folder:
        notifier = Notifier(bound(manager, is_abstract=is_abstract, folder=folder))
        notifier.ready()
        notifier.ping()
        notifier.status("2 tables, up to date")
        notifier.status("2 tables, up to date")
        before = time.monotonic_ns() // 1_000
        notifier.reloading()
        notifier.stopping()
        texts = [received(manager) for _ in range(5)]
    assert texts[:3] == ["READY=1", "WATCHDOG=1", "STATUS=2 tables, up to date"]
    assert texts[4] == "STOPPING=1"
    reloading, _, instant = texts[3].partition("\nMONOTONIC_USEC=")
    assert reloading == "RELOADING=1"
    assert before <= int(instant) <= time.monotonic_ns() // 1_000


@pytest.mark.parametrize(("text", "expected"), [
    ("no file /data/\udcff.db", b"STATUS=no file /data/\xff.db"), ("a\nREADY=1", b"STATUS=a READY=1"),
    ("t" * 3_000, b"STATUS=" + b"t" * 3_000),
])
def test_a_status_is_one_line_whatever_is_in_a_name(manager: socket.socket, text: str, expected: bytes) -> None:
    Notifier(bound(manager, is_abstract=True, folder="")).status(text)
    assert manager.recv(8_192) == expected


@pytest.mark.parametrize("address", ["", "/nowhere/notify", "@nobody-listens", "/" + "x" * 200, "relative", "@"])
def test_a_manager_that_is_not_there_is_no_failure(address: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": address})
    notifier.ready()
    notifier.reloading()
    notifier.status("text")
    notifier.ping()
    notifier.stopping()


def test_outside_a_manager_nothing_is_sent() -> None:
    Notifier({}).ready()


def test_a_manager_that_does_not_read_holds_nothing_up_for_long(manager: socket.socket) -> None:
    notifier = Notifier(bound(manager, is_abstract=True, folder=""))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as flood:
        flood.setblocking(False)
        flood.connect(manager.getsockname())
        with contextlib.suppress(BlockingIOError):
            while True:
                flood.send(b"x")
    begun = time.monotonic()
    notifier.ready()
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(("variables", "expected"), [
    ({}, None), ({"WATCHDOG_USEC": "60000000"}, 60.0), ({"WATCHDOG_USEC": "500000"}, 0.5),
    ({"WATCHDOG_USEC": "0"}, None), ({"WATCHDOG_USEC": ""}, None), ({"WATCHDOG_USEC": "-1"}, None),
    ({"WATCHDOG_USEC": "soon"}, None), ({"WATCHDOG_USEC": "1.5"}, None), ({"WATCHDOG_USEC": "²"}, None),
    ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": ""}, 60.0),
    ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 60.0),
    ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
    ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "me"}, None), ({"WATCHDOG_PID": str(os.getpid())}, None),
])
def test_pings_are_asked_for_by_an_interval_and_of_this_process(
    variables: dict[str, str], expected: float | None,
) -> None:
    assert Notifier(variables).watchdog_s == expected


def test_no_child_inherits_the_channel(manager: socket.socket) -> None:
    Notifier(bound(manager, is_abstract=True, folder="")).ready()
    script = "import os; print(sorted(os.listdir('/proc/self/fd')))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.count("'") == 8, done.stdout
    assert Path("/proc/self/fd").exists()

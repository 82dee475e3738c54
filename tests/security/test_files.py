"""What bqsync makes is its user's alone, whatever the umask; and nothing but the endpoints is spoken to."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.security.sockets import listening, who_listens
from tests.workbench import ROOT

from bqsync.embedded import Endpoints
from bqsync.state.lock import StateLock
from bqsync.state.scratch import Scratch
from bqsync.state.store import Store

UMASKS = (0o000, 0o022)


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def modes(folder: Path) -> dict[str, str]:
    """The mode of the folder and of everything in it."""
    return {str(path.relative_to(folder.parent)): oct(stat.S_IMODE(path.stat().st_mode))
            for path in (folder, *folder.rglob("*"))}


def open_to_others(folder: Path) -> list[str]:
    return [name for name, mode in modes(folder).items() if int(mode, 8) & 0o077]


@pytest.mark.parametrize("mask", UMASKS, ids=oct)
def test_state_lock_side_files_and_folders_are_private(tmp_path: Path, mask: int) -> None:
    folder = tmp_path / "made"
    with umask(mask):
        store = Store(folder / "above" / "state.db")
        lock = StateLock(store.path)
        lock.acquire()
        store.source_id("app")
        with Scratch(store.path.parent) as scratch:
            scratch.add([(b"key", 1, None)])
            found = set(modes(folder))
            assert open_to_others(folder) == []
        lock.release()
        store.close()
    assert {f"made/above/state.db{suffix}" for suffix in ("", "-wal", "-shm", ".lock")} <= found


@pytest.mark.parametrize("mask", UMASKS, ids=oct)
def test_a_state_that_was_moved_aside_stays_private(tmp_path: Path, mask: int) -> None:
    path = tmp_path / "made" / "state.db"
    with umask(mask):
        Store(path).close()
        path.write_bytes(b"no database at all, but longer than a header" * 100)
        store = Store(path)
        store.close()
    assert store.rebuilt_from is not None
    assert store.rebuilt_from.exists()
    assert open_to_others(path.parent) == []


def test_the_embedded_bigquery_listens_on_this_machine_alone(emulator: Endpoints) -> None:
    ports = [int(endpoint.rpartition(":")[2]) for endpoint in (emulator.rest, emulator.grpc)]
    found = listening(who_listens(ports[0]))
    assert set(ports) <= set(found)
    assert [address for address in found.values() if not address.is_loopback] == []


SCRIPT = """
set -e
ip link set lo up
ip link add out type veth peer name in
ip link set in addrgenmode none up
ip link set out addrgenmode none arp off multicast off up
ip address add 192.0.2.1/24 dev out
ip route add default dev out
mount --bind resolv.conf /etc/resolv.conf
"$0" -P -m bqsync sync >synced 2>&1
"$0" -P -m bqsync verify >>synced 2>&1
grep out: /proc/net/dev >after
"$0" -c "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.53', 53))"
grep out: /proc/net/dev >sensed
"""
"""In a network of its own, whose only way out counts what is sent. A look-up of a name would go there as well."""
_SENT_PACKETS = 10
"""Source: https://man7.org/linux/man-pages/man5/proc_pid_net.5.html (the first of `transmit`'s columns is the ninth)"""


def may_have_networks() -> bool:
    unshare = shutil.which("unshare")
    return bool(unshare and shutil.which("ip") and os.geteuid() == 0) and not subprocess.run(
        [str(unshare), "--net", "--mount", "true"], check=False, capture_output=True).returncode


@pytest.mark.skipif(not may_have_networks(), reason="needs root, ip, and networks of its own")
def test_nothing_is_sent_elsewhere_and_the_embedded_bigquery_keeps_its_files_private(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "app.db")) as db:
        db.executescript("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO things VALUES (1, 'a');")
    (tmp_path / "config.toml").write_text(
        '[source]\ndb = "app.db"\n[bigquery]\nproject = "demo"\ndataset = "d"\nembedded = true\n'
        '[[tables]]\nname = "things"\n', encoding="utf-8")
    (tmp_path / "resolv.conf").write_text("nameserver 192.0.2.53\noptions timeout:1 attempts:1\n", encoding="utf-8")
    (tmp_path / ".bqsync" / "bigquery").mkdir(parents=True, mode=0o755)  # somebody was here before
    command = ["unshare", "--net", "--mount", "sh", "-c", f"umask 0000; {SCRIPT}", sys.executable]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=150,
                          env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "daemon"), *sys.path])})
    assert done.returncode == 0, done.stderr + (tmp_path / "synced").read_text(encoding="utf-8")
    sent, sensed = (int((tmp_path / name).read_text(encoding="ascii").replace(":", " ").split()[_SENT_PACKETS])
                    for name in ("after", "sensed"))
    assert (sent, sensed) == (0, 1)
    bigquery = tmp_path / ".bqsync" / "bigquery"
    assert [name for name in open_to_others(bigquery) if (bigquery.parent / name).is_file()] == []
    assert any(path.stat().st_size for path in bigquery.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", ["bqsync.service", "bqsync@.service", "bqsync-sync.service"])
def test_no_service_writes_a_core(name: str) -> None:
    lines = (ROOT / "systemd" / name).read_text(encoding="utf-8").splitlines()
    assert {"LimitCORE=0", "UMask=0077", "StateDirectoryMode=0700"} <= set(lines)

"""A Debian with systemd: made once by debootstrap, copied for a run, booted by systemd-nspawn, shut down at the end."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.systemd.report import eventually

SUITE = "bookworm"
PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-venv,sqlite3"
TOOLS = ("debootstrap", "systemd-nspawn", "nsenter", "setpriv")
_BOOT_S, _SHUTDOWN_S, _COMMAND_S = 60, 30, 180
_ENVIRONMENT = ("env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8",
                "HOME=/root", "SYSTEMD_COLORS=0", "SYSTEMD_PAGER=")


class Machine:
    """One that is booted. Its network is this machine's, loopback included."""

    def __init__(self, root: Path, nspawn: subprocess.Popen[bytes], leader: int) -> None:
        self.root = root
        self._nspawn = nspawn
        self._leader = leader

    def run(self, *command: str, data: str | None = None) -> subprocess.CompletedProcess[str]:
        """A command inside, as root. Its failure is for the caller to see."""
        return subprocess.run(["nsenter", "-t", str(self._leader), "-a", *_ENVIRONMENT, *command],
                              input=data, capture_output=True, text=True, check=False, timeout=_COMMAND_S)

    def output(self, *command: str, data: str | None = None) -> str:
        """What a command prints; it must not fail."""
        done = self.run(*command, data=data)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: exit code {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Put a file there, owned by root."""
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
        place.chmod(mode)

    def shut_down(self) -> None:
        """In order; what does not end is killed, with all that runs inside."""
        self._nspawn.terminate()  # nspawn has the machine power off
        try:
            self._nspawn.wait(_SHUTDOWN_S)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            self._nspawn.wait()


@contextmanager
def locked(cache: Path) -> Iterator[None]:
    """One run at a time; what a run that was killed has left is cleared away."""
    cache.mkdir(mode=0o755, parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in cache.glob("run-*"):
            shutil.rmtree(left)
        yield


def base(cache: Path) -> Path:
    """The Debian that every run begins with. The first one takes a minute."""
    made = cache / f"base-{SUITE}"
    if made.is_dir():
        return made
    print(f"making {made}: a minute, once", flush=True)
    unfinished = cache / "run-base"
    subprocess.run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(unfinished), *_mirror()],
                   stdout=subprocess.DEVNULL, check=True)
    shutil.rmtree(unfinished / "var/cache/apt/archives")
    unfinished.rename(made)
    return made


def _mirror() -> list[str]:
    """The archive that this machine gets its own packages from, if it is a Debian; else debootstrap's default."""
    indexes = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)",
                              "Created-By: Packages"], capture_output=True, text=True, check=False)
    for line in indexes.stdout.splitlines():
        site, _, rest = line.partition(" ")
        if rest == f"{SUITE} main":
            return [site]
    return []


@contextmanager
def booted(cache: Path, *, shared: Path) -> Iterator[Machine]:
    """
    A fresh machine, until the end of the block, however that comes.

    Args:
        cache: where the base and the copy live.
        shared: a folder that is /shared inside, read-only.
    """
    root = cache / f"run-{os.getpid()}"
    subprocess.run(["cp", "-a", "--reflink=auto", str(base(cache)), str(root)], check=True)
    # Empty, and not "uninitialized": that would be a first boot, which switches on services that manage a network.
    (root / "etc/machine-id").write_text("", encoding="ascii")
    try:
        with (cache / "console.log").open("wb") as console:
            # Whatever becomes of this process: the kernel then tells nspawn, and that ends the machine.
            nspawn = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", "systemd-nspawn", "--quiet", "-D", str(root), "--boot",
                 "--register=no", "--keep-unit", "--console=pipe", f"--machine=bqsync-test-{os.getpid()}",
                 f"--bind-ro={shared}:/shared"],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True)
        machine = Machine(root, nspawn, leader=0)
        try:
            leader = eventually(_BOOT_S, lambda: _leader_of(nspawn))
            if not leader:
                raise RuntimeError(f"the machine did not boot; see {cache / 'console.log'}")
            machine = Machine(root, nspawn, leader)
            eventually(_BOOT_S, lambda: machine.run("systemctl", "is-system-running").stdout.strip()
                       in ("running", "degraded"))
            yield machine
        finally:
            machine.shut_down()
    finally:
        shutil.rmtree(root)
        _clear_cgroups()


def _leader_of(nspawn: subprocess.Popen[bytes]) -> int | None:
    """The process that is number 1 inside, once it is systemd."""
    if nspawn.poll() is not None:
        return None
    for status in Path("/proc").glob("[0-9]*/status"):
        with suppress(OSError):
            text = status.read_text(encoding="utf-8")
            inside = re.search(r"^NSpid:.*\t1$", text, re.MULTILINE)
            if inside and f"\nPPid:\t{nspawn.pid}\n" in text and text.startswith("Name:\tsystemd\n"):
                return int(status.parent.name)
    return None


def _clear_cgroups() -> None:
    """nspawn leaves the two groups that it made, empty, where no systemd outside removes them."""
    if Path("/run/systemd/system").is_dir():
        return
    for name in ("payload", "supervisor"):
        for group in sorted(Path("/sys/fs/cgroup").glob(f"*/{name}"), reverse=True):
            folders = [Path(folder) for folder, _, _ in os.walk(group, topdown=False)]
            for folder in folders:
                with suppress(OSError):
                    folder.rmdir()


def require_tools() -> None:
    """End with a sentence where something is missing."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if os.geteuid() != 0 or missing:
        why = f"these are missing: {', '.join(missing)}" if missing else "this is not root"
        sys.exit(f"`make test-systemd` boots a Debian: it needs root, debootstrap and systemd-container; {why}")

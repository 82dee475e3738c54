"""What the process may see and do, read from the running one."""

from __future__ import annotations

import re
from pathlib import Path

from tests.systemd.installation import BQSYNC, KEY, MAIN, ROOT, SECOND, Site
from tests.systemd.report import Report

_NONE = "0000000000000000"
_SHOWN_OTHERWISE = {"RestrictAddressFamilies", "SystemCallFilter", "SystemCallErrorNumber"}


def process(site: Site, report: Report) -> None:
    """the process"""
    pid = site.pid(MAIN)
    status = dict(re.findall(r"^(\w+):\s*(.*)$", site.machine.output("cat", f"/proc/{pid}/status"), re.MULTILINE))
    report.equal("NoNewPrivs", status["NoNewPrivs"], "1")
    report.equal("Seccomp filters", status["Seccomp"], "2")
    for name in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"):
        report.equal(f"{name} is empty", status[name], _NONE)
    uid = site.machine.output("id", "-u", "bqsync").strip()
    report.equal("it runs as bqsync", set(status["Uid"].split()), {uid})
    app = site.machine.output("getent", "group", "app").split(":")[2]
    report.check("and in the application's group", app in status["Groups"].split(), status["Groups"])
    own, others = (site.machine.output("readlink", f"/proc/{number}/ns/user") for number in (pid, "1"))
    report.check("in a user namespace of its own", own != others, own)
    maps = site.machine.output("cat", f"/proc/{pid}/maps")
    report.check("no memory is writable and executable", not re.search(r" rwx", maps),
                 re.findall(r".* rwx.*", maps)[:3])
    report.check("gRPC lives under it", "grpc" in maps, "its library is not loaded")
    limits = site.machine.output("cat", f"/proc/{pid}/limits")
    report.check("no core is written", re.search(r"Max core file size +0 +0 ", limits), limits)
    score = site.machine.output("cat", f"/proc/{pid}/oom_score_adj").strip()
    report.check("it goes before the application when memory runs out", int(score) > 0, score)


def files(site: Site, report: Report) -> None:
    """files"""
    pid = site.pid(MAIN)
    refused = {path: _writes_as_root(site, pid, path) for path in (
        "/srv/app", "/home/app", "/home/app/data", "/etc/bqsync", "/opt/bqsync", "/usr", "/var/lib", "/run",
        "/var/lib/bqsync/..")}
    report.equal("even root, in its namespace, can't write but to its own",
                 {path for path, said in refused.items() if "Read-only file system" not in said}, set())
    report.equal("it can write its state", _writes_as_root(site, pid, "/var/lib/bqsync"), "")
    report.equal("an instance can write its own state", _writes_as_root(site, site.pid(SECOND),
                                                                        "/var/lib/bqsync/shop"), "")
    report.check("and not that of another", "Read-only" in _writes_as_root(site, site.pid(SECOND), "/var/lib/bqsync"))
    mounts = site.machine.output("cat", f"/proc/{pid}/mountinfo").splitlines()
    [proc] = [line for line in mounts if line.split()[4] == "/proc"]
    report.check("other processes can't be seen", re.search(r"hidepid=(invisible|2)", proc), proc)
    report.check("nor what /proc tells of the kernel", "subset=pid" in proc, proc)
    site.machine.output("touch", "/tmp/somebody", "/var/tmp/somebody")  # noqa: S108 - in the machine
    seen = _inside(site, pid, "ls", "/tmp", "/var/tmp")  # noqa: S108 - within the machine
    report.check("it has a folder of its own for temporary files", "somebody" not in seen, seen)
    devices = _inside(site, pid, "sh", "-c", "ls -l /dev | grep -c ^b").strip()
    report.equal("there is no block device", devices, "0")
    for kept in (MAIN, SECOND):
        folder = str(Path(kept.database).parent)
        listed = site.machine.output("find", folder, "-mindepth", "1", "-printf", "%f %u:%g\n").splitlines()
        base = Path(kept.database).name
        allowed = {f"{base}{suffix} app:app" for suffix in ("", "-wal", "-shm", "-journal")}
        report.check(f"{folder} holds the application's own files and no other", set(listed) <= allowed, listed)
        alone = site.machine.run("runuser", "-u", "bqsync", "--", "ls", folder)
        report.check(f"bqsync reads {folder} by the group of the unit alone", alone.returncode != 0, alone.stdout)


def options(site: Site, report: Report) -> None:
    """options in force"""
    text = (ROOT / "systemd/bqsync.service").read_text(encoding="utf-8")
    wanted = dict(re.findall(r"^(\w+)=(.*)$", text[text.index("ProtectSystem="):text.index("[Install]")], re.MULTILINE))
    shown = site.show(MAIN, *wanted)
    report.equal("every option of the unit is in force", {
        name: value for name, value in wanted.items() if name not in _SHOWN_OTHERWISE and shown.get(name) != value}, {})
    report.equal("address families", set(shown["RestrictAddressFamilies"].split()),
                 set(wanted["RestrictAddressFamilies"].split()))
    calls = set(shown["SystemCallFilter"].split())
    report.check("system calls are a list of what is allowed", "read" in calls and not calls & {"mount", "ptrace"}, "")
    for name, value in {"Restart": "always", "WatchdogUSec": "1min", "TimeoutStopUSec": "30s", "KillMode": "mixed",
                        "StartLimitIntervalUSec": "0", "UMask": "0077", "StateDirectoryMode": "0700",
                        "SupplementaryGroups": "app"}.items():
        report.equal(name, site.value(MAIN, name), value)


def credential(site: Site, report: Report) -> None:
    """the key"""
    machine, pid = site.machine, site.pid(MAIN)
    place = "/run/credentials/bqsync.service/gcp.json"
    stat = machine.output("stat", "-c", "%a %U", place).strip()
    report.equal("handed over, readable for the service and not writable", stat, "400 bqsync")
    environment = machine.output("cat", f"/proc/{pid}/environ").split("\0")
    report.check("and named to it", f"GOOGLE_APPLICATION_CREDENTIALS={place}" in environment)
    other = machine.run("runuser", "-u", "app", "-G", "bqsync", "-g", "app", "--", "cat", place)
    report.check("another user can't read it", other.returncode != 0, other.stdout)
    by_hand = machine.run(
        "systemd-run", "--pipe", "--wait", "--collect", "--quiet", "--unit=bqsync-by-hand", "-p", "User=bqsync", "-p",
        "SupplementaryGroups=app", "-p", f"LoadCredential=gcp.json:{KEY}", "-p",
        "Environment=GOOGLE_APPLICATION_CREDENTIALS=/run/credentials/bqsync-by-hand.service/gcp.json",
        "sh", "-c", f"cat $GOOGLE_APPLICATION_CREDENTIALS && {BQSYNC} check -c {MAIN.config}")
    report.check("a command by hand can be given it", by_hand.returncode == 0 and "no key" in by_hand.stdout,
                 by_hand.stdout + by_hand.stderr)
    own = machine.run("runuser", "-u", "bqsync", "--", "cat", KEY)
    report.check("the file itself is root's alone", own.returncode != 0, own.stdout)


def _inside(site: Site, pid: str, *command: str) -> str:
    """What a command prints in the mount namespace of a process, as root with all its rights."""
    done = site.machine.run("nsenter", "-t", pid, "-m", *command)
    return done.stdout + done.stderr


def _writes_as_root(site: Site, pid: str, folder: str) -> str:
    """Why a file can't be made there; nothing, if it can."""
    return _inside(site, pid, "sh", "-c", f"touch {folder}/made-by-a-test && rm {folder}/made-by-a-test").strip()

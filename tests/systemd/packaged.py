"""bqsync as a package of Debian: installed, started, upgraded, removed, purged."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.systemd.installation import MAIN, ROOT, SECOND, Site
from tests.systemd.report import Report, eventually

PACKAGE, NEWER = "/shared/bqsync.deb", "/var/tmp/newer.deb"  # noqa: S108 - within the machine
EXAMPLE = "/usr/share/doc/bqsync/examples/config.toml"


def build(cache: Path) -> Path:
    """A folder with the package of bqsync as it is now."""
    subprocess.run([sys.executable, "-m", "package"], cwd=ROOT, check=True, capture_output=True)
    [built] = (ROOT / "dist").glob("bqsync_*.deb")
    folder = cache / "package"
    folder.mkdir(mode=0o755, exist_ok=True)
    shutil.copyfile(built, folder / Path(PACKAGE).name)
    return folder


def install(site: Site, report: Report) -> None:
    """the package"""
    machine = site.machine
    site.put_applications()
    machine.write("/opt/bqsync/pyvenv.cfg", "")
    refused = machine.run("dpkg", "-i", PACKAGE)
    report.check("a virtual environment that was made by hand is not written over",
                 refused.returncode != 0 and "fix   stop the service" in refused.stderr, refused.stderr)
    machine.output("rm", "-r", "/opt/bqsync")
    done = machine.run("dpkg", "-i", PACKAGE)
    report.check("`dpkg -i` ends well on a plain Debian", done.returncode == 0, done.stdout + done.stderr)
    report.check("it says what is to be done next", "systemctl enable --now bqsync" in done.stdout, done.stdout)
    again = machine.run("dpkg", "-i", PACKAGE)
    report.check("so does a second time", again.returncode == 0 and "nothing runs yet" not in again.stdout,
                 again.stdout + again.stderr)
    report.equal("nothing is enabled", machine.run("systemctl", "is-enabled", MAIN.unit).stdout.strip(), "disabled")
    report.equal("nothing runs", machine.run("systemctl", "is-active", MAIN.unit).stdout.strip(), "inactive")
    report.equal("every file is as it was packed", machine.run("dpkg", "--verify", "bqsync").stdout, "")
    who = machine.output("stat", "-c", "%n %a %U:%G", "/etc/bqsync", "/var/lib/bqsync")
    report.equal("user and folders are there", who.splitlines(),
                 ["/etc/bqsync 750 root:bqsync", "/var/lib/bqsync 700 bqsync:bqsync"])
    told = machine.run("bqsync", "--version")
    report.check("`bqsync` is in the PATH", re.match(r"bqsync \d", told.stdout), told.stdout + told.stderr)
    machine.output("cp", EXAMPLE, "/tmp/config.toml")  # noqa: S108 - within the machine
    example = machine.run("bqsync", "check", "--offline", "-c", "/tmp/config.toml")  # noqa: S108 - within the machine
    report.check("the example passes a check", example.returncode == 0, example.stdout + example.stderr)
    verified = machine.run("systemd-analyze", "verify", "--man=no", "bqsync.service", "bqsync@shop.service")
    report.check("systemd-analyze finds no fault", not verified.stdout + verified.stderr,
                 verified.stdout + verified.stderr)


def start(site: Site, report: Report) -> None:
    """its service"""
    machine = site.machine
    site.configure(MAIN)
    for unit in (MAIN.unit, "bqsync@"):
        machine.write(f"/etc/systemd/system/{unit}.service.d/group.conf", "[Service]\nSupplementaryGroups=app\n")
    machine.output("systemctl", "daemon-reload")
    begun = machine.run("systemctl", "enable", "--now", MAIN.unit)
    report.check("`systemctl enable --now` ends well", begun.returncode == 0, begun.stderr)
    report.check("active at once", site.is_active(MAIN), site.value(MAIN, "ActiveState"))
    wrong = site.catches_up(MAIN)
    report.check("rows arrive while the application writes", not wrong, wrong)
    written = machine.output("find", "/opt/bqsync", "-newer", "/var/lib/dpkg/info/bqsync.list", "-type", "f")
    report.equal("it was compiled beforehand: a start writes nothing beside the program", written, "")


def watch(site: Site, report: Report) -> None:
    """its log, by `bqsync tail`"""
    machine = site.machine
    shown = machine.run("bqsync", "tail", "--no-follow", "-n", "200")
    report.check("`bqsync tail` reads the journal", shown.returncode == 0 and re.search(
        r"^\d\d:\d\d:\d\d\.\d{3}  info     +daemon\.ready +1 table", shown.stdout, re.MULTILINE), shown.stdout[-800:])
    report.check("what is systemd's own passes through", "Started bqsync.service" in shown.stdout, shown.stdout[:500])
    chosen = machine.run("bqsync", "tail", "--no-follow", "--json", "--event", "sync.completed", "--table", "orders")
    events = [json.loads(line) for line in chosen.stdout.splitlines()]
    report.check("its lines are chosen", events and {event["event"] for event in events} == {"sync.completed"},
                 chosen.stdout[:500])
    summary = machine.run("bqsync", "tail", "--summary")
    report.check("its summary has the table", re.search(r"orders +\d+ .*ago .* ok", summary.stdout), summary.stdout)
    nobody = machine.run("bqsync", "tail", "--unit", "nobody", "--no-follow")
    report.check("a unit that is not there is an error", nobody.returncode == 74 and "E611" in nobody.stderr,
                 nobody.stderr)


def upgrade(site: Site, report: Report) -> None:
    """its upgrade"""
    machine = site.machine
    [built] = (ROOT / "dist").glob("bqsync_*.deb")
    _bump(built, machine.root / NEWER.lstrip("/"))
    before = site.pid(MAIN)
    done = machine.run("dpkg", "-i", NEWER)
    report.check("`dpkg -i` of a newer one ends well", done.returncode == 0, done.stdout + done.stderr)
    report.check("what ran is restarted", eventually(30, lambda: site.is_active(MAIN))
                 and site.pid(MAIN) not in ("0", before), f"{before} {site.pid(MAIN)}")
    report.equal("what did not run is not started", machine.run("systemctl", "is-active", SECOND.unit).stdout.strip(),
                 "inactive")
    site.stop_application(MAIN)
    wrong = site.converges(MAIN)
    report.check("target equals source afterwards", not wrong, wrong)
    machine.output("systemctl", "stop", MAIN.unit)
    again = machine.run("dpkg", "-i", NEWER)
    report.check("a service that was stopped stays so", again.returncode == 0 and not site.is_active(MAIN),
                 again.stdout + again.stderr)
    machine.output("systemctl", "start", MAIN.unit)


def remove(site: Site, report: Report) -> None:
    """its end"""
    machine = site.machine
    done = machine.run("dpkg", "-r", "bqsync")
    report.check("`dpkg -r` ends well, with a service that runs", done.returncode == 0, done.stdout + done.stderr)
    report.equal("the service has ended", machine.run("systemctl", "is-active", MAIN.unit).stdout.strip(), "inactive")
    left = machine.run("find", "/opt/bqsync", "/usr/bin/bqsync", "/usr/lib/systemd/system/bqsync.service",
                       "/etc/systemd/system/multi-user.target.wants/bqsync.service")
    report.equal("no file is left", left.stdout, "")
    kept = machine.run("ls", MAIN.config, MAIN.state)
    report.equal("configuration and state are", kept.returncode, 0)
    purged = machine.run("dpkg", "-P", "bqsync")
    report.check("`dpkg -P` ends well and says what it keeps", purged.returncode == 0
                 and "/var/lib/bqsync (what was delivered)" in purged.stdout, purged.stdout + purged.stderr)
    report.equal("and keeps it", machine.run("ls", MAIN.config, MAIN.state).returncode, 0)
    report.equal("dpkg knows it no more", machine.run("dpkg-query", "-W", "bqsync").returncode, 1)


PARTS = (install, start, watch, upgrade, remove)


def _bump(package: Path, newer: Path) -> None:
    """The same package under a later version."""
    folder = newer.with_suffix("")
    subprocess.run(["dpkg-deb", "--raw-extract", str(package), str(folder)], check=True)
    control = folder / "DEBIAN/control"
    control.write_text(re.sub(r"^(Version: .*)$", r"\1+1", control.read_text(encoding="utf-8"), flags=re.MULTILINE),
                       encoding="utf-8")
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(folder), str(newer)], check=True,
                   stdout=subprocess.DEVNULL)
    shutil.rmtree(folder)

"""Reload, death, hanging, stop."""

from __future__ import annotations

import json
import time

from tests.systemd.installation import KEY, MAIN, SECOND, Site
from tests.systemd.report import Report, eventually

BACK_S = 30
HUNG_S = 5
STOP_S = 10
"""The daemon itself needs 5 s at most; systemd would wait for 30."""
_DROP_IN = "/etc/systemd/system/bqsync.service.d/test.conf"


def reload(site: Site, report: Report) -> None:
    """reload"""
    pid = site.pid(MAIN)
    site.configure(MAIN, sync="batch_rows = 400")
    done = site.machine.run("systemctl", "reload", MAIN.unit)
    report.check("`systemctl reload` ends well", done.returncode == 0, done.stderr)
    changed = eventually(10, lambda: site.events(MAIN, "daemon.reloaded"))
    report.check("the new configuration is in force", changed and changed[-1]["changed"] == ["sync"], changed)
    site.configure(MAIN, sync='batch_rows = "many"')
    done = site.machine.run("systemctl", "reload", MAIN.unit)
    report.check("`systemctl reload` with a bad file ends", done.returncode == 0, done.stderr)
    refused = eventually(10, lambda: site.events(MAIN, "daemon.reload_failed"))
    report.check("the bad file is told", refused and refused[-1]["code"] == "E101", refused)
    report.check("the old configuration stays in force, in the same process",
                 site.is_active(MAIN) and site.pid(MAIN) == pid)
    wrong = site.catches_up(MAIN)
    report.check("and rows arrive", not wrong, wrong)
    [error] = [entry for entry in site.journal(MAIN) if "daemon.reload_failed" in str(entry["MESSAGE"])]
    report.equal("an error has the PRIORITY of one", error["PRIORITY"], "3")
    site.configure(MAIN)


def death(site: Site, report: Report) -> None:
    """death"""
    pid = site.pid(MAIN)
    site.machine.output("sh", "-c", f"kill -KILL {pid}")
    _comes_back(site, report, pid, "after a SIGKILL")
    pid = site.pid(MAIN)
    site.machine.output("sh", "-c", f"kill -TERM {pid}")
    _comes_back(site, report, pid, "after a SIGTERM that did not come from systemctl")


def hanging(site: Site, report: Report) -> None:
    """hanging"""
    site.machine.write(_DROP_IN, f"[Service]\nWatchdogSec={HUNG_S}\n")
    site.machine.output("systemctl", "daemon-reload")
    site.machine.output("systemctl", "restart", MAIN.unit)
    time.sleep(2 * HUNG_S)
    report.equal("who works is left alone", site.value(MAIN, "NRestarts"), "0")
    pid = site.pid(MAIN)
    site.machine.output("sh", "-c", f"kill -STOP {pid}")
    _comes_back(site, report, pid, "after it hung")
    said = site.machine.output("journalctl", "-u", MAIN.unit, "-o", "cat", "--no-pager")
    report.check("systemd tells why", "Watchdog timeout" in said, said[-500:])
    report.check("Python tells where it hung", "Fatal Python error: Aborted" in said, said[-500:])
    site.machine.output("rm", "-f", _DROP_IN)
    site.machine.output("systemctl", "daemon-reload")


def refusal(site: Site, report: Report) -> None:
    """a start with a bad configuration"""
    site.machine.output("systemctl", "stop", MAIN.unit)
    site.configure(MAIN, sync="nonsense = 1")
    done = site.machine.run("systemctl", "start", MAIN.unit)
    report.check("`systemctl start` fails", done.returncode != 0)
    time.sleep(7)
    shown = site.show(MAIN, "ExecMainStatus", "NRestarts", "ActiveState")
    report.equal("with 78, and is not tried again", shown,
                 {"ExecMainStatus": "78", "NRestarts": "0", "ActiveState": "failed"})
    said = site.machine.output("journalctl", "-u", MAIN.unit, "-o", "cat", "-n", "20", "--no-pager")
    report.check("what is wrong is in the journal", "nonsense" in said, said)
    site.configure(MAIN)
    site.machine.output("systemctl", "start", MAIN.unit)


def closed(site: Site, report: Report) -> None:
    """a database that is closed to it"""
    site.machine.output("systemctl", "stop", MAIN.unit)
    site.machine.output("chmod", "0700", "/srv/app")
    begun = site.machine.run("systemctl", "start", MAIN.unit)
    report.check("is waited for", begun.returncode == 0 and site.is_active(MAIN), begun.stderr)
    told = eventually(10, lambda: "E202" in site.value(MAIN, "StatusText"))
    report.check("and told in the status", told, site.value(MAIN, "StatusText"))
    site.machine.output("chmod", "0750", "/srv/app")
    wrong = site.catches_up(MAIN)
    report.check("rows arrive once it is open", not wrong, wrong)


def locked(site: Site, report: Report) -> None:
    """a start while another bqsync works"""
    site.machine.output("systemctl", "stop", MAIN.unit)
    site.machine.output("systemd-run", "--unit=other", "flock", f"{MAIN.state}.lock", "sleep", "60")
    eventually(5, lambda: site.machine.run("flock", "--nonblock", f"{MAIN.state}.lock", "true").returncode != 0)
    site.machine.run("systemctl", "start", MAIN.unit)
    tried = eventually(20, lambda: int(site.value(MAIN, "NRestarts")) >= 1)
    report.check("it is tried again", tried and not site.is_active(MAIN), site.value(MAIN, "ExecMainStatus"))
    site.machine.output("systemctl", "stop", "other")
    report.check("and works as soon as it may", eventually(20, lambda: site.is_active(MAIN)))
    wrong = site.catches_up(MAIN)
    report.check("with nothing lost", not wrong, wrong)


def stop(site: Site, report: Report) -> None:
    """stop"""
    for kept in (MAIN, SECOND):
        begun_s = time.monotonic()
        done = site.machine.run("systemctl", "stop", kept.unit)
        took_s = time.monotonic() - begun_s
        report.check(f"`systemctl stop {kept.unit}` ends well", done.returncode == 0, done.stderr)
        report.check(f"within {STOP_S} s, in the midst of writes", took_s < STOP_S, f"{took_s:.1f} s")
        report.equal("with success", site.show(kept, "Result", "ExecMainStatus", "ActiveState"),
                     {"Result": "success", "ExecMainStatus": "0", "ActiveState": "inactive"})
        report.check("the daemon says so", site.events(kept, "daemon.stopped"))
    left = site.machine.output("find", "/proc", "-maxdepth", "1", "-user", "bqsync")
    report.equal("no process is left", left, "")
    site.stop_application(MAIN)
    site.machine.output("systemctl", "start", MAIN.unit)
    wrong = site.converges(MAIN)
    report.check("what was written meanwhile arrives with the next start", not wrong, wrong)
    site.machine.output("systemctl", "stop", MAIN.unit)
    files = site.machine.output("ls", "-A", "/srv/app").split()
    report.equal("the folder is as the application left it", files, ["app.db"])


def oneshot(site: Site, report: Report) -> None:
    """a cycle every minute, without the daemon"""
    for name in ("bqsync-sync.service", "bqsync-sync.timer"):
        shipped = site.machine.output("find", "/opt/bqsync/lib", "-path", "*/bqsync/systemd/*", "-name", name).strip()
        site.machine.output("install", "-m", "0644", shipped, "/etc/systemd/system/")
    site.machine.write("/etc/systemd/system/bqsync-sync.service.d/group.conf",
                       f"[Service]\nSupplementaryGroups=app\nLoadCredential=gcp.json:{KEY}\n"
                       "Environment=GOOGLE_APPLICATION_CREDENTIALS=%d/gcp.json\n")
    site.machine.output("systemctl", "daemon-reload")
    site.start_application(MAIN)
    time.sleep(2)
    site.stop_application(MAIN)
    done = site.machine.run("systemctl", "start", "bqsync-sync.service")
    report.check("the service ends well", done.returncode == 0, done.stderr)
    wrong = site.converges(MAIN)
    report.check("the target is equal", not wrong, wrong)
    said = site.machine.output("journalctl", "-u", "bqsync-sync", "-o", "json", "--no-pager").splitlines()
    lines = [str(entry["MESSAGE"]) for entry in map(json.loads, said) if entry.get("_TRANSPORT") == "stdout"]
    report.check("its lines are JSON", all(line.startswith("{") for line in lines), lines)
    timer = site.machine.run("systemctl", "enable", "--now", "bqsync-sync.timer")
    report.check("the timer can be switched on", timer.returncode == 0, timer.stderr)


def _comes_back(site: Site, report: Report, pid: str, when: str) -> None:
    """Another process is ready before long, and delivers."""
    begun_s = time.monotonic()
    back = eventually(BACK_S, lambda: site.pid(MAIN) not in ("0", pid) and site.is_active(MAIN))
    report.check(f"{when} systemd starts it again", back, site.value(MAIN, "ActiveState"))
    print(f"        ready again after {time.monotonic() - begun_s:.1f} s")
    wrong = site.catches_up(MAIN)
    report.check(f"{when} it converges", not wrong, wrong)

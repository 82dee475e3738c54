"""Installed, started, reading, delivering."""

from __future__ import annotations

import json
import re

from tests.systemd.installation import BQSYNC, KEY, MAIN, SECOND, Site
from tests.systemd.report import Report, eventually

READY_S = 0.2
"""Less than any start takes: modules are loaded, the database is opened."""
LEVELS = {"debug": "7", "info": "6", "warning": "4", "error": "3"}
"""Source: https://www.freedesktop.org/software/systemd/man/latest/sd-daemon.html"""
_WHO = re.compile(r"^(\S+) (\S+) (.+)$", re.MULTILINE)


def install(site: Site, report: Report) -> None:
    """installation"""
    machine = site.machine
    site.put_applications()
    site.put_bqsync()
    machine.write(KEY, json.dumps({"type": "service_account", "note": "no key"}), mode=0o600)
    options = ("--app-group", "app", "--credentials", KEY)
    done = machine.run(BQSYNC, "service", "install", *options)
    report.check("`bqsync service install` ends well and warns of nothing",
                 done.returncode == 0 and not done.stderr, done.stdout + done.stderr)
    again = json.loads(machine.output(BQSYNC, "service", "install", *options, "--json"))
    report.equal("the second time nothing is written", set(again["files"].values()), {"unchanged"})
    instance = machine.run(BQSYNC, "service", "install", "--app-group", "app", "--instance", "shop")
    report.check("so does that of an instance", instance.returncode == 0 and not instance.stderr,
                 instance.stdout + instance.stderr)
    stranger = machine.run(BQSYNC, "service", "install", "--user", "app", "--instance", "stranger")
    report.check("an instance of another user is warned of closed folders",
                 "/var/lib/bqsync is closed to it" in stranger.stderr, stranger.stdout + stranger.stderr)
    machine.output("rm", "-r", "/etc/systemd/system/bqsync@stranger.service", "/etc/tmpfiles.d/bqsync-stranger.conf",
                   "/etc/bqsync/stranger", "/var/lib/bqsync/stranger")
    who = machine.output("stat", "-c", "%n %a %U:%G", "/etc/bqsync", "/var/lib/bqsync", "/etc/bqsync/shop",
                         "/var/lib/bqsync/shop")
    report.equal("folders are root's for the configuration, the service's for the state", who.splitlines(), [
        "/etc/bqsync 750 root:bqsync", "/var/lib/bqsync 700 bqsync:bqsync", "/etc/bqsync/shop 750 root:bqsync",
        "/var/lib/bqsync/shop 700 bqsync:bqsync"])
    verified = machine.run("systemd-analyze", "verify", "--man=no", "bqsync.service", "bqsync@shop.service")
    report.check("systemd-analyze finds no fault", not verified.stdout + verified.stderr,
                 verified.stdout + verified.stderr)
    for kept in (MAIN, SECOND):
        site.configure(kept)
    [check] = [line for line in done.stdout.splitlines() if line.strip().startswith("runuser ")]
    checked = machine.run("sh", "-c", check)
    report.check("the check that it proposes runs as the service's user", checked.returncode == 0,
                 check + checked.stdout + checked.stderr)


def start(site: Site, report: Report) -> None:
    """start"""
    begun = site.machine.run("systemctl", "enable", "--now", MAIN.unit)
    ready = site.events(MAIN, "daemon.ready")
    report.check("`systemctl enable --now` ends well", begun.returncode == 0, begun.stderr)
    report.check("active at once", site.is_active(MAIN),
                 site.machine.run("journalctl", "-u", MAIN.unit, "-n", "20").stdout)
    report.equal("it was waited for: the daemon said that it is ready", len(ready), 1)
    times = site.show(MAIN, "ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic", "Type", "NotifyAccess")
    took_s = (int(times["ActiveEnterTimestampMonotonic"]) - int(times["ExecMainStartTimestampMonotonic"])) / 1e6
    report.check("READY came after the work of a start", took_s > READY_S, f"{took_s} s")
    print(f"        ready {took_s:.2f} s after the process was started")
    status = eventually(15, lambda: re.search("up to date|lag", site.value(MAIN, "StatusText")))
    report.check("StatusText tells how it stands", status, site.value(MAIN, "StatusText"))
    site.machine.output("systemctl", "start", SECOND.unit)
    report.check("an instance is active beside it", site.is_active(SECOND))


def deliver(site: Site, report: Report) -> None:
    """delivery"""
    for kept in (MAIN, SECOND):
        wrong = site.catches_up(kept)
        report.check(f"rows of {kept.database} ({kept.journal_mode}) arrive while its application writes",
                     not wrong, wrong)
        site.stop_application(kept)
        wrong = site.converges(kept)
        report.check(f"target equals {kept.database} once it has stopped", not wrong, wrong)
        site.start_application(kept)
        wrong = site.catches_up(kept)
        report.check("rows arrive again after it was started again", not wrong, wrong)
    entries = site.journal(MAIN)
    lines = [json.loads(str(entry["MESSAGE"])) for entry in entries]
    report.check("every line in the journal is JSON", len(lines) > 3, f"{len(lines)} lines")
    wrong_levels = {(line["event"], line["level"], entry["PRIORITY"])
                    for line, entry in zip(lines, entries, strict=True) if LEVELS[line["level"]] != entry["PRIORITY"]}
    report.check("PRIORITY is that of the level", not wrong_levels, wrong_levels)
    plain = site.machine.output("journalctl", "-u", MAIN.unit, "-o", "cat", "--no-pager").splitlines()
    report.check("`journalctl -o cat` shows them without the prefix",
                 any(line.startswith('{"') and "daemon.ready" in line for line in plain), plain[:3])

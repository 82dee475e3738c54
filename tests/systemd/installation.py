"""What stands in the machine: bqsync as docs/operations.md tells, two applications, and a BigQuery outside."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import Forbidden, NotFound
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from package.lock import needed

from bqsync.embedded import Endpoints
from tests.systemd.machine import Machine
from tests.systemd.report import eventually

ROOT = Path(__file__).parents[2]
BQSYNC = "/opt/bqsync/bin/bqsync"
PROJECT = "demo"
PYTHON = "3.11"
"""That of the machine's Debian: wheels are for one version."""
KEY = "/etc/bqsync/key.json"
CONVERGED_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One database, the service that keeps it, and where its rows go."""

    unit: str
    config: str
    database: str
    journal_mode: str
    state: str
    dataset: str = field(default_factory=lambda: f"systemd_{secrets.token_hex(4)}")

    @property
    def application(self) -> str:
        """The unit of the application that writes to it."""
        return f"app-{self.journal_mode}"


MAIN = Kept(unit="bqsync", config="/etc/bqsync/config.toml", database="/srv/app/app.db", journal_mode="wal",
            state="/var/lib/bqsync/state.db")
SECOND = Kept(unit="bqsync@shop", config="/etc/bqsync/shop/config.toml", database="/home/app/data/shop.db",
              journal_mode="delete", state="/var/lib/bqsync/shop/state.db")


def wheels(cache: Path) -> Path:
    """A folder with bqsync as it is now and all that it needs. What it needs is fetched again when that changes."""
    wanted = (ROOT / "pyproject.toml").read_bytes() + (ROOT / "requirements-dev.lock").read_bytes()
    folder = cache / f"wheels-{hashlib.sha256(wanted).hexdigest()[:12]}"
    complete = folder / "complete"
    if not complete.exists():
        for left in cache.glob("wheels-*"):
            shutil.rmtree(left)
        folder.mkdir(mode=0o755)
        requirements = folder / "requirements.txt"
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        requirements.write_text(needed((ROOT / "requirements-dev.lock").read_text(encoding="utf-8"),
                                       project["dependencies"]), encoding="utf-8")
        _pip("download", "--only-binary=:all:", "--no-deps", "--require-hashes", "--python-version", PYTHON,
             "--dest", str(folder), "--requirement", str(requirements))
        complete.touch()
    _wheel(folder)
    return folder


def _wheel(folder: Path) -> Path:
    for left in folder.glob("bqsync-*.whl"):
        left.unlink()
    subprocess.run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
                   check=True, capture_output=True)
    [wheel] = folder.glob("bqsync-*.whl")
    return wheel


def _pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq", *arguments], check=True)


class Site:
    """The machine with what was put into it, and a client of the BigQuery outside."""

    def __init__(self, machine: Machine, endpoints: Endpoints) -> None:
        self.machine = machine
        self._endpoints = endpoints
        self._rest = bigquery.Client(project=PROJECT, credentials=AnonymousCredentials(),
                                     client_options=ClientOptions(api_endpoint=endpoints.rest))

    def put_applications(self) -> None:
        """Two programs of the user `app`, in folders that nobody else but its group may enter."""
        run = self.machine.output
        self.machine.write("/usr/local/lib/application.py", Path(__file__).with_name("application.py").read_text())
        run("useradd", "--create-home", "app")
        for kept in (MAIN, SECOND):
            folder = str(Path(kept.database).parent)
            run("install", "-d", "-o", "app", "-g", "app", "-m", "0750", folder)
            run("chmod", "o+x", str(Path(folder).parent))
            self.start_application(kept)

    def start_application(self, kept: Kept) -> None:
        """It writes from now on."""
        self.machine.output("systemd-run", f"--unit={kept.application}", "--uid=app", "--property=UMask=0027",
                            "python3", "/usr/local/lib/application.py", kept.database, kept.journal_mode)

    def stop_application(self, kept: Kept) -> None:
        """It closes its database in order."""
        self.machine.output("systemctl", "stop", kept.application)

    def put_bqsync(self) -> None:
        """The program, from wheels alone."""
        run = self.machine.output
        run("python3", "-m", "venv", "/opt/bqsync")
        run("/opt/bqsync/bin/pip", "install", "--quiet", "--no-index", "--find-links", "/shared", "bqsync")

    def configure(self, kept: Kept, *, sync: str = "") -> None:
        """
        Write the configuration as root would: readable for the service, not for others.

        Deletes are found by sweeps; here they are to be found at once.
        """
        self.machine.write(kept.config, (
            f'[source]\ndb = "{kept.database}"\n\n'
            f'[bigquery]\nproject = "{PROJECT}"\ndataset = "{kept.dataset}"\n'
            f'rest_endpoint = "{self._endpoints.rest}"\ngrpc_endpoint = "{self._endpoints.grpc}"\n\n'
            f'[state]\nfile = "{kept.state}"\n\n[sync]\nsweep_interval = "1 s"\nsweep_duty = 1.0\n{sync}\n\n'
            f'[[tables]]\nname = "orders"\nwatermark = ["updated_at"]\n'
            f'timestamps = {{ updated_at = "unix_seconds" }}\n'), mode=0o640)
        self.machine.output("chown", "root:bqsync", kept.config)

    def show(self, kept: Kept, *properties: str) -> dict[str, str]:
        """Properties of the unit, as systemctl shows them."""
        shown = self.machine.output("systemctl", "show", kept.unit, f"--property={','.join(properties)}")
        return dict(line.partition("=")[::2] for line in shown.splitlines())

    def value(self, kept: Kept, name: str) -> str:
        """One of them."""
        return self.show(kept, name)[name]

    def pid(self, kept: Kept) -> str:
        """The main process, by its number inside the machine; "0" if there is none."""
        return self.value(kept, "MainPID")

    def is_active(self, kept: Kept) -> bool:
        """Whether the service runs, and has said that it is ready."""
        return self.machine.run("systemctl", "is-active", kept.unit).stdout.strip() == "active"

    def journal(self, kept: Kept) -> list[dict[str, Any]]:
        """What the daemon has written, as the journal keeps it; nothing of systemd's own."""
        lines = self.machine.output("journalctl", "-u", kept.unit, "-o", "json", "--no-pager").splitlines()
        entries: list[dict[str, Any]] = [json.loads(line) for line in lines]
        return [entry for entry in entries if entry.get("_TRANSPORT") == "stdout"]

    def events(self, kept: Kept, name: str) -> list[dict[str, Any]]:
        """The log lines of one kind."""
        found = []
        for entry in self.journal(kept):
            if str(entry["MESSAGE"]).startswith("{"):
                line = json.loads(str(entry["MESSAGE"]))
                found += [line] if line.get("event") == name else []
        return found

    def source(self, kept: Kept) -> list[dict[str, Any]]:
        """The rows of the database, as its owner reads them."""
        text = self.machine.output("runuser", "-u", "app", "--", "sqlite3", "-json", "-cmd", ".timeout 5000",
                                   kept.database, "SELECT number, customer, total, updated_at FROM orders ORDER BY 1")
        return list(json.loads(text or "[]"))

    def target(self, kept: Kept) -> list[dict[str, Any]]:
        """The rows in BigQuery, looked at from outside."""
        statement = (f"SELECT number, customer, total, UNIX_SECONDS(updated_at) AS updated_at"
                     f" FROM `{PROJECT}`.`{kept.dataset}`.orders ORDER BY 1")
        try:
            return [dict(row.items()) for row in self._rest.query(statement).result()]
        except (NotFound, Forbidden):  # so it is until the first cycle has made it
            return []

    def catches_up(self, kept: Kept) -> str:
        """Wait until the newest row of this moment has arrived; returns what is wrong, or nothing."""
        newest = self.source(kept)[-1]["number"]
        arrived = eventually(CONVERGED_S, lambda: (rows := self.target(kept)) and rows[-1]["number"] >= newest)
        return "" if arrived else f"row {newest} has not arrived in {CONVERGED_S} s"

    def converges(self, kept: Kept) -> str:
        """For a database at rest: wait until source and target are equal; returns what is wrong, or nothing."""
        expected = self.source(kept)
        equal = eventually(CONVERGED_S, lambda: self.target(kept) == expected)
        return "" if equal and expected else f"{len(expected)} rows in the source, {len(self.target(kept))} in BigQuery"

"""The processes that write; backups, restores, and the last word."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from tests.soak.report import Report, SoakError
from tests.soak.site import Site
from tests.soak.tables import REFUSED
from tests.workbench import ROOT

_END_S = 60.0
_SIDE_FILES = ("-wal", "-shm", "-journal")


class Process:
    """One process that writes."""

    def __init__(self, site: Site, seed: str, *options: str) -> None:
        self._out = site.folder / f"writer-{seed}.out"
        with self._out.open("w", encoding="utf-8") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.soak.writer", str(site.db_path), "--seed", seed, *options],
                cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)

    @property
    def code(self) -> int | None:
        return self._process.poll()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def end(self) -> Counter[str]:
        """In good order; what it has done."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(_END_S)
        return self.done()

    def done(self) -> Counter[str]:
        """
        What it has done, as far as it has told.

        Raises:
            SoakError: it has failed.
        """
        lines = self._out.read_text(encoding="utf-8").splitlines()
        # Before it has set its signals up, SIGTERM ends it as it ends every process.
        if self.code not in {None, 0, -signal.SIGKILL, -signal.SIGTERM}:
            raise SoakError(f"a writer has failed with {self.code}:\n" + "\n".join(lines[-10:]))
        whole = [line for line in lines if line.startswith("{") and line.endswith("}")]
        return Counter(json.loads(whole[-1])) if whole else Counter()


class Application:
    """
    So many processes, started again whenever one has died.

    Args:
        site: with the database.
        rng: decides about everything.
        report: what happens is told and counted there.
        count: of processes.
    """

    def __init__(self, site: Site, rng: random.Random, report: Report, count: int) -> None:
        self._site = site
        self._rng = rng
        self._report = report
        self._count = count
        self._started = 0
        self._processes: list[Process] = []
        self._start_s = 0.0
        self._kill_s = time.monotonic() + rng.uniform(10, 30)
        self._backup_s = time.monotonic() + rng.uniform(15, 40)
        self._backup: Path | None = None

    @property
    def may_restore(self) -> bool:
        """A backup is there, and its time has come."""
        return self._backup is not None and time.monotonic() >= self._backup_s

    def step(self) -> None:
        """Do what is to be done now."""
        now_s = time.monotonic()
        for process in [one for one in self._processes if one.code is not None]:
            self._processes.remove(process)
            self._report.deeds.update(process.done())
            self._report.deeds["writers died"] += 1
            self._report.say("a writer has died in the midst of a transaction")
            self._start_s = now_s + self._rng.choice((0.0, 0.5, 3.0))
        if len(self._processes) < self._count and now_s >= self._start_s:
            self._started += 1
            self._processes.append(Process(self._site, f"{self._rng.randrange(10**9)}-{self._started}"))
        if now_s >= self._kill_s:
            self._kill_s = now_s + self._rng.uniform(10, 30)
            if self._processes:
                self._rng.choice(self._processes).kill()
        if now_s >= self._backup_s and self._backup is None:
            self._back_up()

    def stop(self) -> None:
        """End them all, in good order."""
        for process in self._processes:
            self._report.deeds.update(process.end())
        self._processes.clear()

    def kill(self) -> None:
        """Leave nothing behind."""
        for process in self._processes:
            process.kill()
        self._processes.clear()

    def _back_up(self) -> None:
        copy = self._site.folder / "backup.db"
        copy.unlink(missing_ok=True)
        try:
            with self._site.database() as db:
                db.execute("VACUUM INTO ?", (str(copy),))
        except sqlite3.OperationalError:  # locked out; another time
            self._backup_s = time.monotonic() + 5.0
            return
        self._backup = copy
        self._backup_s = time.monotonic() + self._rng.uniform(3, 15)

    def restore(self) -> str:
        """Put the backup in the place of the database, as a file of its own or into the same one; how."""
        assert self._backup is not None
        backup, self._backup = self._backup, None
        self._backup_s = time.monotonic() + self._rng.uniform(30, 90)
        if self._rng.random() < 0.4:
            with closing(sqlite3.connect(backup)) as copy, self._site.database() as db:
                copy.backup(db)
            return "copied into the database"
        self.stop()
        # As docs/operations.md asks for: everything in the main file, nothing of the old one left beside the new one.
        self._empty_journal()
        for suffix in _SIDE_FILES:
            Path(f"{self._site.db_path}{suffix}").unlink(missing_ok=True)
        backup.replace(self._site.db_path)
        return "renamed over the database"

    def _empty_journal(self) -> None:
        deadline = time.monotonic() + _END_S
        while time.monotonic() < deadline:
            with self._site.database() as db:
                (is_busy, _, _) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not is_busy:
                return
            time.sleep(0.05)
        raise SoakError("a reader has kept the -wal from being emptied for a minute")

    def last_word(self) -> int:
        """A last change of every table, after which nobody writes. Returns when, in Unix microseconds."""
        with self._site.database() as db:
            db.execute("BEGIN IMMEDIATE")
            for kind in self._site.kinds:
                # What BigQuery has refused is tried again when it changes.
                db.execute(f"UPDATE {kind.name} SET v = 'accepted' WHERE v LIKE ?", (f"{REFUSED}%",))
                db.execute(f"UPDATE {kind.name} SET n = 1, ts = ? WHERE {kind.where}",
                           (kind.stamp(time.time()), *kind.keys[0]))
            db.execute("COMMIT")
        return time.time_ns() // 1000

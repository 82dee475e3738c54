"""The parent's side of the embedded BigQuery: start the child, or join one that already serves the folder."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from bqsync.embedded import endpoint
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.regular_file import open_regular

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_START_S = 60.0
_LOOK_S = 0.03
_CLOSE_S = 12.0
_TERMINATE_S = 3.0
_LOG_MAX_BYTES = 4 * 1024 * 1024
_TAIL_LINES = 4
_PACKAGES = ("bqemulator", "duckdb", "duckdb_extensions", "duckdb_extension_spatial", "numpy")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where an embedded BigQuery listens."""

    rest: str
    """`http://127.0.0.1:port`, as google-cloud-bigquery takes it for `api_endpoint`."""
    grpc: str
    """`127.0.0.1:port`, plain text, as an insecure gRPC channel takes it."""


class EmbeddedBigQuery:
    """
    A BigQuery that lives in a folder.

    If a process already serves the folder, `start` joins it and `stop` leaves it alone. Otherwise a child is started;
    it ends with `stop`, and also when this process dies in any way.
    """

    def __init__(self, data_dir: Path, project: str, *, start_timeout_s: float = _START_S) -> None:
        self._folder = data_dir.expanduser().absolute()
        self._log_path = self._folder / "bigquery.log"
        self._project = project
        self._start_timeout_s = start_timeout_s
        self._child: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def child_pid(self) -> int | None:
        """The process that this object started; None if it joined another's, or is not started."""
        return None if self._child is None else self._child.pid

    def start(self) -> Endpoints:
        """
        Return once the folder is served: about two seconds for a new child, milliseconds to join one.

        Raises:
            BqsyncError: EMBEDDED_FAILED: a package is missing, the folder is unusable, or the child gave up.
        """
        self._prepare_folder()
        deadline = time.monotonic() + self._start_timeout_s
        while time.monotonic() < deadline:
            found = endpoint.read(self._folder)
            if found is not None and found.is_live:
                if self._child is not None and found.pid != self._child.pid:
                    self.stop()  # another process was first: our child was only waiting for its lock
                return Endpoints(rest=found.rest_endpoint, grpc=found.grpc_endpoint)
            if self._child is None:
                self._child = self._spawn()
            elif self._child.poll() is not None:
                raise self._gave_up(f"it ended with code {self._child.returncode}")
            time.sleep(_LOOK_S)
        raise self._gave_up(f"it did not accept requests within {self._start_timeout_s:.0f} s")

    def stop(self) -> None:
        """End the child that `start` started, data safely on disk. Never raises; may be called twice."""
        child, self._child = self._child, None
        if child is None:
            return
        if child.stdin is not None:
            child.stdin.close()
        for patience_s, insist in ((_CLOSE_S, child.terminate), (_TERMINATE_S, child.kill)):
            try:
                child.wait(patience_s)
            except subprocess.TimeoutExpired:
                insist()
        child.wait()

    def _prepare_folder(self) -> None:
        try:
            # Each by itself: for the folders in between, mkdir takes no heed of the mode.
            self._folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise BqsyncError(
                ErrorKind.EMBEDDED_FAILED, what=f"The folder {self._folder} of the embedded BigQuery can't be made.",
                why=error.strerror or type(error).__name__,
                fix="Give it a folder that this user may write to.") from error

    def _spawn(self) -> subprocess.Popen[bytes]:
        missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
        if missing:
            raise BqsyncError(
                ErrorKind.EMBEDDED_FAILED, what="The embedded BigQuery is not installed.",
                why=f"missing Python packages: {', '.join(missing)}", fix="pip install 'bqsync[embedded]'")
        command = [sys.executable, "-P", "-m", "bqsync.embedded.server",
                   "--data-dir", str(self._folder), "--project", self._project]
        # The child sees the modules that this process sees, wherever it was started from.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        try:
            # Private like the folder: an error of the emulator may quote a statement.
            log = open_regular(self._log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            try:
                if os.fstat(log).st_size > _LOG_MAX_BYTES:
                    os.ftruncate(log, 0)
                self._log_start = os.fstat(log).st_size
                # A session of its own: Ctrl-C on the terminal is for the parent. The pipe on stdin ties their lives.
                return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment,
                                        start_new_session=True)
            finally:
                os.close(log)
        except OSError as error:
            raise self._failure(f"it could not be started: {error.strerror or error}") from error

    def _gave_up(self, how: str) -> BqsyncError:
        self.stop()
        with self._log_path.open("rb") as log:
            log.seek(self._log_start)
            lines = log.read().decode(errors="replace").split("\n")
        tail = " | ".join([line.strip() for line in lines if line.strip()][-_TAIL_LINES:])
        return self._failure(f"{how}; the end of its log: {tail}" if tail else f"{how}; it logged nothing")

    def _failure(self, why: str) -> BqsyncError:
        return BqsyncError(
            ErrorKind.EMBEDDED_FAILED, what=f"The embedded BigQuery in {self._folder} did not start.", why=why,
            fix=f"Read {self._log_path}. If the data may go, remove the folder: the next start makes a new one.")

"""What a newcomer types, as it stands in the README, from an empty folder to a daemon that follows a change."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
OWN = README[README.index("**Your own database.**"):README.index("**Google's BigQuery**")]
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", OWN, re.MULTILINE | re.DOTALL)
PATIENCE_S = 120.0


def shell(script: str, checkout: Path) -> subprocess.Popen[str]:
    """A shell in a checkout, whose home is beside it, and in which nothing steers bqsync."""
    environ = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG") if name in os.environ}
    return subprocess.Popen(["/bin/bash", "-eu", "-c", script], cwd=checkout, text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, start_new_session=True,
                            env={**environ, "HOME": str(checkout.parent / "home")})


def test_a_newcomer_gets_from_nothing_to_a_daemon_that_follows(tmp_path: Path) -> None:
    checkout, shop = tmp_path / "checkout", tmp_path / "home" / "shop"
    checkout.mkdir()
    (checkout / ".venv").symlink_to(sys.prefix)  # as `make run` has made it
    setting_up, first_sync, daemon = BLOCKS
    assert [line.split()[1] for line in first_sync.splitlines()] == ["init", "check", "sync", "verify"]
    with shell(setting_up + first_sync, checkout) as once:
        output, _ = once.communicate(timeout=PATIENCE_S)
    assert once.returncode == 0, output
    assert re.search(r"^ orders +2 .*equal *$", output, re.MULTILINE), output

    assert daemon == "bqsync run\n"
    enter = "\n".join(line for line in setting_up.splitlines() if line.startswith((". ", "cd ")))
    with shell(f"{enter}\nexec bqsync run", checkout) as follower:
        assert follower.stdout is not None
        try:
            seen = []
            for line in follower.stdout:
                seen.append(line)
                if '"daemon.ready"' in line:
                    with closing(sqlite3.connect(shop / "app.db", isolation_level=None)) as application:
                        application.execute("UPDATE orders SET total = 13 WHERE number = 1")
                if '"sync.completed"' in line and '"rows_upserted":1' in line.replace(" ", ""):
                    break
            else:
                raise AssertionError("".join(seen))
            os.killpg(follower.pid, signal.SIGINT)  # Ctrl-C
            rest, _ = follower.communicate(timeout=PATIENCE_S)
        finally:
            follower.kill()
    assert follower.returncode == 0, rest
    assert "Traceback" not in "".join([*seen, rest])

"""What Google's clients could do for tables of Arrow is never asked of them, and not loaded either."""

from __future__ import annotations

import subprocess
import sys


def test_a_daemon_loads_no_library_for_tables_in_memory() -> None:
    program = ("import sys, bqsync.engine.daemon\n"
               "print([name for name in ('numpy', 'pandas', 'pyarrow') if sys.modules.get(name)])")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n", done.stderr

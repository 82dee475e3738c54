"""What Google's clients could do with libraries that happen to be there is never asked of them, and not loaded."""

from __future__ import annotations

import subprocess
import sys


def test_a_daemon_loads_no_library_that_it_does_not_use() -> None:
    program = ("import sys, bqsync.engine.daemon\n"
               "unused = 'fastavro', 'numpy', 'opentelemetry', 'pandas', 'pyarrow'\n"
               "print([name for name in unused if sys.modules.get(name)])")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n", done.stderr

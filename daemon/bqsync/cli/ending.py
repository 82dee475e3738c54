"""The end of a command's process."""

from __future__ import annotations

import atexit
import os
import sys


class QuickEnd:
    """
    Ends the process without taking it apart first.

    To give back a thousand modules piece by piece costs a tenth of a command's processor time, and the kernel does it
    at once. Nothing else is left out: threads that are no daemons have been waited for before the first exit function
    runs, and exit functions run in the opposite order of their registration. So make this one before all else.

    Source: https://docs.python.org/3/library/atexit.html

    Attributes:
        code: the exit code. None until it is known, and where nobody has caught an exception: the process ends as any.
    """

    def __init__(self) -> None:
        self.code: int | None = None
        atexit.register(self._end)

    def _end(self) -> None:
        if self.code is None:
            return
        try:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
        except (OSError, ValueError):
            return  # the interpreter meets the same at its own end, and tells it
        os._exit(self.code)

"""One call made in a thread of its own, for whoever has other work meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from threading import Event as StopEvent
from typing import Generic, TypeVar

Result = TypeVar("Result")
_LOOK_S = 0.2


class StoppedError(Exception):
    """Somebody has asked for the end."""


class Aside(Generic[Result]):
    """
    A call that is under way.

    Args:
        call: made at once. Where nobody waits for its end, it must not keep the process alive.
    """

    def __init__(self, call: Callable[[], Result]) -> None:
        self._call = call
        self._results: list[Result] = []
        self._raised: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="aside", daemon=True)
        self._thread.start()

    def result(self, stop: StopEvent) -> Result:
        """
        What the call has returned, once it has.

        Raises:
            StoppedError: `stop` was set before.
            BaseException: whatever the call has raised.
        """
        while self._thread.is_alive():
            self._thread.join(_LOOK_S)
            if stop.is_set():
                raise StoppedError
        if self._raised is not None:
            raise self._raised
        return self._results[0]

    def _run(self) -> None:
        try:
            self._results.append(self._call())
        except BaseException as raised:  # noqa: BLE001 - raised again where it is waited for
            self._raised = raised

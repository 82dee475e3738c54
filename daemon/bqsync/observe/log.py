"""
Logging: structlog for our own events, the standard library's logging for those of others, one form for both.

`configure` is called once at the start, and again when the configuration changes. Before that, structlog's defaults
apply, which print to standard output.
"""

import logging
import os
import sys
import threading
from collections.abc import Collection, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, TextIO, cast

from bqsync.sparing import import_without

# It would have rich draw tracebacks, which we write as a field.
import_without("structlog", "rich")

import structlog  # noqa: E402

from bqsync.observe.events import Event  # noqa: E402
from bqsync.observe.render import json_line, text_line  # noqa: E402
from bqsync.observe.terminal import is_color_wanted  # noqa: E402

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_GOOGLE = "google"
_LIBRARY_ROOTS = (None, _GOOGLE)
"""Google's clients cut their loggers off from the root when they are first used: they need the handler themselves."""
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3}
"""Of syslog. Source: https://www.freedesktop.org/software/systemd/man/latest/sd-daemon.html"""
_FORMATS = frozenset({"auto", "json", "text"})


def configure(
    level: str = "info", fmt: str = "auto", *, stream: TextIO | None = None, is_terminal: bool | None = None,
    only: Collection[str] | None = None,
) -> None:
    """
    Send every event of at least `level` to `stream`, one line each.

    Args:
        level: debug, info, warning or error. Libraries are heard from warning on.
        fmt: json, text, or auto: text on a terminal, JSON elsewhere.
        stream: standard error without one.
        is_terminal: None asks the stream.
        only: the events that are written; None for all.

    Raises:
        ValueError: an unknown level or format.
    """
    if level not in _LEVELS or fmt not in _FORMATS:
        raise ValueError(f"level {level!r} or format {fmt!r} is unknown")
    stream = sys.stderr if stream is None else stream
    terminal = stream.isatty() if is_terminal is None else is_terminal
    writer = LineWriter(stream, text=fmt == "text" or (fmt == "auto" and terminal),
                        color=terminal and is_color_wanted(os.environ), priorities=_is_journal(stream))
    heard = [] if only is None else [_Only(only)]
    structlog.configure(
        processors=[*heard, structlog.processors.add_log_level, structlog.processors.format_exc_info, _hand_over],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_: writer,
        # A logger that was made before a reload takes up the new configuration.
        cache_logger_on_first_use=False,
    )
    _route_libraries(writer, max(_LEVELS[level], logging.WARNING))


def get_logger(**fields: object) -> structlog.typing.FilteringBoundLogger:
    """A logger whose every event carries `fields`. Safe at module level: it takes up later configuration."""
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger(**fields))


class LineWriter:
    """Writes events to a stream, from any thread, and never raises: a log that can't be written stops nothing."""

    def __init__(self, stream: TextIO, *, text: bool, color: bool, priorities: bool = False) -> None:
        self._stream = stream
        self._text = text
        self._color = color
        self._priorities = priorities
        encoding = getattr(stream, "encoding", None) or "utf-8"
        self._ascii_only = encoding.lower().replace("-", "") not in {"utf8", "utf8sig"}
        self._lock = threading.Lock()

    def write(self, event: Mapping[str, Any]) -> None:
        """Write one event; the timestamp is taken here."""
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        stamped = {**event, "timestamp": now}
        if self._text:
            line = text_line(stamped, color=self._color)
            line = line.encode("ascii", "backslashreplace").decode() if self._ascii_only else line
        else:
            line = json_line(stamped, ascii_only=self._ascii_only)
        if self._priorities:
            line = f"<{_PRIORITIES.get(stamped.get('level', ''), 6)}>{line}"
        with self._lock:
            self._put(line + "\n")

    def _put(self, line: str) -> None:
        try:
            self._stream.write(line)
            self._stream.flush()
        except BrokenPipeError:
            self._retire()
        except (OSError, ValueError):
            # A full disk passes; a closed stream (ValueError) belongs to a process that is going down.
            pass

    def _retire(self) -> None:
        """
        Nobody will read this pipe again. What the stream still holds must go somewhere, or Python exits with 120.

        Source: https://docs.python.org/3/library/signal.html#note-on-sigpipe
        """
        try:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)
        except (OSError, ValueError):
            pass

    # The names that structlog calls a logger's methods by, one for each level.
    def msg(self, /, **event: Any) -> None:  # noqa: ANN401 - whatever is logged
        """Write one event."""
        self.write(event)

    debug = info = warning = error = critical = exception = msg


class _Only:
    """Drops every event but some."""

    def __init__(self, events: Collection[str]) -> None:
        self._events = events

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if event["event"] not in self._events:
            raise structlog.DropEvent
        return event


class _LibraryHandler(logging.Handler):
    """Turns a record of the standard library's logging into a `library.message`."""

    def __init__(self, writer: LineWriter, level: int) -> None:
        super().__init__(level)
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - arguments that do not fit the format are the library's fault
            message = str(record.msg)
        event: dict[str, Any] = {
            "level": "error" if record.levelno >= logging.ERROR else "warning",
            "event": Event.LIBRARY_MESSAGE,
            "logger": record.name,
            "message": message,
        }
        if record.exc_info and record.exc_info[0] is not None:
            event["exception"] = logging.Formatter().formatException(record.exc_info)
        self._writer.write(event)


def _route_libraries(writer: LineWriter, level: int) -> None:
    for name in _LIBRARY_ROOTS:
        root = logging.getLogger(name)
        for handler in [handler for handler in root.handlers if isinstance(handler, _LibraryHandler)]:
            root.removeHandler(handler)
        root.addHandler(_LibraryHandler(writer, level))
        root.setLevel(level)
    logging.getLogger(_GOOGLE).propagate = False
    # Python's own warnings would stand between the lines as bare text.
    logging.captureWarnings(capture=True)


def _hand_over(_logger: object, _method: str, event: MutableMapping[str, Any]) -> tuple[tuple[()], dict[str, Any]]:
    """Rendering is left to the writer, which knows the stream."""
    return (), dict(event)


def _is_journal(stream: TextIO) -> bool:
    """
    Whether the journal reads the stream itself: then a line may begin with its priority, which the journal takes off.

    Source: https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#$JOURNAL_STREAM
    """
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"

"""The log of a process: levels, forms, libraries, and streams that fail."""

import io
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import pytest
import structlog

from bqsync.observe.events import Event
from bqsync.observe.log import configure, get_logger

SOURCE_ROOT = Path(__file__).parents[2] / "daemon"


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def run_script(script: str, *, stderr: int | IO[bytes]) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", script]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE_ROOT)}
    return subprocess.run(command, env=environment, check=False, timeout=60, stdout=subprocess.PIPE, stderr=stderr)


def test_event_is_one_json_line_off_a_terminal() -> None:
    stream = io.StringIO()
    configure(stream=stream)
    get_logger(table="jobs").info(Event.TARGET_CREATED, columns=3)
    (line,) = lines(stream)
    assert list(line) == ["timestamp", "level", "event", "table", "columns"]
    assert line["event"] == "target.created"
    assert line["timestamp"].endswith("Z")
    assert len(line["timestamp"]) == len("2026-03-01T09:30:00.123456Z")
    assert datetime.fromisoformat(line["timestamp"]).utcoffset() is not None


@pytest.mark.parametrize(("level", "heard"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_only_events_of_the_level_are_written(level: str, heard: int) -> None:
    stream = io.StringIO()
    configure(level, stream=stream)
    log = get_logger()
    log.debug("a")
    log.info("b")
    log.warning("c")
    log.error("d")
    assert [line["level"] for line in lines(stream)] == ["debug", "info", "warning", "error"][-heard:]


@pytest.mark.parametrize(
    ("fmt", "is_terminal", "is_json"),
    [("auto", False, True), ("auto", True, False), ("json", True, True), ("text", False, False)],
)
def test_form_follows_the_terminal_unless_it_is_named(fmt: str, is_terminal: bool, is_json: bool) -> None:
    stream = io.StringIO()
    configure(fmt=fmt, stream=stream, is_terminal=is_terminal)
    get_logger().info(Event.STAGING_SWEPT, tables=2)
    assert stream.getvalue().startswith("{") == is_json


@pytest.mark.parametrize(
    ("environment", "colored"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], colored: bool) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stream = io.StringIO()
    configure(stream=stream, is_terminal=True)
    get_logger().info(Event.STAGING_SWEPT, tables=2)
    assert ("\033[" in stream.getvalue()) == colored


def test_text_to_a_file_has_no_color() -> None:
    stream = io.StringIO()
    configure(fmt="text", stream=stream)
    get_logger().info(Event.STAGING_SWEPT, tables=2)
    assert "\033[" not in stream.getvalue()


def test_a_logger_made_before_takes_up_a_new_configuration() -> None:
    log = get_logger()
    first, second = io.StringIO(), io.StringIO()
    configure("error", stream=first)
    log.info("unheard")
    configure("info", stream=second)
    log.info("heard")
    assert first.getvalue() == ""
    assert [line["event"] for line in lines(second)] == ["heard"]


def test_libraries_speak_in_the_same_form_from_warning_on() -> None:
    stream = io.StringIO()
    configure("debug", stream=stream)
    library = logging.getLogger("google.cloud.bigquery")
    library.info("chatter")
    library.warning("quota at %d %%", 90)
    library.critical("gone")
    events = [(line["event"], line["level"], line["logger"], line["message"]) for line in lines(stream)]
    name = "google.cloud.bigquery"
    assert events == [
        ("library.message", "warning", name, "quota at 90 %"),
        ("library.message", "error", name, "gone"),
    ]


def test_a_library_whose_arguments_do_not_fit_is_heard_all_the_same() -> None:
    script = (
        "import logging; from bqsync.observe.log import configure\n"
        "configure(); logging.getLogger('grpc').warning('%d rows', 'no number')"
    )
    assert json.loads(run_script(script, stderr=subprocess.PIPE).stderr)["message"] == "%d rows"


def test_libraries_are_silent_below_the_level() -> None:
    stream = io.StringIO()
    configure("error", stream=stream)
    logging.getLogger("urllib3").warning("unheard")
    assert stream.getvalue() == ""


def test_configuring_twice_does_not_repeat_libraries() -> None:
    stream = io.StringIO()
    configure(stream=stream)
    configure(stream=stream)
    logging.getLogger("grpc").warning("once")
    assert len(lines(stream)) == 1


def test_an_exception_stays_inside_its_line() -> None:
    stream = io.StringIO()
    configure(stream=stream)
    try:
        int("deep" * 50_000)
    except ValueError:
        get_logger().exception(Event.SYNC_FAILED, table="jobs")
        logging.getLogger("grpc").exception("failed")
    own, library = lines(stream)
    assert own["level"] == "error"
    assert own["exception"].startswith("Traceback")
    assert library["exception"].startswith("Traceback")
    assert all(len(line) < 16_384 for line in stream.getvalue().splitlines())


def test_a_stream_without_utf_8_gets_valid_json() -> None:
    raw = io.BytesIO()
    configure(stream=io.TextIOWrapper(raw, encoding="ascii"))
    get_logger().info("x", table="Aufträge 😀")
    assert json.loads(raw.getvalue())["table"] == "Aufträge 😀"


def test_a_stream_without_utf_8_gets_its_columns() -> None:
    raw = io.BytesIO()
    configure(fmt="text", stream=io.TextIOWrapper(raw, encoding="ascii"))
    get_logger().info("x", table="Aufträge")
    assert b"Auftr\\xe4ge" in raw.getvalue()


def test_a_closed_stream_never_raises() -> None:
    stream = io.StringIO()
    configure(stream=stream)
    stream.close()
    get_logger().error("nobody listens")
    logging.getLogger("grpc").error("nobody listens")


def test_a_closed_pipe_never_raises_and_the_exit_code_stands() -> None:
    script = (
        "import sys; from bqsync.observe.log import configure, get_logger\n"
        "configure()\n"
        "for _ in range(3): get_logger().info('x', text='y' * 5000)\n"
        "sys.exit(7)"
    )
    reading, writing = os.pipe()
    os.close(reading)
    try:
        finished = run_script(script, stderr=writing)
    finally:
        os.close(writing)
    assert finished.returncode == 7


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_full_disk_never_raises() -> None:
    script = "from bqsync.observe.log import configure, get_logger; configure(); get_logger().info('x'); print('on')"
    with Path("/dev/full").open("wb") as full:
        assert run_script(script, stderr=full).stdout == b"on\n"


def test_warnings_of_python_are_lines_too() -> None:
    script = "import warnings; from bqsync.observe.log import configure; configure(); warnings.warn('old')"
    finished = run_script(script, stderr=subprocess.PIPE)
    assert json.loads(finished.stderr)["logger"] == "py.warnings"


def test_threads_do_not_mix_their_lines() -> None:
    stream = io.StringIO()
    configure(stream=stream)

    def write() -> None:
        for number in range(200):
            get_logger().info("x", number=number)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines(stream)) == 1600


@pytest.mark.parametrize(("level", "fmt"), [("loud", "json"), ("info", "xml")])
def test_unknown_level_or_format_is_refused(level: str, fmt: str) -> None:
    with pytest.raises(ValueError, match="unknown"):
        configure(level, fmt)


def test_of_a_rehearsal_only_what_is_true_is_written() -> None:
    stream = io.StringIO()
    configure("debug", stream=stream, only={Event.RETRY_SCHEDULED})
    get_logger().error(Event.DELETES_HELD_BACK)
    get_logger(table="jobs").info(Event.RETRY_SCHEDULED)
    assert [line["event"] for line in lines(stream)] == ["retry.scheduled"]

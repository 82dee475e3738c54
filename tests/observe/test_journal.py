"""What the journal of systemd reads: each line begins with its priority, which the journal takes off."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

SOURCE_ROOT = Path(__file__).parents[2] / "daemon"
SCRIPT = """
import logging, sys
from bqsync.observe.log import configure, get_logger
configure("debug", {form!r}, stream=sys.stdout)
log = get_logger()
log.debug("d"); log.info("i"); log.warning("w"); log.error("e")
logging.getLogger("grpc").error("of a library")
"""


def run(journal: str | None, form: str, *, stdout: int) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "JOURNAL_STREAM"}
    environment |= {"PYTHONPATH": str(SOURCE_ROOT)} | ({} if journal is None else {"JOURNAL_STREAM": journal})
    subprocess.run([sys.executable, "-c", SCRIPT.format(form=form)], env=environment, stdout=stdout, check=True,
                   timeout=60)


def through_pipe(form: str, *, inode_offset: int = 0) -> list[str]:
    reading, writing = os.pipe()
    status = os.fstat(writing)
    run(f"{status.st_dev}:{status.st_ino + inode_offset}", form, stdout=writing)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as stream:
        return stream.read().splitlines()


def test_each_line_begins_with_the_priority_of_its_level() -> None:
    lines = through_pipe("json")
    assert [line[:3] for line in lines] == ["<7>", "<6>", "<4>", "<3>", "<3>"]
    assert [json.loads(line[3:])["event"] for line in lines] == ["d", "i", "w", "e", "library.message"]


def test_the_columns_of_text_have_it_too() -> None:
    assert [line[:3] for line in through_pipe("text")] == ["<7>", "<6>", "<4>", "<3>", "<3>"]


def test_a_stream_that_is_not_the_journal_s_has_none() -> None:
    assert [json.loads(line)["event"] for line in through_pipe("json", inode_offset=1)][:4] == ["d", "i", "w", "e"]


def test_a_file_has_none_though_the_variable_was_inherited(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    status = os.fstat(writing)
    path = tmp_path / "log"
    with path.open("wb") as file:
        run(f"{status.st_dev}:{status.st_ino}", "json", stdout=file.fileno())
    os.close(reading)
    os.close(writing)
    assert all(line.startswith("{") for line in path.read_text(encoding="utf-8").splitlines())


def test_without_the_variable_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file:
        run(None, "json", stdout=file.fileno())
    assert all(line.startswith("{") for line in path.read_text(encoding="utf-8").splitlines())

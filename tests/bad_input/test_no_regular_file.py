"""What stands under a name may be a pipe, a device, or have no end: it is told with a fix, and nothing waits for it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.capture.files import keyed

from bqsync.config import load
from bqsync.deliver.key_file import load_key_file
from bqsync.embedded import EmbeddedBigQuery
from bqsync.encode.compiler import compile_protos
from bqsync.encode.descriptors import load_messages
from bqsync.engine.proposal.files import write_proposal
from bqsync.engine.proposal.propose import propose
from bqsync.errors import BqsyncError
from bqsync.install.placing import UNITS, placements
from bqsync.install.unit import ServiceSettings
from bqsync.regular_file import read_regular, replace_file
from bqsync.state.lock import StateLock
from bqsync.state.store import Store

LEAST = '[source]\ndb = "a.db"\n[bigquery]\nproject = "p"\ndataset = "d"\n[[tables]]\nname = "t"\n'
SPARSE_BYTES = 10 << 30


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    os.mknod(path, stat.S_IFSOCK | 0o600)  # a name that is bound must be short


def make_endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def make_full(path: Path) -> None:
    path.symlink_to("/dev/full")


def make_circle(path: Path) -> None:
    path.symlink_to(path.name)


def make_dangling(path: Path) -> None:
    path.symlink_to("nowhere/at/all")


def make_huge(path: Path) -> None:
    path.touch()
    os.truncate(path, SPARSE_BYTES)


SPECIAL = (make_pipe, make_socket, make_endless, make_full)
UNREADABLE = (*SPECIAL, Path.mkdir, make_circle, make_dangling, make_huge)


def read_config(path: Path) -> None:
    load(path, environ={})


def read_dotenv(path: Path) -> None:
    load(path.with_name("config.toml"), environ={})


def compile_it(path: Path) -> None:
    compile_protos([path], path.with_name("out.binpb"))


def compile_what_imports_it(path: Path) -> None:
    source = path.with_name("t.proto")
    source.write_text(f'syntax = "proto2";\nimport public "{path.name}";\n', encoding="utf-8")
    compile_protos([source], path.with_name("out.binpb"))


def compile_over_it(path: Path) -> None:
    source = path.with_name("t.proto")
    source.write_text('syntax = "proto2"; message T { optional int64 a = 1; }', encoding="utf-8")
    compile_protos([source], path)


def open_state(path: Path) -> None:
    Store(path).close()


def look_at_state(path: Path) -> None:
    Store(path, read_only=True).close()


def open_state_beside_it(path: Path) -> None:
    Store(path.with_name("state.db")).close()


def lock_state(path: Path) -> None:
    StateLock(path.with_name("state.db")).acquire()


def install_over_it(path: Path) -> None:
    placements(SETTINGS, "bqsync", path.parents[len(UNITS.parts) - 1])


SETTINGS = ServiceSettings(executable="/usr/bin/bqsync")
Opener = Callable[[Path], object]
Make = Callable[[Path], None]


def but(*left_out: Make) -> tuple[Make, ...]:
    return tuple(make for make in UNREADABLE if make not in left_out)


EVERYWHERE: tuple[tuple[Opener, str, str, tuple[Make, ...]], ...] = (
    (read_config, "odd.toml", "E102", UNREADABLE),
    (read_dotenv, ".env", "E101", but(Path.mkdir)),  # a virtual environment
    (load_messages, "t.binpb", "E103", UNREADABLE),
    (compile_it, "odd.proto", "E103", UNREADABLE),
    (compile_what_imports_it, "odd.proto", "E103", UNREADABLE),
    (compile_over_it, "t.binpb", "E103", but(make_dangling)),  # taken for missing, and replaced
    (load_key_file, "key.json", "E307", UNREADABLE),
    (open_state, "state.db", "E403", but(make_huge)),
    (look_at_state, "state.db", "E403", (*SPECIAL, Path.mkdir)),
    (open_state_beside_it, "state.db-wal", "E403", but(make_huge, make_dangling)),
    (lock_state, "state.db.lock", "E403", but(make_huge)),
    (install_over_it, str(Path("root", UNITS.relative_to("/"), SETTINGS.unit_file)), "E603", but(make_dangling)),
)
CASES = [pytest.param(opener, place, code, make, id=f"{opener.__name__}-{make.__name__}")
         for opener, place, code, makes in EVERYWHERE for make in makes]


@pytest.mark.parametrize(("opener", "place", "code", "make"), CASES)
def test_what_is_no_file_is_told_wherever_it_is_named(
    tmp_path: Path, opener: Opener, place: str, code: str, make: Make,
) -> None:
    (tmp_path / "config.toml").write_text(LEAST, encoding="utf-8")
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    make(tmp_path / place)
    with pytest.raises(BqsyncError) as caught:
        opener(tmp_path / place)
    shown = caught.value.render()
    assert caught.value.rule.code == code, shown
    assert place in shown
    assert "fix" in shown
    if make in SPECIAL:
        # Of a lock, no link is followed at all.
        assert "it is a pipe, a socket or a device" in shown or opener is lock_state
    if make is make_huge:
        assert "it is larger than" in shown


def test_a_file_that_grows_or_knows_no_size_is_read_up_to_its_bound(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 100)
    assert read_regular(file, 100) == b"x" * 100
    with pytest.raises(OSError, match="it is larger than"):
        read_regular(file, 99)
    status = Path("/proc/self/status")
    assert status.stat().st_size == 0
    assert read_regular(status, 1 << 20)
    with pytest.raises(OSError, match="it is larger than"):
        read_regular(status, 10)


def test_a_link_in_the_place_of_a_file_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    """Also where somebody has planted it in a folder that others may write to."""
    victim = tmp_path / "victim"
    victim.write_text("theirs", encoding="utf-8")
    db = keyed(tmp_path / "app.db", "(k INTEGER PRIMARY KEY)", ["k"], [(1,)])
    assert db is not None
    out = tmp_path / "out"
    (out / "protos").mkdir(parents=True)
    for place in ("config.toml", "protos/app.proto", "protos/app.binpb",
                  f".config.toml.{os.getpid()}.tmp", f"protos/.app.binpb.{os.getpid()}.tmp"):
        (out / place).symlink_to(victim)
    written = write_proposal(propose(tmp_path / "app.db", project=None, dataset=None, progress=lambda *_: None), out)
    assert victim.read_text(encoding="utf-8") == "theirs"
    assert [file for file in written if file.is_symlink() or not file.is_file()] == []
    (tmp_path / "state.db.lock").symlink_to(victim)
    with pytest.raises(BqsyncError, match=r"state\.db\.lock") as caught:
        StateLock(tmp_path / "state.db").acquire()
    assert caught.value.why == "it is a symbolic link"
    assert victim.read_text(encoding="utf-8") == "theirs"


def test_a_file_that_can_not_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        replace_file(tmp_path / "folder", b"text")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_pipe_in_the_folder_of_the_embedded_bigquery_is_not_waited_for(tmp_path: Path) -> None:
    for name in ("endpoint.json", "bigquery.log"):
        os.mkfifo(tmp_path / name)
    with pytest.raises(BqsyncError, match="did not start") as caught:
        EmbeddedBigQuery(tmp_path, "demo").start()
    assert caught.value.rule.code == "E316"
    assert "it is a pipe" in caught.value.why


SIDE_FILES = """
import sys
from pathlib import Path
from bqsync.capture.source import Source
from bqsync.errors import BqsyncError
from bqsync.state.store import Store

for look in (lambda: Source(Path("app.db")).read(lambda db: db.exec_driver_sql("SELECT * FROM t").fetchall()),
             lambda: Source(Path("app.db")).identity(), lambda: Source(Path("app.db")).file_state(),
             lambda: Store(Path("state.db"))):
    try:
        look()
    except BqsyncError as error:
        print(error.rule.code, error.what, "|", error.why)
    else:
        print("read")
"""


@pytest.fixture
def beside(tmp_path: Path) -> Callable[[str], list[str]]:
    """Put a pipe beside database and state, and let a process of its own look at both: SQLite would wait for ever."""
    keyed(tmp_path / "app.db", "(k INTEGER PRIMARY KEY)", ["k"], [(1,)])
    Store(tmp_path / "state.db").close()

    def look(suffix: str) -> list[str]:
        pipes = [tmp_path / f"{name}{suffix}" for name in ("app.db", "state.db")]
        for pipe in pipes:
            os.mkfifo(pipe)
        done = subprocess.run([sys.executable, "-c", SIDE_FILES], cwd=tmp_path, text=True, capture_output=True,
                              timeout=120, check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
        for pipe in pipes:
            pipe.unlink()
        return done.stdout.splitlines()

    return look


def test_a_pipe_beside_a_database_or_the_state_is_not_opened(beside: Callable[[str], list[str]]) -> None:
    for suffix in ("-wal", "-shm", "-journal"):
        *source, state = beside(suffix)
        assert [line.split(" | ")[0].split(" ", 1)[0] for line in source] == ["E202"] * 3, source
        assert all(f"app.db{suffix} is no regular file" in line for line in source)
        assert state.startswith("E403")
        assert f"state.db{suffix}" in state

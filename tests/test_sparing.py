"""What of a library is left out is there for whoever asks for it, and a library that has to have it gets it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_LIBRARY = {
    "__init__.py": "from vendor import later\nplace = later\n",
    "later.py": (
        "import time\nfrom vendor import log\nlog.lines.append('begun')\ntime.sleep(0.2)\n__all__ = ['value']\n"
        "value = 7\nlog.lines.append('ended')\n"
    ),
    "log.py": "lines = []\n",
    "eager.py": "from vendor.later import value\n",
    "broken.py": "import vendor.log\nvendor.log.lines.append('tried')\nraise OSError('no disk')\n",
    "choosy.py": "try:\n    import vendor.extra as extra\nexcept ImportError:\n    extra = None\n",
    "needy.py": "import vendor.extra as extra\nkind = extra.kind\n",
    "extra.py": "kind = 'extra'\n",
}


@pytest.fixture
def vendor(tmp_path: Path) -> Path:
    folder = tmp_path / "vendor"
    folder.mkdir()
    for name, text in _LIBRARY.items():
        (folder / name).write_text(text, encoding="utf-8")
    return tmp_path


def _told_by(vendor: Path, program: str) -> str:
    """What a process prints that has the library and sparing."""
    head = f"import sys\nsys.path.insert(0, {str(vendor)!r})\nfrom bqsync.sparing import defer, import_without\n"
    done = subprocess.run([sys.executable, "-c", head + program], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_deferred_module_is_executed_by_its_first_use_and_not_by_an_import(vendor: Path) -> None:
    program = ("defer('vendor.later', 'vendor.nowhere')\nimport vendor.later, vendor.later as again\n"
               "from vendor import later, log\nprint(log.lines, later is again, sys.modules['vendor.later'] is later)\n"
               "print(again.value, log.lines, hasattr(later, 'nothing'), type(later.__spec__.loader).__name__)\n")
    assert _told_by(vendor, program) == ("[] True True\n"
                                         "7 ['begun', 'ended'] False SourceFileLoader")


@pytest.mark.parametrize("use", ["import vendor.eager", "from vendor.later import *", "from vendor.later import value"])
def test_whoever_takes_something_out_of_it_gets_it_at_once(vendor: Path, use: str) -> None:
    program = f"defer('vendor.later')\nimport vendor.log\n{use}\nprint(vendor.log.lines, globals().get('value'))\n"
    assert _told_by(vendor, program) == f"['begun', 'ended'] {None if 'eager' in use else 7}"


def test_of_two_threads_one_executes_it_and_both_find_it_whole(vendor: Path) -> None:
    program = ("import threading\ndefer('vendor.later')\nfrom vendor import later, log\nfound = []\n"
               "threads = [threading.Thread(target=lambda: found.append(later.value)) for _ in range(4)]\n"
               "[one.start() for one in threads], [one.join() for one in threads]\nprint(found, log.lines)\n")
    assert _told_by(vendor, program) == "[7, 7, 7, 7] ['begun', 'ended']"


def test_a_deferred_module_that_fails_says_so_at_each_use(vendor: Path) -> None:
    program = ("defer('vendor.later', 'vendor.broken')\nimport vendor.broken\nfrom vendor import log\n"
               "for _ in range(2):\n    try:\n        vendor.broken.value\n"
               "    except OSError as error:\n        print(error, log.lines)\n")
    assert _told_by(vendor, program) == "no disk ['tried']\nno disk ['tried', 'tried']"


def test_a_library_can_be_imported_without_a_module_that_stays_importable(vendor: Path) -> None:
    program = ("import_without('vendor.choosy', 'vendor.extra')\nimport vendor.choosy, vendor.extra\n"
               "print(vendor.choosy.extra, vendor.extra.kind)\n")
    assert _told_by(vendor, program) == "None extra"


def test_a_library_that_needs_the_module_is_imported_with_it(vendor: Path) -> None:
    program = "import_without('vendor.needy', 'vendor.extra')\nimport vendor.needy\nprint(vendor.needy.kind)\n"
    assert _told_by(vendor, program) == "extra"


def test_a_module_that_is_there_already_is_not_taken_away(vendor: Path) -> None:
    program = ("import vendor.extra\nimport_without('vendor.choosy', 'vendor.extra')\nimport vendor.choosy\n"
               "print(vendor.choosy.extra.kind)\n")
    assert _told_by(vendor, program) == "extra"

"""
The virtual environment that the package carries: made here, and right there, at another path.

A virtual environment knows its own place in three ways: the first lines of its scripts, `pyvenv.cfg`, and the names of
source files within the compiled ones. All three are written for the place where it will lie, and at the end nothing in
it may name the folder in which it was made.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PLACE = Path("/opt/bqsync")
"""Where the units of `systemd/` expect it."""
_LAUNCHER = """#!{python}
import sys

from bqsync.cli import main

sys.exit(main())
"""
_NOT_SHIPPED = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
"""What pip notes for itself: the files belong to dpkg."""
_MANYLINUX = re.compile(r"manylinux(?:_(\d+)_(\d+)|(2014|2010|1))_")
_LEGACY = {"2014": (2, 17), "2010": (2, 12), "1": (2, 5)}


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The Python of the system, which the environment leans on."""

    path: Path
    version: str
    """Such as 3.11.2."""

    @property
    def minor(self) -> tuple[int, int]:
        """Such as (3, 11): compiled modules fit this one alone."""
        major, minor = self.version.split(".")[:2]
        return int(major), int(minor)


def interpreter(path: Path) -> Interpreter:
    """Ask a Python for its version."""
    version = _output(str(path), "-c", "import platform; print(platform.python_version())").strip()
    return Interpreter(path, version)


def build(tree: Path, python: Interpreter, requirements: str, wheel: Path) -> Path:
    """
    Make the environment.

    Args:
        tree: that stands for `/`.
        python: of the system that it is for.
        requirements: pinned, with hashes.
        wheel: of bqsync.

    Returns:
        Its folder of packages.
    """
    place = tree / PLACE.relative_to("/")
    place.parent.mkdir(parents=True)
    _run(str(python.path), "-m", "venv", "--without-pip", "--symlinks", str(place))
    listed = tree.parent / "requirements.txt"
    listed.write_text(requirements, encoding="utf-8")
    pip = (sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "--python", str(place / "bin/python3"))
    install = (*pip, "install", "--no-deps", "--no-compile", "--only-binary=:all:")
    _run(*install, "--require-hashes", "-r", str(listed))
    _run(*install, str(wheel))
    _run(*pip, "check")
    [packages] = (place / "lib").glob("python3.*/site-packages")
    for name in _NOT_SHIPPED:
        for noted in packages.glob(f"*.dist-info/{name}"):
            noted.unlink()
    _settle(place, python)
    _compile(tree, packages, python)
    _require_no_trace(place, str(tree))
    return packages


def _settle(place: Path, python: Interpreter) -> None:
    """Leave the interpreter and bqsync in `bin`, and name the place where it will lie."""
    kept = {"python", "python3", "python{}.{}".format(*python.minor)}
    for script in (place / "bin").iterdir():
        if script.name not in kept:
            script.unlink()
    (place / "bin/python3").unlink()
    (place / "bin/python3").symlink_to(python.path)
    (place / "bin/bqsync").write_text(_LAUNCHER.format(python=PLACE / "bin/python3"), encoding="utf-8")
    (place / "bin/bqsync").chmod(0o755)
    (place / "pyvenv.cfg").write_text(f"home = {python.path.parent}\ninclude-system-site-packages = false\n"
                                      f"version = {python.version}\n", encoding="utf-8")
    shutil.rmtree(place / "include", ignore_errors=True)


def _compile(tree: Path, packages: Path, python: Interpreter) -> None:
    """
    Compile for good: the service may not write beside the sources, and would compile at every start.

    Unchecked, since the package keeps the two in step; by hash, so that they do not depend on the time.
    """
    # Some packages carry templates that are no Python, so its exit code means nothing.
    subprocess.run([str(python.path), "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash",
                    "-s", str(tree), "-p", "/", str(packages)], check=False, capture_output=True,
                   env={"PYTHONHASHSEED": "0"})
    if not any(packages.glob("bqsync/__pycache__/*.pyc")):
        raise RuntimeError("nothing was compiled")


def _require_no_trace(place: Path, folder: str) -> None:
    traces = [path for path in place.rglob("*") if path.is_file() and folder.encode() in path.read_bytes()]
    if traces:
        raise RuntimeError(f"these name the folder in which they were made: {traces[:5]}")


def libc_version(packages: Path) -> str:
    """The oldest libc that all packages run with, by the tags of their wheels; such as 2.28."""
    needed = (2, 17)
    for noted in packages.glob("*.dist-info/WHEEL"):
        tags = [_LEGACY[legacy] if legacy else (int(major), int(minor))
                for major, minor, legacy in _MANYLINUX.findall(noted.read_text(encoding="utf-8"))]
        needed = max(needed, min(tags, default=needed))
    return "{}.{}".format(*needed)


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")

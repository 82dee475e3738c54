"""
`make deb`: build dist/bqsync_VERSION_ARCHITECTURE.deb.

DEB_PYTHON         the Python of the system that it is for (default: /usr/bin/python3)
DEB_MAINTAINER     name and address
SOURCE_DATE_EPOCH  the time of all files, in Unix seconds (default: that of the last commit)

Source: https://reproducible-builds.org/docs/source-date-epoch/
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from package import tree as contents
from package.environment import build, interpreter, libc_version
from package.lock import needed
from package.texts import MAINTAINER, control

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Build it, and say where it is."""
    os.umask(0o022)
    moment_s = int(os.environ.get("SOURCE_DATE_EPOCH") or _output("git", "log", "-1", "--format=%ct"))
    os.environ["SOURCE_DATE_EPOCH"] = str(moment_s)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    # Nobody adds to the environment later: it has no pip.
    wanted = [*project["dependencies"], *project["optional-dependencies"]["metrics"]]
    requirements = needed((ROOT / "requirements-dev.lock").read_text(encoding="utf-8"), wanted)
    python = interpreter(Path(os.environ.get("DEB_PYTHON", "/usr/bin/python3")))
    maintainer = os.environ.get("DEB_MAINTAINER", MAINTAINER)
    architecture = _output("dpkg", "--print-architecture").strip()
    with tempfile.TemporaryDirectory(prefix="bqsync-deb-") as work:
        tree = Path(work) / "tree"
        packages = build(tree, python, requirements, _wheel(Path(work)))
        contents.fill(tree, packages, project["version"], maintainer, moment_s)
        contents.control_files(tree, control(
            version=project["version"], architecture=architecture, maintainer=maintainer, minor=python.minor,
            libc=libc_version(packages), size_kib=contents.size_kib(tree)))
        contents.even_out(tree, moment_s)
        place = ROOT / "dist" / f"bqsync_{project['version']}_{architecture}.deb"
        place.parent.mkdir(exist_ok=True)
        # One thread: with several, xz cuts the data elsewhere. Level 2 takes a fifth of the time of 6, and 10 % more.
        _output("dpkg-deb", "--root-owner-group", "-Zxz", "-z2", "--threads-max=1", "--build", str(tree), str(place))
    print(f"{place.relative_to(ROOT)}: {place.stat().st_size / 2**20:.1f} MiB, for Python "
          f"{'.'.join(map(str, python.minor))}")


def _wheel(work: Path) -> Path:
    _output(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(work / "wheel"), str(ROOT))
    [wheel] = (work / "wheel").glob("*.whl")
    return wheel


def _output(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()

"""
The compiled part: made when a wheel is built or the package is installed, by whatever C compiler there is.

Without one the package is whole all the same, and reads large tables by rows. `python -m package.native` makes it in
the checkout.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parents[1]
_FOLDER = Path("daemon/bqsync/native")
# Not `….so`: Python would take it for a module.
_PRODUCT = _FOLDER / "libpages.so.0"
_FLAGS = ("-std=c11", "-O3", "-fPIC", "-shared", "-Wall", "-Wextra", "-Wconversion")
_LIBRARIES = ("-lm", "-ldl")


class NativeHook(BuildHookInterface[Any]):
    """Called by hatchling for each wheel, and for an editable installation."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """
        Make the compiled part, and have it in the wheel, which is one for this machine then.

        Args:
            version: `standard` or `editable`.
            build_data: what hatchling does with the wheel.
        """
        why = build(Path(self.root))
        if why:
            self.app.display_warning(f"large tables will be read by rows: {why}")
            return
        build_data["artifacts"].append(f"/{_PRODUCT}")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"


def build(root: Path, *flags: str, product: Path = _PRODUCT) -> str:
    """
    Compile it; why it could not be, or nothing.

    Args:
        root: of the checkout.
        flags: more of them for the compiler.
        product: where it is written to, within the checkout or anywhere else.
    """
    compiler = shlex.split(os.environ.get("CC") or "cc")
    try:
        return _build(root, root / product, [*compiler, *_FLAGS, *flags])
    except OSError as error:
        return f"{error.filename or product}: {error.strerror}"


def _build(root: Path, place: Path, command: list[str]) -> str:
    place.unlink(missing_ok=True)
    compiler = command[0]
    if shutil.which(compiler) is None:
        return f"there is no C compiler {compiler!r}"
    sources = sorted(str(path.relative_to(root)) for path in (root / _FOLDER).glob("*.c"))
    with tempfile.TemporaryDirectory(dir=place.parent) as folder:
        made = Path(folder, place.name)
        done = subprocess.run([*command, "-o", str(made), *sources, *_LIBRARIES], cwd=root, check=False,
                              capture_output=True, text=True)
        if done.returncode:
            return f"{compiler}: {done.stderr.strip()}"
        made.replace(place)
    return ""


if __name__ == "__main__":
    why = build(ROOT)
    print(f"large tables are read by rows: {why}" if why else f"{_PRODUCT} is made", file=sys.stderr)

"""Which file of the package lies where."""

from __future__ import annotations

import gzip
import os
from hashlib import md5
from pathlib import Path

from bqsync import cli
from bqsync.cli.completion import script
from package.man import page
from package.texts import changelog, copyright_text, license_of

ROOT = Path(__file__).parents[1]
_UNITS = ("bqsync.service", "bqsync@.service", "bqsync-sync.service", "bqsync-sync.timer")
_COMPLETIONS = {
    "bash": "usr/share/bash-completion/completions/bqsync",
    "zsh": "usr/share/zsh/vendor-completions/_bqsync",
    "fish": "usr/share/fish/vendor_completions.d/bqsync.fish",
}
_DOCUMENTS = "usr/share/doc/bqsync"
_SCRIPTS = ("preinst", "postinst", "prerm", "postrm")


def fill(tree: Path, packages: Path, version: str, maintainer: str, moment_s: int) -> None:
    """Everything but the virtual environment, which is there already."""
    for name in _UNITS:
        _put(tree / "usr/lib/systemd/system" / name, (ROOT / "systemd" / name).read_bytes())
    for folder in ("sysusers.d", "tmpfiles.d"):
        _put(tree / "usr/lib" / folder / "bqsync.conf", (ROOT / "systemd" / folder / "bqsync.conf").read_bytes())
    link = tree / "usr/bin/bqsync"
    link.parent.mkdir(parents=True)
    link.symlink_to("/opt/bqsync/bin/bqsync")
    for shell, place in _COMPLETIONS.items():
        _put(tree / place, script(cli.commands, shell).encode())
    _put(tree / "usr/share/man/man1/bqsync.1.gz", _packed(page(moment_s, version).encode()))
    documents = tree / _DOCUMENTS
    licenses = {noted.parent.name.removesuffix(".dist-info").replace("-", " "):
                license_of(noted.read_text(encoding="utf-8")) for noted in packages.glob("*.dist-info/METADATA")
                if not noted.parent.name.startswith("bqsync-")}
    _put(documents / "copyright", copyright_text(licenses).encode())
    _put(documents / "changelog.gz", _packed(changelog(version, maintainer, moment_s).encode()))
    _put(documents / "CHANGELOG.md.gz", _packed((ROOT / "CHANGELOG.md").read_bytes()))
    _put(documents / "README.md.gz", _packed((ROOT / "README.md").read_bytes()))
    for document in sorted((ROOT / "docs").glob("*.md")):
        _put(documents / "docs" / f"{document.name}.gz", _packed(document.read_bytes()))
    _put(documents / "examples/config.toml", (ROOT / "package/config.toml").read_bytes())


def control_files(tree: Path, control: str) -> None:
    """What dpkg reads, and what it runs."""
    folder = tree / "DEBIAN"
    sums = "".join(f"{md5(path.read_bytes(), usedforsecurity=False).hexdigest()}  {path.relative_to(tree)}\n"
                   for path in files(tree))
    _put(folder / "control", control.encode())
    _put(folder / "md5sums", sums.encode())
    for name in _SCRIPTS:
        _put(folder / name, (ROOT / "package/scripts" / name).read_bytes())
        (folder / name).chmod(0o755)


def files(tree: Path) -> list[Path]:
    """The regular files of the package, in a fixed order."""
    return sorted(path for path in tree.rglob("*") if path.is_file() and not path.is_symlink()
                  and "DEBIAN" not in path.relative_to(tree).parts)


def size_kib(tree: Path) -> int:
    """What it takes when it is installed, as Debian counts."""
    folders = sum(1 for path in tree.rglob("*") if path.is_dir())
    return sum((path.stat().st_size + 1023) // 1024 for path in files(tree)) + folders


def even_out(tree: Path, moment_s: int) -> None:
    """The same modes and times whoever builds it, and whenever."""
    for path in [tree, *tree.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        os.utime(path, (moment_s, moment_s), follow_symlinks=False)


def _packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)

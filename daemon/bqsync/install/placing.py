"""Which file goes where, and whether it may: a file that somebody edited is not written over."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from pathlib import Path

from bqsync.errors import BqsyncError, ErrorKind
from bqsync.install.unit import USER, ServiceSettings, folders_text, is_as_written, unit_text, user_text
from bqsync.regular_file import MIB, read_regular

UNITS = Path("/etc/systemd/system")
USERS = Path("/etc/sysusers.d")
FOLDERS = Path("/etc/tmpfiles.d")


class Found(StrEnum):
    """What stands where a file is to go, as a report names what became of it."""

    NOTHING = "written"
    THE_SAME = "unchanged"
    OURS = "replaced"
    """Written by another version or with other options, and not edited."""
    EDITED = "overwritten"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A file and its place."""

    path: Path
    text: str
    before: str | None
    """What stands there; None where nothing does."""

    @property
    def found(self) -> Found:
        """How the place looks."""
        if self.before is None:
            return Found.NOTHING
        if self.before == self.text:
            return Found.THE_SAME
        return Found.OURS if is_as_written(self.before) else Found.EDITED

    def difference(self) -> list[str]:
        """The lines that go (-) and come (+); not those of the heading."""
        lines = difflib.unified_diff((self.before or "").splitlines(), self.text.splitlines(), lineterm="", n=0)
        return [line for line in lines if line[:3] not in ("---", "+++") and line[:2] not in ("@@", "-#", "+#")]


def shipped(name: str) -> str:
    """The text of a file of `systemd/`."""
    return resources.files("bqsync").joinpath("systemd", name).read_text(encoding="utf-8")


def unit_of(settings: ServiceSettings) -> str:
    """The text of the unit."""
    return unit_text(shipped(settings.shipped_unit), settings)


def placements(settings: ServiceSettings, group: str, root: Path) -> list[Placement]:
    """
    All that belongs to a service. A user of another name is the operator's own, and is not made.

    Args:
        settings: of the machine.
        group: that may read the configuration.
        root: the tree to install into; `/` for this machine.

    Raises:
        BqsyncError: a file that is there can't be read.
    """
    texts = {UNITS / settings.unit_file: unit_of(settings)}
    if settings.user == USER:
        texts[USERS / f"{USER}.conf"] = user_text(shipped("sysusers.d/bqsync.conf"))
    texts[FOLDERS / settings.companion_file] = folders_text(shipped("tmpfiles.d/bqsync.conf"), settings, group)
    return [_look(root / path.relative_to("/"), text) for path, text in texts.items()]


def _look(path: Path, text: str) -> Placement:
    try:
        before = read_regular(path, MIB).decode("utf-8", "replace")
    except FileNotFoundError:
        before = None
    except OSError as error:
        raise BqsyncError(
            ErrorKind.SERVICE_FAILED, what=f"{path} can't be read: {error.strerror}",
            why="what stands there is compared before it is written over", fix=f"look at {path}, and move it away",
        ) from error
    return Placement(path=path, text=text, before=before)


def refuse_edited(files: Sequence[Placement]) -> None:
    """
    Nothing is written if anything would be lost.

    Raises:
        BqsyncError: SERVICE_EDITED, naming every such file.
    """
    edited = [file for file in files if file.found is Found.EDITED]
    if edited:
        lines = "; ".join(line for file in edited for line in file.difference()[:4])
        raise BqsyncError(
            ErrorKind.SERVICE_EDITED, what=f"not written over: {', '.join(str(file.path) for file in edited)}",
            why=f"it was edited, or not written by `bqsync service install`; it would change: {lines or 'comments'}",
            fix="keep your change in a drop-in (systemctl edit) and use --force, or leave the file as it is",
        )

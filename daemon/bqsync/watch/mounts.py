"""Which file system a path lies on, and whether it tells of every write. Pure: the text of `mountinfo` comes in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath

_ESCAPE = re.compile(r"\\([0-7]{3})")

_WITHOUT_REMOTE_EVENTS = frozenset({
    "9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "drvfs", "fakeowner", "gfs", "gfs2", "gpfs", "lustre",
    "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "prl_fs", "pvfs2", "smb3", "smbfs", "vboxsf", "virtiofs",
    "vmhgfs", "wekafs",
})
"""Shared with other machines, or with the host of a virtual one: their writes never pass this kernel."""

_LOCAL_FUSE = frozenset({
    "fuse.encfs", "fuse.exfat", "fuse.fuse-overlayfs", "fuse.gocryptfs", "fuse.ntfs", "fuse.ntfs-3g",
})
"""
Programs behind FUSE whose files change through this mount alone; so does `fuseblk`, a block device.

Any other may change files behind the kernel's back: sshfs, glusterfs and s3fs on another machine, mergerfs and bindfs
in the folders below them.
"""


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of `mountinfo`."""

    mount_id: int
    parent_id: int
    point: str
    file_system: str


def parse_mountinfo(text: str) -> list[Mount]:
    """
    Parse `/proc/self/mountinfo`. Lines of another form are passed over.

    Source: https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html
    """
    mounts = []
    for line in text.split("\n"):
        # Optional fields of any number stand before the dash.
        before, dash, after = line.partition(" - ")
        fields, rest = before.split(" "), after.split(" ")
        if dash and len(fields) >= 6 and fields[0].isdecimal() and fields[1].isdecimal():
            point, file_system = _unescaped(fields[4]), _unescaped(rest[0])
            mounts.append(Mount(int(fields[0]), int(fields[1]), point, file_system))
    return mounts


def file_system_of(path: PurePath, mounts: list[Mount]) -> str | None:
    """
    The type of the file system that a path lies on; None where no mount is known that holds it.

    Goes down from the root as the kernel does: a later mount covers earlier ones on the same folder, and whatever was
    mounted below that folder.

    Args:
        path: absolute, without symbolic links.
        mounts: in the order of the kernel's list.
    """
    known = {mount.mount_id for mount in mounts}
    on: dict[tuple[int | None, str], Mount] = {}
    for mount in mounts:
        # The root's parent is itself, or one that this process does not see.
        is_top = mount.parent_id == mount.mount_id or mount.parent_id not in known
        on[None if is_top else mount.parent_id, mount.point] = mount
    current: Mount | None = None
    for folder in (*reversed(path.parents), path):
        # Several mounts may stand on one folder, each on the root of the one before.
        while (upper := on.get((None if current is None else current.mount_id, str(folder)))) is not None:
            current = upper
    return None if current is None else current.file_system


def hides_remote_writes(file_system: str) -> bool:
    """Whether files of such a file system can change without an event on this machine."""
    if file_system == "fuse" or file_system.startswith("fuse."):
        return file_system not in _LOCAL_FUSE
    return file_system in _WITHOUT_REMOTE_EVENTS


def _unescaped(field: str) -> str:
    r"""Blank, tab, line feed and backslash are written as `\040`, `\011`, `\012`, `\134`."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), field)

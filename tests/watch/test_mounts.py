"""Which file system a path lies on, as the kernel lists it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.properties import MODEST

from bqsync.watch.mounts import Mount, file_system_of, hides_remote_writes, parse_mountinfo

LISTED = r"""
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
22 21 0:21 / /proc rw - proc proc rw
30 21 0:40 / /srv/data rw,relatime shared:7 master:3 - nfs4 server:/export rw,vers=4.2
31 30 8:2 / /srv/data/fast rw - xfs /dev/sdb rw
32 21 0:41 /sub /mnt/with\040blank rw - fuse.sshfs me@host:/x rw
33 21 0:42 / /mnt/tab\011feed\012slash\134 rw - tmpfs tmpfs rw
this is no mount
"""


def lies_on(path: str, text: str) -> str | None:
    return file_system_of(PurePosixPath(path), parse_mountinfo(text))


@pytest.mark.parametrize(("path", "expected"), [
    ("/", "ext4"),
    ("/home/app", "ext4"),
    ("/srv/data", "nfs4"),
    ("/srv/data/app/db", "nfs4"),
    ("/srv/data/fast/app", "xfs"),
    ("/srv/database", "ext4"),  # no part of /srv/data, for all that it begins alike
    ("/mnt/with blank/app", "fuse.sshfs"),
    ("/mnt/tab\tfeed\nslash\\/x", "tmpfs"),
])
def test_a_path_lies_on_the_mount_nearest_above_it(path: str, expected: str) -> None:
    assert lies_on(path, LISTED) == expected


def test_a_later_mount_covers_an_earlier_one_on_the_same_folder() -> None:
    text = "1 0 0:1 / / rw - ext4 a rw\n2 1 0:2 / /d rw - nfs b rw\n3 2 0:3 / /d rw - tmpfs c rw\n"
    assert lies_on("/d/x", text) == "tmpfs"


def test_a_mount_covers_whatever_was_mounted_below_its_folder() -> None:
    """The longest mount point alone would tell the type of a file system that no path leads to any more."""
    text = "1 0 0:1 / / rw - ext4 a rw\n2 1 0:2 / /d/e rw - nfs b rw\n3 1 0:3 / /d rw - tmpfs c rw\n"
    assert lies_on("/d/e/x", text) == "tmpfs"


def test_a_root_that_is_its_own_parent_ends_the_way() -> None:
    assert lies_on("/x", "1 1 0:1 / / rw - overlay a rw\n") == "overlay"


def test_in_a_changed_root_the_mounts_that_are_seen_count() -> None:
    assert lies_on("/data/x", "9 7 0:1 / /data rw - cifs a rw\n") == "cifs"
    assert lies_on("/x", "9 7 0:1 / /data rw - cifs a rw\n") is None


def test_the_real_list_of_this_machine_is_understood(tmp_path: Path) -> None:
    """As util-linux sees it."""
    findmnt = shutil.which("findmnt")
    if findmnt is None:
        pytest.skip("there is no findmnt here")
    mounts = parse_mountinfo(Path("/proc/self/mountinfo").read_text(encoding="utf-8"))
    for folder in (Path("/"), Path("/proc"), Path("/sys"), tmp_path.resolve()):
        done = subprocess.run([findmnt, "-no", "FSTYPE", "-T", folder], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            assert file_system_of(folder, mounts) == done.stdout.split()[-1]


@pytest.mark.parametrize("file_system", [
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "fuse", "fuse.sshfs", "fuse.glusterfs", "fuse.rclone",
    "fuse.something-new", "virtiofs", "vboxsf", "prl_fs", "lustre", "beegfs", "gpfs", "ocfs2", "gfs2",
])
def test_shared_file_systems_hide_what_others_write(file_system: str) -> None:
    assert hides_remote_writes(file_system)


@pytest.mark.parametrize("file_system", [
    "ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "f2fs", "bcachefs", "vfat", "exfat", "ntfs3", "fuseblk",
    "fuse.fuse-overlayfs", "fuse.gocryptfs", "fusectl",
])
def test_local_file_systems_hide_nothing(file_system: str) -> None:
    assert not hides_remote_writes(file_system)


@MODEST
@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    assert isinstance(lies_on("/a/b", text), str | None)


@MODEST
@given(st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1))
def test_any_name_of_a_folder_comes_back_as_it_was(name: str) -> None:
    point = f"/mnt/{name}"
    written = "".join(f"\\{ord(sign):03o}" if sign in " \t\n\\" else sign for sign in point)
    [mount] = parse_mountinfo(f"5 1 0:5 / {written} rw - tmpfs t rw")
    assert mount == Mount(5, 1, point, "tmpfs")

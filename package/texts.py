"""The texts that a package of Debian consists of beside its files. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

MAINTAINER = "The bqsync authors <bqsync@localhost.localdomain>"
"""There is no list or address of the project yet; DEB_MAINTAINER names another."""
_DESCRIPTION = """\
Description: BigQuery tables kept equal to a SQLite file
 bqsync is a daemon that watches a SQLite file and keeps Google BigQuery
 tables equal to it, seconds behind, sending only the rows that changed.
 .
 The package carries its Python packages in /opt/bqsync. The service
 bqsync.service is neither enabled nor started before it is configured.
"""


def control(
    *, version: str, architecture: str, maintainer: str, minor: tuple[int, int], libc: str, size_kib: int
) -> str:
    """
    The control file.

    Args:
        version: of the package.
        architecture: as dpkg names it.
        maintainer: name and address.
        minor: of the Python that compiled the modules: no other one can load them.
        libc: the oldest one.
        size_kib: of the installed files.

    Source: https://www.debian.org/doc/debian-policy/ch-controlfields.html
    """
    major, this = minor
    depends = (f"python3 (>= {major}.{this}~), python3 (<< {major}.{this + 1}~), libc6 (>= {libc}), libstdc++6, "
               "libgcc-s1, systemd, tzdata")
    fields = {"Package": "bqsync", "Version": version, "Architecture": architecture, "Maintainer": maintainer,
              "Installed-Size": str(size_kib), "Depends": depends, "Suggests": "bash-completion",
              "Section": "database", "Priority": "optional"}
    return "".join(f"{name}: {value}\n" for name, value in fields.items()) + _DESCRIPTION


def changelog(version: str, maintainer: str, moment_s: int) -> str:
    """The changelog that dpkg's tools read; the one for people lies beside it."""
    moment = format_datetime(datetime.fromtimestamp(moment_s, UTC))
    return (f"bqsync ({version}) unstable; urgency=medium\n\n  * See /usr/share/doc/bqsync/CHANGELOG.md.gz.\n\n"
            f" -- {maintainer}  {moment}\n")


def copyright_text(packages: dict[str, str]) -> str:
    """
    Whose it is.

    Args:
        packages: the license of each Python package that is carried, by name and version.
    """
    carried = "".join(f"  {name}: {license_name}\n" for name, license_name in sorted(packages.items()))
    return ("Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"
            "Upstream-Name: bqsync\n"
            "Comment:\n"
            " These Python packages are carried below /opt/bqsync/lib. Each has its own license,\n"
            " whose text lies in its folder *.dist-info:\n"
            f"{carried}\n"
            "Files: *\nCopyright: 2026 The bqsync authors\nLicense: Apache-2.0\n\n"
            "License: Apache-2.0\n On Debian systems, the text of the license is in\n"
            " /usr/share/common-licenses/Apache-2.0.\n")


def license_of(metadata: str) -> str:
    """The license that a package's METADATA names, in a few words."""
    fields = [line.partition(": ")[::2] for line in metadata.partition("\n\n")[0].splitlines()]
    for wanted in ("License-Expression", "License"):
        for name, value in fields:
            if name == wanted and 0 < len(value) < 60:
                return value
    named = [value.rpartition(" :: ")[2] for name, value in fields
             if name == "Classifier" and value.startswith("License :: ")]
    return ", ".join(named) or "see its files"

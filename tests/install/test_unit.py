"""The text of the unit: what is asked for changes its lines, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bqsync.install.placing import shipped, unit_of
from bqsync.install.unit import ServiceSettings, folders_text, is_as_written, user_text

OPT = "/opt/bqsync/bin/bqsync"
analyze = shutil.which("systemd-analyze")


def changed_lines(settings: ServiceSettings) -> set[str]:
    """What differs from the shipped unit, below the heading."""
    before = shipped(settings.shipped_unit)
    return set(unit_of(settings).splitlines()[2:]) - set(before.splitlines())


def test_without_options_the_unit_is_the_shipped_one() -> None:
    body = "".join(unit_of(ServiceSettings(executable=OPT)).splitlines(keepends=True)[2:])
    assert shipped("bqsync.service").endswith(body)


@pytest.mark.parametrize(("settings", "expected"), [
    (ServiceSettings(executable="/usr/bin/bqsync"),
     {"ExecStart=/usr/bin/bqsync run --config /etc/bqsync/config.toml"}),
    (ServiceSettings(executable=OPT, config="/srv/app/bqsync.toml"),
     {f"ExecStart={OPT} run --config /srv/app/bqsync.toml", "Documentation=file:///srv/app/bqsync.toml"}),
    (ServiceSettings(executable=OPT, user="app"), {"User=app"}),
    (ServiceSettings(executable=OPT, group="staff"), {"Group=staff"}),
    (ServiceSettings(executable=OPT, app_groups=("app", "web")), {"SupplementaryGroups=app web"}),
    (ServiceSettings(executable=OPT, credentials="/root/key.json"),
     {"LoadCredential=gcp.json:/root/key.json", "Environment=GOOGLE_APPLICATION_CREDENTIALS=%d/gcp.json"}),
    (ServiceSettings(executable="/usr/bin/bqsync", instance="shop"),
     {"ExecStart=/usr/bin/bqsync run --config /etc/bqsync/%i/config.toml"}),
])
def test_an_option_changes_its_lines(settings: ServiceSettings, expected: set[str]) -> None:
    assert changed_lines(settings) == expected


@pytest.mark.parametrize("instance", [None, "shop"])
@pytest.mark.skipif(analyze is None, reason="systemd-analyze is not installed")
def test_the_unit_is_clean_whatever_the_paths(tmp_path: Path, instance: str | None) -> None:
    assert analyze is not None
    program = tmp_path / "a $c %i" / "bqsync"
    program.parent.mkdir()
    program.symlink_to(sys.executable)
    settings = ServiceSettings(executable=str(program), config="/etc/a b$HOME%i.toml", user="root", group="root",
                               app_groups=("root",), credentials="/etc/k %h.json", instance=instance)
    (tmp_path / settings.unit_file).write_text(unit_of(settings), encoding="utf-8")
    done = subprocess.run([analyze, "verify", "--man=no", str(tmp_path / settings.unit_file)],
                          capture_output=True, text=True, check=False, timeout=60)
    assert [line for line in (done.stdout + done.stderr).splitlines() if "bqsync" in line] == []


def test_an_edit_of_any_line_is_found_out() -> None:
    text = unit_of(ServiceSettings(executable=OPT))
    assert is_as_written(text)
    for number, line in enumerate(text.splitlines()[1:], start=1):
        edited = text.splitlines()
        edited[number] = line + "x"
        assert not is_as_written("\n".join(edited) + "\n"), line
    assert not is_as_written(shipped("bqsync.service"))
    assert not is_as_written("")


def test_folders_are_those_of_the_user_and_the_instance() -> None:
    settings = ServiceSettings(executable=OPT, user="app", instance="shop")
    text = folders_text(shipped("tmpfiles.d/bqsync.conf"), settings, "staff")
    assert text.splitlines()[2:] == ["d /etc/bqsync/shop 0750 root staff -", "d /var/lib/bqsync/shop 0700 app staff -"]
    assert settings.companion_file == "bqsync-shop.conf"


def test_the_user_is_the_shipped_one() -> None:
    assert user_text(shipped("sysusers.d/bqsync.conf")).splitlines()[2:] \
        == shipped("sysusers.d/bqsync.conf").splitlines()[1:]

"""Writes a proposal: config.toml, and the messages with their descriptor set."""

from __future__ import annotations

import os
from pathlib import Path

from bqsync.config import load
from bqsync.encode.compiler import compile_protos
from bqsync.engine.proposal.config_text import config_text, relative_to
from bqsync.engine.proposal.facts import Proposal
from bqsync.engine.proposal.proto_text import proto_text
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.regular_file import replace_file


def planned_files(db_name: str, out: Path) -> tuple[Path, Path, Path]:
    """The configuration, the .proto file and the descriptor set of a proposal of that name."""
    return out / "config.toml", out / "protos" / f"{db_name}.proto", out / "protos" / f"{db_name}.binpb"


def refuse_to_overwrite(files: tuple[Path, ...]) -> None:
    """
    Look before anything is read: what somebody has written by hand is not lost.

    Raises:
        BqsyncError: CONFIG_INVALID, where one of the files is there.
    """
    there = [str(file) for file in files if os.path.lexists(file)]
    if there:
        raise BqsyncError(ErrorKind.CONFIG_INVALID, what=f"{' and '.join(there)} would be overwritten",
                          why="bqsync init replaces nothing that is there already",
                          fix="name another folder with --out DIR, or replace them with --force")


def write_proposal(proposal: Proposal, out: Path) -> tuple[Path, Path, Path]:
    """
    Write the three files, the configuration last, and load it as the next command will.

    Raises:
        BqsyncError: CONFIG_INVALID, where a file can't be written; PROTO_INVALID, see `compile_protos`.
    """
    config, proto, descriptor_set = files = planned_files(proposal.name, out)
    _write(proto, proto_text(proposal))
    compile_protos([proto], descriptor_set)
    _write(config, config_text(proposal, relative_to(proposal.db, out),
                               (relative_to(proto, out), relative_to(descriptor_set, out))))
    load(config, environ={})
    return files


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, text.encode("utf-8"))
    except OSError as error:
        raise BqsyncError(ErrorKind.CONFIG_INVALID, what=f"{file} can't be written", why=error.strerror or str(error),
                          fix="name a folder that may be written to with --out DIR") from error

"""What of the development lock the program itself needs: pinned, with hashes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

_BLOCK = re.compile(r"^(?P<name>[a-z0-9][a-z0-9._-]*)==.*?(?=^[a-z0-9]|\Z)", re.MULTILINE | re.DOTALL)
_VIA = re.compile(r"^    #(?: via)? +([a-z0-9][a-z0-9._-]*)", re.MULTILINE)


def needed(lock: str, wanted: Iterable[str]) -> str:
    """
    The parts of a lock for some packages and all that these need.

    Args:
        lock: as `uv pip compile` writes it, with its comments `# via`.
        wanted: names of packages.

    Raises:
        KeyError: the lock lacks a package.
    """
    blocks = {found["name"]: found[0] for found in _BLOCK.finditer(lock)}
    parents = {name: set(_VIA.findall(block)) for name, block in blocks.items()}
    chosen = {normalized(name) for name in wanted}
    if missing := chosen - blocks.keys():
        raise KeyError(missing)
    while more := {name for name, via in parents.items() if name not in chosen and via & chosen}:
        chosen |= more
    return "".join(blocks[name] for name in sorted(chosen))


def normalized(requirement: str) -> str:
    """The name of a requirement such as `SQLAlchemy[asyncio]>=2`, as an index knows it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0]).lower()

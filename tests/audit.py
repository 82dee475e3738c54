"""
Whether a version in requirements-dev.lock is known to be vulnerable, or known to be malicious: `make audit`.

One request to OSV, the database that gathers the advisories of PyPI, GitHub and others, for all packages at once. Exit
code 1: something was found. Where the database does not answer in time, that is said, and the exit code is 0: a network
is no property of the project. Source: https://google.github.io/osv.dev/post-v1-querybatch/
"""

from __future__ import annotations

import argparse
import http.client
import json
import queue
import re
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

_LOCK = Path(__file__).parent.parent / "requirements-dev.lock"
_SERVICE = "https://api.osv.dev"
_PATIENCE_S = 15.0
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)

Pin = tuple[str, str]
"""Name and version."""


class UnreachableError(Exception):
    """There are no advisories to be had."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Look, and tell."""
    options = _options(arguments)
    pins = _PIN.findall(options.lock.read_text(encoding="utf-8"))
    try:
        found = look(options.service, pins, options.patience_s)
    except UnreachableError as error:
        print(f"audit: skipped: the advisory data can't be reached ({error})")
        return 0
    for (name, version), advisories in found.items():
        links = "  ".join(f"https://osv.dev/vulnerability/{advisory}" for advisory in advisories)
        print(f"audit: VULNERABLE: {name} {version}: {links}")
    print(f"audit: {len(pins)} packages, {len(found)} of them with advisories")
    return 1 if found and not options.only_tell else 0


def look(service: str, pins: Sequence[Pin], patience_s: float) -> Mapping[Pin, list[str]]:
    """
    The advisories on those packages that have any.

    Args:
        service: where OSV's interface is.
        pins: what to ask about.
        patience_s: for everything together; no step of it has a limit of its own that could be stretched.

    Raises:
        UnreachableError: no answer in time, or none that makes sense.
    """
    answers: queue.SimpleQueue[list[list[str]] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(_ask(service, pins, patience_s))
        except (OSError, ValueError, LookupError, TypeError, AttributeError, http.client.HTTPException) as error:
            answers.put(error)

    # A thread of its own, left behind if need be: nothing else interrupts the look-up of a name.
    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=patience_s)
    except queue.Empty:
        raise UnreachableError(f"no answer within {patience_s:g} s") from None
    if isinstance(answer, Exception):
        raise UnreachableError(str(answer) or type(answer).__name__) from answer
    return {pin: advisories for pin, advisories in zip(pins, answer, strict=True) if advisories}


def _ask(service: str, pins: Sequence[Pin], patience_s: float) -> list[list[str]]:
    queries = [{"package": {"name": name, "ecosystem": "PyPI"}, "version": version} for name, version in pins]
    request = urllib.request.Request(  # noqa: S310 - the address is ours
        f"{service}/v1/querybatch", data=json.dumps({"queries": queries}).encode(),
        headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=patience_s) as answer:  # noqa: S310 - as above
        results = json.load(answer)["results"]
    if len(results) != len(pins):
        raise ValueError("the answer is not for what was asked")
    return [[advisory["id"] for advisory in result.get("vulns", [])] for result in results]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.audit")
    parser.add_argument("--only-tell", action="store_true", help="exit code 0 whatever is found")
    parser.add_argument("--lock", type=Path, default=_LOCK)
    parser.add_argument("--service", default=_SERVICE)
    parser.add_argument("--patience-s", type=float, default=_PATIENCE_S)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())

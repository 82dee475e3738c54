#!/bin/sh
# The wheel alone in an empty environment: no file and no package may be missing from it. `make smoke` runs this.
#
# PYTHON  makes the empty environment (default: python3)
# BIN     folder of the development environment, which builds (default: .venv/bin)
set -eu

cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
BIN=${BIN:-.venv/bin}
LIMIT_S=0.5

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

fail() {
    echo "smoke: $*" >&2
    exit 1
}

# Shows the output of a command only if the command fails.
quietly() {
    "$@" >"$work/output" 2>&1 || { cat "$work/output" >&2; fail "failed: $*"; }
}

# The archives, built without a network where hatchling is installed.
isolation=
"$BIN/python" -c 'import hatchling' 2>/dev/null && isolation=--no-isolation
quietly "$BIN/python" -m build --wheel --sdist $isolation --outdir "$work/dist" .

tar -tzf "$work"/dist/*.tar.gz | sed 's|^[^/]*/||' >"$work/sdist"
for file in README.md LICENSE CHANGELOG.md CONTRIBUTING.md Makefile pyproject.toml config.toml requirements-dev.lock \
    protos/db_schemas.proto protos/db_schemas.binpb protos/bq_field.proto sql/01_create_job_runs.sql \
    tests/smoke.sh tests/conftest.py docs/configuration.md systemd/bqsync-sync.service \
    systemd/bqsync.service systemd/bqsync@.service systemd/sysusers.d/bqsync.conf; do
    grep -qxF "$file" "$work/sdist" || fail "the source archive lacks $file"
done

# The wheel, with what it asks for and nothing else. A wheel that was just built has no hash in the lock: pip takes the
# versions alone from it.
sed -n 's/^\([a-z0-9].*==[^\]*[^ \]\) *\\$/\1/p' requirements-dev.lock >"$work/versions"
quietly "$PYTHON" -m venv "$work/venv"
quietly "$work/venv/bin/pip" install -q --disable-pip-version-check -c "$work/versions" "$work"/dist/*.whl
quietly "$work/venv/bin/pip" check

# Away from the checkout, so that nothing is found there by chance.
cd "$work"
quietly venv/bin/bqsync --version
quietly venv/bin/python -m bqsync --help
for command in $(venv/bin/bqsync --help | sed -n "/^Commands:/,\$s/^  \([a-z][a-z-]*\) .*/\1/p"); do
    quietly venv/bin/bqsync "$command" --help
done
quietly venv/bin/python - <<'PROGRAM'
import importlib
import pkgutil
from importlib import resources

import bqsync

for package, names in {
    "bqsync": ("sql/01_create_job_runs.sql", "protos/db_schemas.proto", "protos/db_schemas.binpb",
               "protos/bq_field.proto", "systemd/bqsync.service", "systemd/bqsync@.service",
               "systemd/sysusers.d/bqsync.conf", "systemd/tmpfiles.d/bqsync.conf", "py.typed"),
    "bqsync.demo": ("config.toml",),
}.items():
    for name in names:
        assert resources.files(package).joinpath(name).read_bytes() or name == "py.typed", name

# Every module can be imported without the extras, but for the child process: the embedded BigQuery.
for module in pkgutil.walk_packages(bqsync.__path__, "bqsync."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)

import shutil

from bqsync.native.library import library

assert library() is not None or shutil.which("cc") is None, "the wheel lacks the compiled part, or it can't be used"
PROGRAM

venv/bin/python - venv/bin/bqsync "$LIMIT_S" <<'PROGRAM'
import resource
import subprocess
import sys

program, limit_s = sys.argv[1], float(sys.argv[2])


def worked_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def least_s(*command: str) -> float:
    """Of a processor, and of five runs: what else the machine does is no part of it."""
    times = []
    for _ in range(5):
        before_s = worked_s()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(worked_s() - before_s)
    return min(times)


# A slow machine takes longer for everything.
limit_s = max(limit_s, 20 * least_s(sys.executable, "-c", "pass"))
help_s = least_s(program, "--help")
print(f"smoke: the wheel stands alone; bqsync --help takes {help_s:.2f} s of a processor")
sys.exit(0 if help_s < limit_s else f"smoke: {help_s:.2f} s is over {limit_s:.2f} s")
PROGRAM

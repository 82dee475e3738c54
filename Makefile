# Everything a newcomer and the CI call. Each target sets up what it needs.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Two processes: what is tested waits for disks and sockets about as long as it computes.
JOBS   ?= 2
# A file stays in one process, and they come in the order of tests/conftest.py: the long ones first. By itself pytest-xdist
# takes those with most tests first, and ends with the ones whose single test takes a minute.
DIST   := --dist loadfile --no-loadscope-reorder

# The tests start hundreds of processes. One that may not keep what it has compiled compiles all of bqsync anew.
export PYTHONDONTWRITEBYTECODE :=

HISTORIES ?= 1000
MINUTES   ?= 10

.PHONY: run test check audit fmt protos bench soak histories smoke deb clean test-lowest test-systemd test-bigquery lock

run: $(VENV)/.ready  ## the daemon's work on the nine tables, with a BigQuery on this machine, verified
	$(BIN)/bqsync demo

test: check smoke  ## everything that has to pass
	$(BIN)/python -m pytest -n $(JOBS) $(DIST)
	$(BIN)/python -m tests.soak --minutes 2

check: $(VENV)/.ready  ## style, types, layers, freshness of generated files; advisories are told and fail nothing
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bqsync protos --check
	$(BIN)/python -m tests.audit --only-tell

audit: $(VENV)/.ready  ## whether a version in requirements-dev.lock is known to be vulnerable: then it fails
	$(BIN)/python -m tests.audit

fmt: $(VENV)/.ready
	$(BIN)/ruff check --fix .

protos: $(VENV)/.ready  ## compile protos/*.proto into the descriptor set that is checked in
	$(BIN)/bqsync protos

# A columnar driver and a peer are what figures are compared with, and no dependencies: each has an environment of its own.
bench: $(VENV)/.ready .venv-bench/.ready .venv-dlt/.ready
	$(BIN)/python -m bench

.venv-bench/.ready:
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/pip install -q --disable-pip-version-check adbc-driver-sqlite==1.13.0 pyarrow==26.0.1
	touch $@

.venv-dlt/.ready: Makefile
	$(PYTHON) -m venv .venv-dlt
	.venv-dlt/bin/pip install -q --disable-pip-version-check 'dlt[bigquery]==1.31.0' sqlalchemy pyarrow==26.0.1 \
		connectorx==0.4.6
	touch $@

soak: $(VENV)/.ready  ## the daemon beside writers, faults and kills for so long: make soak MINUTES=10
	$(BIN)/python -m tests.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

histories: $(VENV)/.ready  ## so many random histories against a hostile BigQuery: make histories HISTORIES=1000
	HISTORIES=$(HISTORIES) SHARES=$(JOBS) $(BIN)/python -m pytest tests/model -n $(JOBS) --dist load

smoke: $(VENV)/.ready  ## the wheel alone in an empty environment: no file and no package may be missing from it
	PYTHON=$(PYTHON) BIN=$(BIN) sh tests/smoke.sh

deb: $(VENV)/.ready  ## a package of Debian for this machine, with all that it needs: dist/bqsync_*.deb
	$(BIN)/python -m package

test-lowest: $(VENV)/.ready  ## the suite with the oldest versions that pyproject.toml allows
	$(PYTHON) -m venv .venv-lowest
	$(BIN)/uv pip install -q --python .venv-lowest/bin/python --resolution lowest-direct -e '.[dev]'
	.venv-lowest/bin/python -m pytest -n $(JOBS) $(DIST)

test-systemd: $(VENV)/.ready  ## the service in a Debian that is booted for it: as root, with debootstrap and systemd-container
	$(BIN)/python -m tests.systemd

test-bigquery: $(VENV)/.ready  ## the contract and whole cycles against the project that BQSYNC_TEST_PROJECT names
	$(BIN)/python -m tests.bigquery

# One lock for every Python and platform, with the hashes of all files of each package; no index is named in it. The uv
# that makes it is that of the lock before, in an environment of its own: that of development may lack what is new.
lock:  ## pin what development uses: the newest of everything, with hashes
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	sed -n '/^uv==/,/# via/p' requirements-dev.lock > .venv-lock/uv.txt
	.venv-lock/bin/pip install -q --disable-pip-version-check --no-deps --require-hashes -r .venv-lock/uv.txt
	.venv-lock/bin/uv pip compile -q --no-config --upgrade --universal --python-version 3.11 --extra dev \
		--generate-hashes --no-emit-index-url --custom-compile-command 'make lock' \
		--output-file requirements-dev.lock pyproject.toml
	rm -rf .venv-lock

clean:
	rm -rf $(VENV) .venv-bench .venv-dlt .venv-lowest .venv-lock dist .mypy_cache .pytest_cache .ruff_cache .hypothesis \
		.import_linter_cache .bqsync

# The compiled part is made again when its sources change. Without a compiler there is none, and rows do its work.
$(VENV)/.ready: $(VENV)/.installed package/native.py $(wildcard daemon/bqsync/native/*.[ch])
	$(BIN)/python -m package.native
	touch $@

# The lock is complete, so pip has nothing to look for (--no-deps): it would ask for the hash of versions that it only
# considers. `pip check` tells what the lock lacks.
$(VENV)/.installed: pyproject.toml requirements-dev.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/pip check
	touch $@

# Everything a newcomer and the CI call. Each target sets up what it needs.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Two processes: what is tested waits for disks and sockets about as long as it computes.
JOBS   ?= 2

HISTORIES ?= 1000

.PHONY: run test check fmt protos bench soak smoke clean test-lowest test-systemd test-bigquery lock

run: $(VENV)/.ready  ## the daemon's work on the nine tables, with a BigQuery on this machine, verified
	$(BIN)/bqsync demo

test: check smoke  ## everything that has to pass
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

check: $(VENV)/.ready  ## style, types, layers, freshness of generated files
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bqsync protos --check

fmt: $(VENV)/.ready
	$(BIN)/ruff check --fix .

protos: $(VENV)/.ready  ## compile protos/*.proto into the descriptor set that is checked in
	$(BIN)/bqsync protos

bench: $(VENV)/.ready
	$(BIN)/python -m bench

soak: $(VENV)/.ready  ## so many random histories against a hostile BigQuery: make soak HISTORIES=1000
	HISTORIES=$(HISTORIES) SHARES=$(JOBS) $(BIN)/python -m pytest tests/model -n $(JOBS) --dist load

smoke: $(VENV)/.ready  ## the wheel alone in an empty environment: no file and no package may be missing from it
	PYTHON=$(PYTHON) BIN=$(BIN) sh tests/smoke.sh

test-lowest:  ## the suite with the oldest versions that pyproject.toml allows
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/pip install -q uv
	.venv-lowest/bin/uv pip install -q --python .venv-lowest/bin/python --resolution lowest-direct -e '.[dev]'
	.venv-lowest/bin/python -m pytest -n $(JOBS) --dist loadfile

test-systemd: $(VENV)/.ready  ## the service in a Debian that is booted for it: as root, with debootstrap and systemd-container
	$(BIN)/python -m tests.systemd

test-bigquery: $(VENV)/.ready  ## the contract and whole cycles against the project that BQSYNC_TEST_PROJECT names
	$(BIN)/python -m tests.bigquery

lock:  ## pin what development uses: the newest of everything, from an environment that holds nothing else
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install -q --disable-pip-version-check -e '.[dev]'
	.venv-lock/bin/pip freeze --exclude-editable > requirements-dev.lock
	rm -rf .venv-lock

clean:
	rm -rf $(VENV) .venv-lowest .venv-lock dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .bqsync

$(VENV)/.ready: pyproject.toml requirements-dev.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check -c requirements-dev.lock -e '.[dev]'
	touch $@
